"""What a defence written by others must keep to, tried once on gray images."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops

# Unequal, so that swapped axes show.
_ROWS, _DRAWS = 3, 2


def check_draws(draws, rows, name):
    """Raises unless draws are a dict of tensors, each with a row per image.

    Args:
        draws: what `draw_rows` returned.
        rows: int or None, B.
        name: str, the defence's class.

    Raises:
        ValueError: says what came.
    """
    named = f"{name}.draw_rows"
    expected = "a function that returns a dict of tensors [B, N, ...]"
    okay = isinstance(draws, dict) and len(draws) > 0
    _checks.check(okay, named, expected, draws)
    for key, value in draws.items():
        shape = getattr(value, "shape", None)
        okay = shape is not None and len(shape) >= 2
        okay = okay and (rows is None or shape[0] in (None, rows))
        received = f"{key!r} of shape {shape}"
        _checks.check(okay, named, expected, received, f"B is {rows}")


def try_out(defence, labels, image_shape):
    """Draws for gray images and transforms them; eager, no classifier pass.

    Args:
        defence: `RandomizedInference`.
        labels: int32 [3], the predicted labels, or None.
        image_shape: TensorShape [H, W, C].

    Raises:
        ValueError: when a part of the defence returns another shape than the
            base class says, NaN or infinity.
    """
    name = type(defence).__name__
    images = tf.fill([_ROWS, *image_shape], 0.5)
    seeds = ops.row_seeds(0, _ROWS)
    draws = defence.draw_rows(seeds, labels, image_shape)
    check_draws(draws, _ROWS, name)
    draws = {key: value[:, :_DRAWS] for key, value in draws.items()}
    inputs = tf.convert_to_tensor(defence.apply(images, draws))
    count = min(_DRAWS, defence.num_draws)
    expected = (
        "a function that returns [N, B, H, W, C], the draws first, here "
        f"{[count, _ROWS, *image_shape]}"
    )
    shape = tuple(inputs.shape)
    okay = len(shape) == 5 and shape[1] == _ROWS and shape[0] % count == 0
    _checks.check(okay, f"{name}.apply", expected, f"shape {list(shape)}")
    finite = bool(tf.reduce_all(tf.math.is_finite(inputs)))
    expected = "a function that returns finite numbers"
    _checks.check(finite, f"{name}.apply", expected, "NaN or infinity")
