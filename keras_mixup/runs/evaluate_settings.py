"""The settings of an evaluation."""

from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from keras_mixup import _setting
from keras_mixup import _settings
from keras_mixup import registry
from keras_mixup._setting import ANY
from keras_mixup._settings import field
from keras_mixup._types import MixWeight
from keras_mixup.runs import _evaluate_checks
from keras_mixup.runs import _evaluated
from keras_mixup.runs import _own_attacks
from keras_mixup.runs import data_settings
from keras_mixup.runs import shared
from keras_mixup.runs._owned import owned

_POOLED = registry.taking("defence", "pool")
_LATENT = registry.taking("defence", "vae")
_PAIRED = _evaluated.studies_that("needs_pool")
_DEFENCE = owned("defences", "defence", flags=True)


class _EvaluateSettings(_settings.Settings):
    """The settings of `evaluate`.

    These, and the settings that the registrations of attacks and defences
    list under `flags`.
    """

    classifier = shared.CLASSIFIER
    weights: "Literal['best', 'last']" = field(
        "best",
        "Of the run folder: the epoch that was best on validation images, or "
        "the last one.",
    )
    model_name: "str | None" = field(
        None, "Row name.", unset="algorithm and model"
    )
    dataset = shared.DATASET.but(unset="that of the run")
    data_dir = shared.DATA_DIR.but(unset="that of the run")
    split: "Literal['test', 'validation', 'train']" = field(
        "test", "Split to score."
    )
    num_examples: "int | None" = field(
        None, "Class-balanced subset chosen by seed.", 1, unset="all"
    )
    attacks: "tuple[str, ...]" = field(
        ("clean", "cleverhans_pgd"), f"Any of {', '.join(_evaluated.ATTACKS)}."
    )
    adaptive: "bool" = field(True, "Attack through each defence as well.")
    norm = shared.NORM
    eps = shared.EPS.but(shared.EPS.default, several=True)
    step_size = registry.setting("attack", "pgd", "step_size").but(
        owners=(("attacks", _evaluated.PGD),), unset="eps / 4"
    )
    pgd_steps: "tuple[int, ...]" = field(
        (10,),
        "PGD: numbers of steps, each a column.",
        owners=(("attacks", _evaluated.STEPPED),),
    )
    targeted: "Literal['none', 'random', 'second_most_likely']" = field(
        "none",
        "Aim at another class; accuracy still counts the true label.",
        owners=(
            (
                "attacks",
                _evaluated.ATTACKING,
            ),
        ),
    )
    spsa_examples: "int" = field(
        20, "SPSA is slow: examples.", 1, (("attacks", _evaluated.SPSA),)
    )
    autoattack_version: "Literal['standard', 'cheap', 'plus', 'fast']" = field(
        "standard",
        "AutoAttack on models without draws; others get rand.",
        owners=(("attacks", ("autoattack",)),),
    )
    adaptive_examples: "int | None" = field(
        None,
        "Adaptive attacks are slow: examples.",
        1,
        (("attacks", _evaluated.THROUGH), ("figures", ANY)),
        "all",
    )
    defences: "tuple[str, ...]" = field(
        ("mixup_inference_ol",),
        f"Any of {', '.join(registry.names('defence'))}; empty for none.",
    )
    mix_weights: "tuple[MixWeight, ...] | None" = field(
        None,
        "MI-OL, MI-PL, VarMI: weights of the input, each a row: 0.6, "
        "uniform:0.4:0.6 or beta:2:1.",
        owners=(
            ("defences", registry.taking("defence", "mix_weight")),
            ("figures", _PAIRED),
        ),
        unset="the paper's for the run",
    )
    num_draws = _DEFENCE["num_draws"].but(
        30, (("defences", ANY), ("figures", _PAIRED))
    )
    pool_size: "int | None" = field(
        None,
        "Pool images from train.",
        1,
        (("defences", _POOLED), ("figures", _PAIRED)),
        "all",
    )
    vae = shared.VAE.but(
        owners=(
            ("defences", _LATENT),
            ("figures", _evaluated.studies_that("needs_vae")),
        ),
        unset="that of the run",
    )
    figures: "tuple[str, ...]" = field(
        (), f"Any of {', '.join(_evaluated.STUDIES)}."
    )
    figure_examples: "int" = field(
        100,
        "Figures and certificates: examples.",
        1,
        (("figures", ANY), ("certify", (True,))),
    )
    figure_eps: "float" = field(
        16 / 255, "fig5: radius, L-infinity.", owners=(("figures", ("fig5",)),)
    )
    adv_vae: "str | None" = field(
        None,
        "A second autoencoder, for adv-VarMixup.",
        owners=(("figures", _evaluated.studies_that("needs_vae")),),
        unset="none",
    )
    feature_net: "str | None" = field(
        None,
        "Features from this .keras classifier, Keras' InceptionV3 weights "
        "(.h5) or package.module:Name.",
        owners=(("figures", ("varmixup_fig5",)),),
        unset="the classifier itself",
    )
    eta_runs: "tuple[str, ...]" = field(
        (),
        "Evaluated run folders.",
        owners=(("figures", ("varmixup_fig6a",)),),
    )
    certify: "bool" = field(
        False, "Certify the L2 radius of each answer of randomized_smoothing."
    )
    certify_draws: "int" = field(
        10_000,
        "Votes of each image; more votes certify larger radii.",
        1,
        (("certify", (True,)),),
    )
    certify_alpha: "float" = field(
        0.001,
        "Chance that a certificate is wrong.",
        owners=(("certify", (True,)),),
    )
    corruptions: "Literal['none', 'imagecorruptions', 'published']" = field(
        "none",
        "Also score on corrupted images: those that imagecorruptions makes of "
        "the examples, or the published test set (CIFAR-10-C, CIFAR-100-C, "
        "Tiny-ImageNet-C).",
    )
    corruption_dir: "str | None" = field(
        None,
        "Unpacked folder of the published set; CIFAR-10-C: the tfds folder.",
        owners=(("corruptions", ("published",)),),
        unset="data_dir with CIFAR-10-C",
    )
    corruption_kinds: "tuple[str, ...]" = field(
        (),
        "Kinds of corruption.",
        owners=(("corruptions", ("imagecorruptions", "published")),),
        unset="the 15 standard ones",
    )
    eval_seeds: "tuple[int, ...] | None" = field(
        None,
        "Seeds of the defences' draws.",
        unset="0 to 2, with worst_case 0 to 9",
    )
    worst_case: "bool" = field(
        False, "Per example the worst attack, scored on fresh draws."
    )
    selection_seeds: "tuple[int, ...]" = field(
        (0, 1, 2, 3, 4),
        "Worst case: seeds that choose the attack.",
        owners=(("worst_case", (True,)),),
    )
    save_adversarial = data_settings.SAVE_ADVERSARIAL
    adversarial = data_settings.ADVERSARIAL
    controls: "bool" = field(
        False,
        "Add mean-image shrinkage, and attacks of radius lambda eps on the "
        "classifier.",
    )
    probe: "bool" = field(True, "Ask each model for red flags.")
    attack_seed: "int" = field(0, "Seed of the attacks.", 0)
    batch_size = shared.BATCH_SIZE.but(100)
    seed = shared.SEED
    threads = shared.THREADS

    @classmethod
    def choosers(cls) -> set[str]:
        """Returns the names of the settings that own others, a set."""
        return super().choosers() | {"adaptive"}

    def value(self, name: str) -> Any:
        """Returns the setting; all attacks, and the data set's kind."""
        if name == "dataset":
            return data_settings.kind_of(self.dataset)
        return self.all_attacks if name == "attacks" else getattr(self, name)

    def in_effect(self, name: str) -> bool:
        """As for all settings; AutoAttack takes steps on defences alone."""
        if name != "adaptive_steps" or self.defences or self.figures:
            return super().in_effect(name)
        ((_, known),) = (
            owner
            for owner in self.declared[name].owners
            if owner[0] == "attacks"
        )
        return any(n in known and n != "autoattack" for n in self.all_attacks)

    def _without_effect(self, name):
        text = super()._without_effect(name)
        if name == "adaptive_steps" and "autoattack" in self.attacks:
            text += ". AutoAttack takes it on `defences` alone"
        return text

    @property
    def all_attacks(self) -> tuple[str, ...]:
        """The attacks' names and, where needed, `ADAPTIVE`."""
        # Attacks by queries alone are too weak to judge a defence.
        plain = (_evaluated.CLEAN, *_evaluated.WHITE_BOX, "transfer")
        attacked = any(name not in plain for name in self.attacks)
        known = any(map(_own_attacks.differentiates_through, self.attacks))
        known = known or any(
            name in _evaluated.WHITE_BOX for name in self.attacks
        )
        if self.adaptive and self.defences and attacked and not known:
            return (*self.attacks, _evaluated.ADAPTIVE)
        return self.attacks

    @property
    def radii(self) -> tuple[float, ...]:
        """The radii of the attacks, a tuple of float."""
        return self.eps if isinstance(self.eps, tuple) else (self.eps,)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the defences' draws, a tuple of int."""
        if self.eval_seeds is not None:
            return self.eval_seeds
        return tuple(range(10 if self.worst_case else 3))

    @property
    def needs_pool(self) -> bool:
        """Whether a defence or a figure mixes with a pool."""
        return self._needs("pool")

    @property
    def needs_vae(self) -> bool:
        """Whether a defence or a figure takes an autoencoder."""
        return self._needs("vae")

    def _needs(self, what):
        taken = (registry.accepts("defence", n, what) for n in self.defences)
        return any(taken) or any(
            n in _evaluated.studies_that(f"needs_{what}") for n in self.figures
        )

    def check(self) -> None:
        """Raises `ValueError` for settings that do not go together."""
        _evaluate_checks.check_names(self)
        super().check()
        _evaluate_checks.check_together(self)


_OWNED = {**owned("attacks", "attack", flags=True), **_DEFENCE}
for _name, _figures in (
    # Fig. 3a shows a detector with these settings.
    *((name, ("fig3a",)) for name in ("pl_weight", "ol_weight", "threshold")),
    *((name, ANY) for name in ("adaptive_steps", "adaptive_draws")),
):
    _OWNED[_name] = _setting.also_owned(_OWNED[_name], ("figures", _figures))
if TYPE_CHECKING:  # What a checker and the site see of it.

    class EvaluateSettings(_EvaluateSettings):
        """The settings of `evaluate`, given by name.

        `keras-mixup evaluate --help` lists all of them, with what they mean.
        """

else:
    EvaluateSettings = _settings.complete(
        _EvaluateSettings, [*_OWNED.values(), *data_settings.SETTINGS]
    )
