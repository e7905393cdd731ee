"""What an attack returns."""

import typing

import numpy as np
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
        attacked: int, images that had withstood the parts before and that it
            attacked: all of them, or a share.
        broken: int, how many of these it broke.
        gradients: `ops.GradientHealth`, or None as in `AttackResult`.
    """

    name: str
    uses_gradients: bool
    attacked: int
    broken: int
    gradients: ops.GradientHealth | None = None


class AutoAttackReport(typing.NamedTuple):
    """What `AutoAttack.evaluate` returns, one row per image.

    Attributes:
        images: float32 [n, H, W, C], adversarial where an attack succeeded;
            in version `"rand"` the best point of every image.
        broken_by: list of n str: the attack's name, `"clean"` for an image
            that is wrong without an attack, `""` for one that withstood all.
            In version `"rand"` a broken image is wrong in all of 8 answers.
        gradient_passes, queries: int64 [n].
        counts: dict name -> number of images that it broke, `"clean"` first,
            then the attacks in their order.
        parts: tuple of `AttackPart`, the attacks in their order.
        clean_right: bool [n], whether an image is right without an attack.
        share_right: float32 [n], how many of 8 further answers to `images` are
            right, in version `"rand"`; otherwise None.
        num_draws: int, the most draws at a step that helped version `"rand"`,
            or were tried last; otherwise None.
    """

    images: np.ndarray
    broken_by: list
    gradient_passes: np.ndarray
    queries: np.ndarray
    counts: dict
    parts: tuple = ()
    clean_right: np.ndarray | None = None
    share_right: np.ndarray | None = None
    num_draws: int | None = None

    @property
    def robust_accuracy(self) -> float:
        """float: the share of images that withstood every attack.

        In version `"rand"` it is the mean of `share_right`.
        """
        if self.share_right is not None:
            return float(self.share_right.mean())
        return sum(not name for name in self.broken_by) / len(self.broken_by)

    @property
    def clean_accuracy(self) -> float:
        """float: the share of images that are right without an attack."""
        if self.clean_right is not None:
            return float(self.clean_right.mean())
        return 1.0 - self.counts["clean"] / len(self.broken_by)


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
