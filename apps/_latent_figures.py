"""The figures of the VarMixup paper: --figures=varmixup_fig3,....

Figures 4, 5 and 7 need the classifier and, the latter two, --vae; Figure 6 is
made from records alone, of this run folder (6b: --mix_weights=0,0.1,...,1) or
of several (6a: --eta_runs, networks trained with other --alpha).
"""

import pathlib

from apps import _common
from apps import _evaluation_settings
from apps import _run_folder

NAMES = (
    "varmixup_fig3",
    "varmixup_fig4",
    "varmixup_fig5",
    "varmixup_fig6a",
    "varmixup_fig6b",
    "varmixup_fig7",
)
# Made from records alone: no images, no pool.
FROM_RECORDS = ("varmixup_fig6a", "varmixup_fig6b")
TAKE_VAE = ("varmixup_fig5", "varmixup_fig7")
# Shares of --eps at which Fig. 4 is measured.
_RADII = (0.25, 0.5, 0.75, 1.0)
_SAMPLES = (1, 2, 5, 10, 20, 30)


def define(flags):
    """Defines the flags.

    Args:
        flags: `_common.Flags`.
    """
    flags.string(
        "adv_vae",
        None,
        "varmixup_fig5, fig7: a second autoencoder, for adv-VarMixup.",
    )
    flags.string(
        "feature_net",
        None,
        "varmixup_fig5: features from this .keras classifier, or from Keras' "
        "InceptionV3 weights (.h5); default: from the classifier itself.",
    )
    flags.string_list(
        "eta_runs", "", "varmixup_fig6a: evaluated folders of apps.train."
    )


def check(flags):
    """Refuses figures that cannot be made, and flags without effect.

    Raises:
        UsageError: names the flag.
        FileNotFoundError: a run of --eta_runs was not evaluated, or
            --feature_net is not there.
    """
    from apps import _vae_training

    for name, owners in (
        ("adv_vae", TAKE_VAE),
        ("feature_net", ("varmixup_fig5",)),
        ("eta_runs", ("varmixup_fig6a",)),
    ):
        if flags[name].present and not any(f in owners for f in flags.figures):
            raise _common.UsageError(
                f"--{name} has no effect without --figures={owners[0]}."
            )
    if any(name in TAKE_VAE for name in flags.figures):
        if flags.vae is None:
            raise _common.UsageError(
                "--figures=varmixup_fig5 and varmixup_fig7 need --vae=PATH, an "
                "autoencoder trained by python -m apps.train --task=vae."
            )
        for path in (flags.vae, flags.adv_vae):
            if path is not None:
                _vae_training.vae_file(path)
    if "varmixup_fig3" in flags.figures and not flags.defences:
        raise _common.UsageError("--figures=varmixup_fig3 needs --defences.")
    if "varmixup_fig6a" in flags.figures:
        if not flags.eta_runs:
            raise _common.UsageError(
                "--figures=varmixup_fig6a needs --eta_runs=DIR,DIR,..."
            )
        for folder in flags.eta_runs:
            _run_folder.read_config(folder)
            if not pathlib.Path(folder, _evaluation_settings.RECORDS).is_file():
                raise FileNotFoundError(
                    f"{folder} has no {_evaluation_settings.RECORDS}. "
                    "Evaluate it first: python -m apps.evaluate "
                    f"--run_dir={folder}"
                )
    net = flags.feature_net
    if net is not None and not pathlib.Path(net).is_file():
        raise FileNotFoundError(f"No feature net at {net}.")


def adaptive_samples(flags, models, pool, shown, options):
    """Fig. 3: the attack of Eq. 16 through every defence, over its samples."""
    import keras_mixup
    from keras_mixup.evaluation import specs
    from keras_mixup.evaluation import studies

    del pool
    given = flags.adaptive_steps
    drawing = {n: m for n, m in models.items() if specs.is_randomized(m)}
    bare = next(iter(models.values()))
    return studies.adaptive_samples(
        {"classifier": bare, **drawing},
        keras_mixup.ThreatModel(flags.norm, flags.eps),
        shown.images,
        shown.labels,
        num_samples=_SAMPLES,
        num_steps=(10 if given is None else given,),
        **options,
    )


def linearity(flags, models, pool, shown, options):
    """Fig. 4: the local linearity error over the radius."""
    from keras_mixup import data
    from keras_mixup.evaluation import latent_studies

    del pool, options
    return latent_studies.linearity_rows(
        models,
        data.as_float(shown.images),
        shown.labels,
        [share * flags.eps for share in _RADII],
        seed=flags.attack_seed,
        batch_size=flags.batch_size,
    )


def distances(flags, models, pool, shown, options):
    """Fig. 5: distances of mixed, and of test images to training images."""
    from keras_mixup import data
    from keras_mixup.evaluation import latent_studies

    del options
    count = min(flags.figure_examples, len(shown.labels))
    first, second = _pairs(flags, pool, count)
    sets = {f"{flags.split} images": data.as_float(shown.images)}
    made = latent_studies.mixed_samples(first, second, _vaes(flags))
    for title in ("first image", "second image"):
        made.pop(title)
    network = _feature_net(flags, next(iter(models.values())))
    return latent_studies.distance_rows(
        network, first, {**sets, **made}, flags.batch_size
    )


def eta_sweep(flags, models, pool, shown, options):
    """Fig. 6a: accuracy over eta, from the records of several runs."""
    from keras_mixup import evaluation
    from keras_mixup.evaluation import latent_studies

    del models, pool, shown, options
    runs = []
    for folder in flags.eta_runs:
        config = _run_folder.read_config(folder)["flags"]
        path = pathlib.Path(folder, _evaluation_settings.RECORDS)
        # Not given: the constructor's default, as in the paper.
        eta = 1.0 if config.get("alpha") is None else config["alpha"]
        runs.append((eta, evaluation.read_records(path)))
    return latent_studies.eta_sweep_rows(runs)


def weight_sweep(flags, models, pool, shown, options):
    """Fig. 6b: accuracy over lambda_MI, from this folder's records."""
    from keras_mixup import evaluation
    from keras_mixup.evaluation import latent_studies

    del models, pool, shown, options
    path = pathlib.Path(flags.run_dir, _evaluation_settings.RECORDS)
    return latent_studies.weight_sweep_rows(evaluation.read_records(path))


def samples(flags, models, pool, shown, options):
    """Fig. 7: pairs of training images, mixed as pixels and as codes."""
    from keras_mixup.evaluation import latent_studies

    del models, shown, options
    made = latent_studies.mixed_samples(*_pairs(flags, pool, 8), _vaes(flags))
    return latent_studies.sample_rows(made)


def _pairs(flags, pool, count):
    """Returns two sets of `count` training images, chosen by --seed."""
    import numpy as np

    random = np.random.default_rng(flags.seed)
    rows = random.permutation(sum(pool.class_counts)).astype("int32")
    first, second = rows[:count], rows[count : 2 * count]
    if len(second) < len(first):
        # Too few for pairs without repetition; nobody meets itself.
        second = np.roll(first, 1)
    return pool.gather(first).numpy(), pool.gather(second).numpy()


def _vaes(flags):
    from apps import _vae_training

    vaes = {"VarMixup": _vae_training.load_vae(flags.vae)}
    if flags.adv_vae is not None:
        vaes["adv-VarMixup"] = _vae_training.load_vae(flags.adv_vae)
    return vaes


def _feature_net(flags, classifier):
    import keras

    from keras_mixup import metrics

    path = flags.feature_net
    if path is None:
        return metrics.classifier_features(classifier)
    if path.endswith(".h5"):
        return metrics.inception_features(path)
    return metrics.classifier_features(
        keras.saving.load_model(path, compile=False)
    )


MAKERS = {
    "varmixup_fig3": adaptive_samples,
    "varmixup_fig4": linearity,
    "varmixup_fig5": distances,
    "varmixup_fig6a": eta_sweep,
    "varmixup_fig6b": weight_sweep,
    "varmixup_fig7": samples,
}
