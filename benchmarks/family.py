"""Every training algorithm in the settings that the benchmarks compare."""

import math
import types
from typing import NamedTuple

from keras_mixup import training

# The distance of CURE's two slopes, as a part of the length of the ball's
# corners: its paper's 1.5 for 8/255 on 32x32x3.
_DISTANCE = 1.5 / (8 / 255 * (32 * 32 * 3) ** 0.5)


class Member(NamedTuple):
    """One algorithm and its price.

    Attributes:
        title: str, the row of a table.
        algorithm: subclass of `training.Algorithm`.
        options: dict, arguments of its constructor beside classifier, attack
            and seed.
        attacked: bool, whether it takes an attack of k steps.
        input_gradients: function of k, passes with the gradient by the input.
        training_passes: int, passes with the gradient by the weights.
        other: None, or a function of k: {bare pass: count} in place of the
            two numbers above, where those do not tell the whole price. The
            names are those of `bare.passes`.
        compiled: dict, settings of a run that are no arguments of the
            algorithm but of its `compile`.
    """

    title: str
    algorithm: type
    options: dict
    attacked: bool = True
    input_gradients: object = lambda k: k
    training_passes: int = 1
    other: object = None
    compiled: dict = types.MappingProxyType({})

    def bare_passes(self, k):
        """Returns {name of a bare pass: how many of them} of a step."""
        if self.other:
            return self.other(k)
        counts = {
            "input gradient": self.input_gradients(k),
            "training": self.training_passes,
        }
        return {name: count for name, count in counts.items() if count}

    def build(self, classifier, attack, seed=0, warmup_steps=0):
        """Returns the algorithm around `classifier`.

        Args:
            classifier: functional `keras.Model`.
            attack: `attacks.PGD`; gives k and the ball.
            seed: int.
            warmup_steps: int, of CURE's distance.
        """
        options = self.arguments(
            attack.num_steps,
            attack.threat.eps,
            classifier.input_shape[1:],
            warmup_steps,
        )
        if self.attacked:
            options["attack"] = attack
        return self.algorithm(classifier, seed=seed, **options)

    def compile_arguments(self):
        """Returns the arguments of `compile` that `compiled` stands for."""
        made = {"ema": training.EMA}
        return {
            name: made[value]() if value in made else value
            for name, value in self.compiled.items()
        }

    def arguments(self, num_steps, eps, image_shape, warmup_steps=0):
        """Returns the algorithm's own arguments, a dict.

        Args:
            num_steps: int, k of the attack.
            eps: float, the radius of its ball.
            image_shape: (height, width, channels).
            warmup_steps: int, of CURE's distance.
        """
        options = dict(self.options)
        if self.algorithm is training.LatentAdversarialTraining:
            options["latent_steps"] = num_steps
        if self.algorithm is training.CurvatureRegularization:
            corner = eps * math.prod(image_shape) ** 0.5
            options["distance"] = _DISTANCE * corner
            options["warmup_steps"] = warmup_steps
        return options


def _plain(title, algorithm, **options):
    return Member(title, algorithm, options, False, lambda k: 0)


def _mixed(title, **options):
    return Member(title, training.AdversarialMixup, options)


MEMBERS = {
    "erm": _plain("ERM", training.ERM),
    "mixup": _plain("Mixup", training.Mixup),
    "cutmix": _plain("CutMix", training.CutMix),
    "gaussian_augmentation": _plain(
        "Gaussian augmentation", training.GaussianAugmentation, noise_stddev=0.1
    ),
    "regmixup": Member(
        "RegMixup",
        training.RegMixup,
        {},
        False,
        lambda k: 0,
        training_passes=2,
    ),
    "dat": _plain("directional AT", training.DirectionalAdversarialTraining),
    "manifold_mixup": _plain("ManifoldMixup", training.ManifoldMixup),
    "at": Member("AT", training.AdversarialTraining, {}),
    "at_1to1": Member(
        "AT, clean loss 1:1",
        training.AdversarialTraining,
        {"clean_weight": 1.0},
        training_passes=2,
    ),
    "at_awp": Member(
        "AT, weight perturbation",
        training.AdversarialTraining,
        {},
        training_passes=2,
        compiled={"weight_perturbation": 0.01},
    ),
    "at_ema": Member(
        "AT, averaged weights",
        training.AdversarialTraining,
        {},
        compiled={"weight_average": "ema"},
    ),
    "trades": Member("TRADES, beta 6", training.TRADES, {}, training_passes=2),
    "avmixup": Member("AVmixup", training.AdversarialVertexMixup, {}),
    "cutmix_at": Member(
        "CutMix, then AT", training.CutMixAdversarialTraining, {}
    ),
    "cutmix_trades": Member(
        "CutMix, then TRADES", training.CutMixTRADES, {}, training_passes=2
    ),
    "iat": Member(
        "interpolated AT",
        training.InterpolatedAdversarialTraining,
        {},
        training_passes=2,
    ),
    "mix_then_attack": Member("mix then attack", training.MixThenAttack, {}),
    "attack_then_mix": Member("attack then mix", training.AttackThenMix, {}),
    "attack_then_mix_1to1": Member(
        "attack then mix, clean loss 1:1",
        training.AttackThenMix,
        {"clean_weight": 1.0},
        training_passes=2,
    ),
    "aom_frozen_shared": _mixed(
        "AOM, frozen lambda, shared delta", mix_weight="frozen", delta="shared"
    ),
    "aom_frozen": _mixed("AOM, frozen lambda", mix_weight="frozen"),
    "aom_shared": _mixed("AOM, shared delta", delta="shared"),
    "aom": _mixed("AOM (the paper's ours)"),
    "aom_geometric": _mixed("AOM, geometric labels", label_mixing="geometric"),
    "lat": Member(
        "latent AT",
        training.LatentAdversarialTraining,
        {},
        training_passes=2,
        other=lambda k: {
            "input gradient": k,
            "training": 1,
            "forward to stage_2": 1,
            "gradient by stage_2": k,
            "training behind stage_2": 1,
        },
    ),
    "llr": Member(
        "local linearity (LLR)",
        training.LocalLinearityRegularization,
        {},
        input_gradients=lambda k: k + 1,
        training_passes=2,
        other=lambda k: {
            "input gradient": k + 1,
            "training": 1,
            "training through an input gradient": 1,
        },
    ),
    "cure": Member(
        "curvature (CURE)",
        training.CurvatureRegularization,
        {},
        attacked=False,
        input_gradients=lambda k: 0,
        training_passes=3,
        other=lambda k: {
            "training": 1,
            "training through an input gradient": 2,
        },
    ),
}

# Clean, PGD-20 and PGD-100 accuracy in Table 1 of "Adversarially Optimized
# Mixup": CIFAR-10, PreActResNet-18 of full width, 80 to 100 epochs.
PAPER = {
    "at": (83.3, 50.2, 49.8),
    "mix_then_attack": (78.5, 52.1, 51.9),
    "attack_then_mix": (82.5, 49.9, 49.7),
    "aom_frozen_shared": (82.3, 51.5, 51.1),
    "aom_frozen": (80.5, 52.4, 52.2),
    "aom_shared": (81.6, 52.9, 52.7),
    "aom": (79.8, 54.1, 54.0),
}
