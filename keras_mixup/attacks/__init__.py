"""Attacks: any callable from images to logits is a model."""

from keras_mixup.attacks.adaptive import MixupInferenceAttack
from keras_mixup.attacks.apgd import APGD
from keras_mixup.attacks.apgd import TargetedAPGD
from keras_mixup.attacks.autoattack import AutoAttack
from keras_mixup.attacks.averaged import AveragedAttack
from keras_mixup.attacks.base import Attack
from keras_mixup.attacks.cleverhans import CleverHansPGD
from keras_mixup.attacks.cleverhans import CleverHansSPSA
from keras_mixup.attacks.detection_score import DetectionScoreAttack
from keras_mixup.attacks.eot import ExpectationOverTransformation
from keras_mixup.attacks.fab import FAB
from keras_mixup.attacks.fab import TargetedFAB
from keras_mixup.attacks.facts import Facts
from keras_mixup.attacks.facts import describe
from keras_mixup.attacks.facts import facts_of
from keras_mixup.attacks.fgsm import FGSM
from keras_mixup.attacks.gradient import GradientAttack
from keras_mixup.attacks.malt import MALT
from keras_mixup.attacks.pgd import PGD
from keras_mixup.attacks.pma import PMA
from keras_mixup.attacks.results import AttackPart
from keras_mixup.attacks.results import AttackResult
from keras_mixup.attacks.spsa import SPSA
from keras_mixup.attacks.square import Square
from keras_mixup.attacks.targets import random_targets
from keras_mixup.attacks.targets import second_most_likely_targets

__all__ = [
    "APGD",
    "FAB",
    "FGSM",
    "MALT",
    "PGD",
    "PMA",
    "SPSA",
    "Attack",
    "AttackPart",
    "AttackResult",
    "AutoAttack",
    "AveragedAttack",
    "CleverHansPGD",
    "CleverHansSPSA",
    "DetectionScoreAttack",
    "ExpectationOverTransformation",
    "Facts",
    "GradientAttack",
    "MixupInferenceAttack",
    "Square",
    "TargetedAPGD",
    "TargetedFAB",
    "describe",
    "facts_of",
    "random_targets",
    "second_most_likely_targets",
]
