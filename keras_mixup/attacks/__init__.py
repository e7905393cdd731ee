"""Attacks: any callable from images to logits is a model."""

from keras_mixup.attacks.base import Attack
from keras_mixup.attacks.base import AttackResult
from keras_mixup.attacks.pgd import PGD

__all__ = ["PGD", "Attack", "AttackResult"]
