"""CutMix: train on images with a box of another image in them."""

import keras
import tensorflow as tf

from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import mixup


@registry.register("algorithm", "cutmix", label="CutMix")
class CutMix(mixup.Mixup):
    """Pastes a box of another image and mixes the labels by its area.

    The box covers 1 - lambda of the image, lambda ~ Beta(alpha, alpha). Its
    centre is uniform over the image. What stands over the edge is cut off,
    and the label's weight is the share of pixels that the box leaves (Yun et
    al., "CutMix", 2019, Eq. 1 and 2 and Algorithm A1). As in the listing, a
    batch has one lambda and one box, and the partner x_j is a random
    permutation of the batch. A step costs one classifier pass.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha).
            Yun et al. use 1.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        alpha: float = 1.0,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier, alpha=alpha, weight_per="batch", seed=seed, name=name
        )

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the pairs of `Mixup` and {"centre": float32 [B, 2]}.

        The centre of the box is given as shares of height and width.
        """
        centre = draw_centre(batch_size, seed)
        return {**super().draw(batch_size, seed), "centre": centre}

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the images with their boxes, and the mixed targets."""
        return paste_boxes(images, targets, draws)


def draw_centre(batch_size, seed):
    """Draws one centre for the boxes of a batch, float32 [B, 2].

    It is uniform over the image, given as shares of height and width.
    """
    centre = tf.random.stateless_uniform([2], ops.fold_in(seed, 2))
    return tf.broadcast_to(centre, [batch_size, 2])


def paste_boxes(images, targets, draws):
    """Pastes a box of the partner into each image, and mixes the targets.

    Args:
        images: float32 [B, H, W, C].
        targets: float32 [B, num_classes].
        draws: dict with `"mix_weight"` [B], `"permutation"` [B] and
            `"centre"` [B, 2].

    Returns:
        {"images": [B, H, W, C], "targets": [B, num_classes], "mix_weight":
        float32 [B], the share of pixels that the box leaves}.
    """
    inside = _boxes(tf.shape(images)[1:3], draws)
    partners = tf.gather(images, draws["permutation"])
    kept = 1.0 - tf.reduce_mean(tf.cast(inside, tf.float32), axis=[1, 2])
    draws = {**draws, "mix_weight": kept}
    return {
        "images": tf.where(inside[..., None], partners, images),
        "targets": mixup.mix_with_partner(targets, draws),
        "mix_weight": kept,
    }


def _boxes(size, draws):
    """Returns which pixels the boxes cover, bool [B, H, W].

    Args:
        size: int32 [2], height and width.
        draws: dict with `"mix_weight"` [B] and `"centre"` [B, 2].
    """
    sides = tf.cast(size, tf.float32)
    half = sides * tf.sqrt(1.0 - draws["mix_weight"])[:, None] / 2.0
    centre = draws["centre"] * sides
    first = tf.round(tf.maximum(centre - half, 0.0))
    end = tf.round(tf.minimum(centre + half, sides))
    rows, columns = (
        (first[:, axis, None] <= place) & (place < end[:, axis, None])
        for axis in (0, 1)
        for place in [tf.range(sides[axis])]
    )
    return rows[:, :, None] & columns[:, None, :]
