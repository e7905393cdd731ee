"""The figures of the papers for one classifier.

--figures=fig2,fig3a,fig3b,fig4,fig5 (Mixup Inference) and varmixup_fig3 to
varmixup_fig7: each writes <run_dir>/figures/<name>.jsonl and .png, and the
report shows them. fig3b, fig4 and varmixup_fig3 keep their records beside
them, so that a killed call goes on.
"""

import pathlib

from apps import _common
from apps import _latent_figures
from apps import _registry
from keras_mixup import _checks

NAMES = ("fig2", "fig3a", "fig3b", "fig4", "fig5", *_latent_figures.NAMES)
_SAMPLES = (1, 2, 5, 10, 20, 30)


def check(flags):
    """Refuses unknown names, and figures that cannot be made.

    Raises:
        ValueError: for an unknown figure.
        UsageError: for a targeted attack.
    """
    known = dict.fromkeys(NAMES)
    for name in flags.figures:
        _registry.check_name(known, "figure", name)
    once = len(set(flags.figures)) == len(flags.figures)
    _checks.check(once, "figures", "free of repetitions", flags.figures)
    if flags.figures and flags.targeted != "none":
        raise _common.UsageError(
            "--figures are of untargeted attacks, as in the paper; leave out "
            f"--targeted={flags.targeted}."
        )


def draw(flags, models, pool, image_set):
    """Makes the figures and writes them into the run folder.

    Args:
        flags: the parsed flag values.
        models: dict name -> model, the classifier first.
        pool: `SamplePool`, or None if no figure takes one.
        image_set: the examples; at most --figure_examples of them are taken.
    """
    from keras_mixup import data
    from keras_mixup.evaluation import study_files

    count = min(flags.figure_examples, len(image_set.labels))
    shown = data.class_balanced_subset(image_set, count, flags.seed)
    classifier = next(iter(models.values()))
    for name in flags.figures:
        print(f"{name}: {study_files.STUDIES[name].title}, {count} examples")
        if name in _latent_figures.NAMES:
            make = _latent_figures.MAKERS[name]
            options = _options(flags, shown, name)
            rows = make(flags, models, pool, shown, options)
        else:
            rows = _MAKERS[name](flags, classifier, pool, shown)
        for path in study_files.write_study(flags.run_dir, name, rows):
            print(f"  {path}")


def _threat(flags):
    import keras_mixup

    return keras_mixup.ThreatModel(flags.norm, flags.eps)


def _pgd(flags):
    """PGD-10 with steps of eps / 4, as in the paper."""
    from keras_mixup import attacks

    threat = _threat(flags)
    return attacks.PGD(threat, step_size=threat.eps / 4 or 0.01, num_steps=10)


def _specs(flags):
    """The oblivious attack of the figures and, unless --noadaptive, the other.

    The step and draw counts of the adaptive one are those of the flags.
    """
    from keras_mixup import attacks
    from keras_mixup import evaluation

    pgd = _pgd(flags)
    specs = [evaluation.AttackSpec(pgd.name, pgd, "oblivious")]
    if flags.adaptive:
        attack = attacks.MixupInferenceAttack(
            _threat(flags),
            num_steps=flags.adaptive_steps,
            num_draws=flags.adaptive_draws,
        )
        specs.append(evaluation.AttackSpec(attack.name, attack, "adaptive"))
    return specs


def _lambda_sweep(flags, classifier, pool, shown):
    from keras_mixup.evaluation import mechanism

    return mechanism.lambda_sweep(
        classifier,
        pool,
        _pgd(flags),
        shown.images,
        shown.labels,
        num_draws=flags.num_draws,
        seed=flags.attack_seed,
    )


def _detection(flags, classifier, pool, shown):
    from keras_mixup import inference
    from keras_mixup.evaluation import detection

    detectors = {
        "MI-PL": inference.MixupInferencePL(
            classifier, pool, 0.5, flags.num_draws
        ),
        "MI-Combined": inference.MixupInferenceCombined(
            classifier,
            pool,
            flags.pl_weight,
            flags.ol_weight,
            flags.threshold,
            flags.num_draws,
        ),
    }
    return detection.detection_curves(
        classifier,
        detectors,
        _specs(flags),
        shown.images,
        shown.labels,
        batch_size=flags.batch_size,
        attack_seed=flags.attack_seed,
        eval_seed=flags.eval_seeds[0],
    )


def _trade_off(flags, classifier, pool, shown):
    from keras_mixup.evaluation import studies

    return studies.trade_off(
        classifier,
        _families(flags, classifier, pool),
        _specs(flags),
        shown.images,
        shown.labels,
        **_options(flags, shown, "fig3b"),
    )


def _families(flags, classifier, pool):
    """The grid of the paper's families, sizes scaled to the images."""
    from keras_mixup import inference

    size = classifier.input_shape[1]
    draws = {"num_draws": flags.num_draws}

    def built(kind, settings, *arguments):
        return {
            text: kind(classifier, *arguments, value, **draws)
            for text, value in settings.items()
        }

    weights = {f"{w:g}": w for w in (0.4, 0.5, 0.6, 0.7, 0.8)}
    ranges = {
        f"{low}-{high}": (low, high)
        for low, high in (
            (max(1, round(share * size)), max(1, round((share + 0.2) * size)))
            for share in (0.5, 0.6, 0.7, 0.8)
        )
        if low < high <= size
    }
    noise = {f"{s:g}": s for s in (0.02, 0.05, 0.1, 0.2)}
    angles = {f"{a:g}": a for a in (10.0, 20.0, 40.0)}
    return {
        "MI-OL": built(inference.MixupInferenceOL, weights, pool),
        "MI-PL": built(inference.MixupInferencePL, weights, pool),
        "noise": built(inference.GaussianNoiseInference, noise),
        "rotation": built(inference.RandomRotationInference, angles),
        "resize-pad": built(inference.RandomResizePadInference, ranges),
        "crop-resize": built(inference.RandomCropResizeInference, ranges),
    }


def _adaptive_samples(flags, classifier, pool, shown):
    from keras_mixup.evaluation import studies

    steps = (10,) if flags.adaptive_steps is None else (flags.adaptive_steps,)
    return studies.adaptive_samples(
        {"classifier": classifier, "MI-OL": _mixup(flags, classifier, pool)},
        _threat(flags),
        shown.images,
        shown.labels,
        num_samples=_SAMPLES,
        num_steps=steps if flags.adaptive_steps else (10, 50),
        **_options(flags, shown, "fig4"),
    )


def _mixup(flags, classifier, pool):
    from keras_mixup import inference

    weight = _common.parse_mix_weight(flags.mix_weights[0])
    return inference.MixupInferenceOL(classifier, pool, weight, flags.num_draws)


def _adaptive_examples(flags, classifier, pool, shown):
    from keras_mixup.evaluation import studies

    return studies.adaptive_examples(
        _mixup(flags, classifier, pool),
        shown.images,
        shown.labels,
        eps=flags.figure_eps,
        seed=flags.attack_seed,
    )


def _options(flags, shown, name):
    from keras_mixup.evaluation import study_files

    folder = pathlib.Path(flags.run_dir) / study_files.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "batch_size": flags.batch_size,
        "eval_seeds": flags.eval_seeds,
        "attack_seed": flags.attack_seed,
        "example_ids": shown.example_ids,
        "records_path": str(folder / f"{name}_records.jsonl"),
        "pool_split": "train",
        "verbose": flags.verbose,
    }


_MAKERS = {
    "fig2": _lambda_sweep,
    "fig3a": _detection,
    "fig3b": _trade_off,
    "fig4": _adaptive_samples,
    "fig5": _adaptive_examples,
}
