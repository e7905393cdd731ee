"""The settings of an evaluation."""

from typing import Literal

from keras_mixup import _checks
from keras_mixup import _corruption_kinds
from keras_mixup import _settings
from keras_mixup import registry
from keras_mixup._settings import ANY
from keras_mixup._settings import MixWeight
from keras_mixup._settings import field
from keras_mixup.runs import _own_attacks
from keras_mixup.runs import data_settings
from keras_mixup.runs import shared
from keras_mixup.runs._owned import owned

# Without an attack; scored by `evaluate` itself.
CLEAN = "clean"
# The attack that is added where no gradient attack goes through the defences.
ADAPTIVE = "tramer2020"
# Attacks through a defence, with gradients or without them.
RECIPES = tuple(
    name
    for name in registry.names("attack")
    if registry.entry("attack", name).fixed.get("recipe")
)
AVERAGED = tuple(
    name
    for name in registry.names("attack")
    if isinstance(registry.entry("attack", name).fixed.get("attack"), str)
)
WHITE_BOX = (*(n for n in RECIPES if n != "transfer"), "autoattack")
THROUGH = (*WHITE_BOX, *AVERAGED)
# These have registered names for each inner attack or recipe.
_PARTS = ("mixup_inference_attack", "averaged_attack")
ATTACKS = (
    CLEAN,
    *(name for name in registry.names("attack") if name not in _PARTS),
)
# Studies that have a setting of their own.
_APART = ("certified", "corruptions")
STUDIES = tuple(n for n in registry.names("study") if n not in _APART)
# They stop at the classifier's boundary.
_AT_BOUNDARY = ("fab", "targeted_fab")
_PGD = ("pgd", "cleverhans_pgd")
_STEPPED = (*_PGD, "varmixup_pgd")
_SPSA = ("cleverhans_spsa", "spsa", "averaged_spsa")


def _studies(need):
    """The studies whose class sets `need`, such as "needs_pool"."""
    return tuple(
        n for n in STUDIES if registry.entry("study", n).constants.get(need)
    )


_POOLED = registry.taking("defence", "pool")
_LATENT = registry.taking("defence", "vae")
_PAIRED = _studies("needs_pool")
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
        ("clean", "cleverhans_pgd"), f"Any of {', '.join(ATTACKS)}."
    )
    adaptive: "bool" = field(True, "Attack through each defence as well.")
    norm = shared.NORM
    eps = shared.EPS
    step_size = registry.setting("attack", "pgd", "step_size").but(
        owners=(("attacks", _PGD),), unset="eps / 4"
    )
    pgd_steps: "tuple[int, ...]" = field(
        (10,),
        "PGD: numbers of steps, each a column.",
        owners=(("attacks", _STEPPED),),
    )
    targeted: "Literal['none', 'random', 'second_most_likely']" = field(
        "none",
        "Aim at another class; accuracy still counts the true label.",
        owners=(("attacks", tuple(n for n in ATTACKS if n != CLEAN)),),
    )
    spsa_examples: "int" = field(
        20, "SPSA is slow: examples.", 1, (("attacks", _SPSA),)
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
        (("attacks", THROUGH), ("figures", ANY)),
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
        owners=(("defences", _LATENT), ("figures", _studies("needs_vae"))),
        unset="that of the run",
    )
    figures: "tuple[str, ...]" = field((), f"Any of {', '.join(STUDIES)}.")
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
        owners=(("figures", _studies("needs_vae")),),
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
    def choosers(cls):
        """Returns the names of the settings that own others, a set."""
        return super().choosers() | {"adaptive"}

    def value(self, name):
        """Returns the setting; all attacks, and the data set's kind."""
        if name == "dataset":
            return data_settings.kind_of(self.dataset)
        return self.all_attacks if name == "attacks" else getattr(self, name)

    @property
    def all_attacks(self):
        """The attacks' names and, where needed, `ADAPTIVE`."""
        # Attacks by queries alone are too weak to judge a defence.
        plain = (CLEAN, *WHITE_BOX, "transfer")
        attacked = any(name not in plain for name in self.attacks)
        known = any(map(_own_attacks.differentiates_through, self.attacks))
        known = known or any(name in WHITE_BOX for name in self.attacks)
        if self.adaptive and self.defences and attacked and not known:
            return (*self.attacks, ADAPTIVE)
        return self.attacks

    @property
    def seeds(self):
        """The seeds of the defences' draws, a tuple of int."""
        if self.eval_seeds is not None:
            return self.eval_seeds
        return tuple(range(10 if self.worst_case else 3))

    @property
    def needs_pool(self):
        """Whether a defence or a figure mixes with a pool."""
        return self._needs("pool")

    @property
    def needs_vae(self):
        """Whether a defence or a figure takes an autoencoder."""
        return self._needs("vae")

    def _needs(self, what):
        taken = (registry.accepts("defence", n, what) for n in self.defences)
        return any(taken) or any(
            n in _studies(f"needs_{what}") for n in self.figures
        )

    def check(self):
        """Raises `ValueError` for settings that do not go together."""
        with _checks.called({"attack": "attacks", "defence": "defences"}):
            for name in self.attacks:
                registry.check_name("attack", name, ATTACKS)
            for name in self.defences:
                registry.check_name("defence", name)
        for name in self.figures:
            _checks.check_known(name, "figures", STUDIES)
        kinds = (*_corruption_kinds.STANDARD, *_corruption_kinds.EXTRA)
        for kind in self.corruption_kinds:
            _checks.check_choice(kind, "corruption_kinds", kinds)
        self._check_lists()
        super().check()
        self._check_attacks()
        self._check_others()
        self._check_worst_case()

    def _check_lists(self):
        needed = ("attacks", "mix_weights", "pgd_steps", "eval_seeds")
        for name in (*needed, "defences", "figures", "corruption_kinds"):
            values = self.seeds if name == "eval_seeds" else getattr(self, name)
            if values is None:  # The papers' default is chosen later.
                continue
            once = len(set(values)) == len(values)
            _checks.check(once, name, "free of repetitions", values)
            if name == "eval_seeds":
                expected = "different whole numbers >= 0"
                okay = min(values, default=0) >= 0
                _checks.check(okay, "eval_seeds", expected, values)
            given = values or name not in needed
            _checks.check(given, name, "a list of at least one", values)

    def _check_attacks(self):
        through = _own_attacks.through(self.attacks, THROUGH)
        targeted = self.targeted != "none"
        _refuse(
            (
                through and not self.adaptive,
                f"attacks lists {', '.join(through)}, which adaptive=False "
                "switches off.",
            ),
            (
                "autoattack" in through and targeted,
                "autoattack has no targeted form. Leave out `targeted`, or "
                "take targeted_apgd.",
            ),
            (
                self.defences and any(n in _AT_BOUNDARY for n in self.attacks),
                "fab and targeted_fab stop at the classifier's boundary, which "
                "is not that of a defence. Run them with empty `defences`, "
                "into the same folder.",
            ),
            (
                self.label_source == "predicted" and targeted,
                "label_source=predicted attacks the predicted class, "
                "`targeted` aims at another class. Choose one of them.",
            ),
        )

    def _check_others(self):
        targeted = self.targeted != "none"
        _refuse(
            (
                self.figures and targeted,
                "`figures` show untargeted attacks, as in the papers. Leave "
                "out `targeted`.",
            ),
            (
                self.split == "train" and self.needs_pool,
                "split=train: the defences draw their pool from the train "
                "split, so an image could be mixed with itself. Choose "
                "another split, or defences without a pool.",
            ),
            (
                "varmixup_fig3" in self.figures and not self.defences,
                "figures=varmixup_fig3 needs `defences`.",
            ),
            (
                self.certify and "randomized_smoothing" not in self.defences,
                "`certify` needs defences=randomized_smoothing. Others "
                "have no certificate.",
            ),
            (
                "varmixup_fig6a" in self.figures and not self.eta_runs,
                "figures=varmixup_fig6a needs `eta_runs`, evaluated folders.",
            ),
            (
                self.corruptions == "published" and self.split != "test",
                "corruptions=published is a test set. Received: "
                f"split={self.split}",
            ),
        )

    def _check_worst_case(self):
        if not self.worst_case:
            return
        okay = len(self.seeds) >= 10
        expected = "ten or more seeds with worst_case"
        _checks.check(okay, "eval_seeds", expected, self.seeds)
        _checks.check_seeds(self.selection_seeds, "selection_seeds")


def _refuse(*cases):
    """Raises `ValueError` for the first case, (wrong, text), that is wrong."""
    for wrong, text in cases:
        if wrong:
            raise ValueError(text)


_OWNED = {**owned("attacks", "attack", flags=True), **_DEFENCE}
for _name, _figures in (
    # Fig. 3a shows a detector with these settings.
    *((name, ("fig3a",)) for name in ("pl_weight", "ol_weight", "threshold")),
    *((name, ANY) for name in ("adaptive_steps", "adaptive_draws")),
):
    _OWNED[_name] = _settings.also_owned(_OWNED[_name], ("figures", _figures))
EvaluateSettings = _settings.complete(
    _EvaluateSettings, [*_OWNED.values(), *data_settings.SETTINGS]
)
