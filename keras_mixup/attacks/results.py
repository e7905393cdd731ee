"""What an attack returns."""

import typing

import tensorflow as tf

from keras_mixup import ops

# What an attack without gradients may break of all images after those with
# gradients (the original AutoAttack's check), and in any case one image.
_BLIND_SHARE = 0.002


class AttackResult(typing.NamedTuple):
    """What an attack returns, one row per image.

    Attributes:
        images: float32 [B, H, W, C], in the ball and in the bounds.
        success: bool [B], the model is now wrong, or predicts the target.
        gradient_passes: int32 [B], forward-and-backward passes spent.
        queries: int32 [B], forward-only passes spent by the attack.
        gradients: `ops.GradientHealth`, or None if it followed no gradient.
        parts: tuple of `AttackPart`, of an attack that consists of several.
    """

    images: tf.Tensor
    success: tf.Tensor
    gradient_passes: tf.Tensor
    queries: tf.Tensor
    gradients: ops.GradientHealth | None = None
    parts: tuple = ()


class AttackPart(typing.NamedTuple):
    """One of the attacks of which another consists.

    Attributes:
        name: str.
        uses_gradients: bool.
        attacked: int, images that had withstood the parts before.
        broken: int, how many of these it broke.
        gradients: `ops.GradientHealth`, or None as in `AttackResult`.
    """

    name: str
    uses_gradients: bool
    attacked: int
    broken: int
    gradients: ops.GradientHealth | None = None


def unseen_by_gradients(parts, num_images):
    """Returns the parts that show that the gradients before them mislead.

    They use no gradient, and broke more than 0.2 % of the images and more
    than one image after parts with gradients (the check of AutoAttack's
    authors).

    Args:
        parts: tuple of `AttackPart`.
        num_images: int, those of the first part.
    """
    found, seen = [], False
    few = max(_BLIND_SHARE * num_images, 1)
    for part in parts:
        seen = seen or part.uses_gradients
        if seen and not part.uses_gradients and part.broken > few:
            found.append(part)
    return found
