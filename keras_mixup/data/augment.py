"""Augmentations of a batch whose random choices follow from a seed."""

import tensorflow as tf

from keras_mixup import ops

PADDING = 4
# What the border of an image is filled with before it is cropped.
FILLINGS = {"reflect": "REFLECT", "zeros": "CONSTANT"}
# Purposes folded into the seed, so that crop and flip are independent.
_ROWS, _COLUMNS, _FLIP = range(3)


def draw(augment, num_rows, seed):
    """Draws the augmentation of every row of a batch.

    `augment` is None, `"crop"` or `"crop_flip"`; the seed is int32 [2].

    Returns:
        dict of tensors [B]: `top` and `left`, int32 in 0..8, and `flip`, bool;
        empty without augmentation.
    """
    if augment is None:
        return {}

    def integers(purpose, high):
        key = ops.fold_in(seed, purpose)
        return tf.random.stateless_uniform(
            (num_rows,), key, 0, high, dtype=tf.int32
        )

    places = 2 * PADDING + 1
    draws = {"top": integers(_ROWS, places), "left": integers(_COLUMNS, places)}
    if augment == "crop_flip":
        draws["flip"] = tf.cast(integers(_FLIP, 2), tf.bool)
    return draws


def apply(images, draws, padding="reflect"):
    """Pads [B, H, W, C] by 4 pixels, crops and flips as drawn.

    `draws` is the result of `draw`; H and W are above 4. `padding` is
    `"reflect"` or `"zeros"`, which are black.
    """
    if not draws:
        return images
    height, width = images.shape[1:3]
    border = [PADDING, PADDING]
    padded = tf.pad(images, [[0, 0], border, border, [0, 0]], FILLINGS[padding])
    rows = draws["top"][:, None] + tf.range(height)
    columns = draws["left"][:, None] + tf.range(width)
    if "flip" in draws:
        flip = draws["flip"][:, None]
        columns = tf.where(flip, tf.reverse(columns, [1]), columns)
    cropped = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)
