"""Random requests that a signature accepts: for checks and for warm-up."""

import numpy as np
import tensorflow as tf


def sample_request(specs, rows, image_shape, pool_rows=1, seed=0):
    """Returns a random request, a dict input name -> tensor.

    Args:
        specs: dict, input name -> tf.TensorSpec with the batch first.
        rows: int, the batch size.
        image_shape: (H, W, C), the size of encoded images.
        pool_rows: int, the number of rows of the defence's pool.
        seed: int.
    """
    generator = np.random.default_rng(seed)
    request = {}
    for name, spec in specs.items():
        shape = (rows, *spec.shape[1:])
        if spec.dtype == tf.string:
            pixels = generator.integers(0, 256, (rows, *image_shape), "uint8")
            values = [tf.io.encode_png(image).numpy() for image in pixels]
        elif spec.dtype.is_floating:
            values = generator.uniform(size=shape)
        else:
            below = pool_rows if name.endswith("indices") else 2**31
            values = generator.integers(0, below, size=shape)
        request[name] = tf.constant(values, spec.dtype, shape)
    return request


def input_specs(concrete_function):
    """Returns dict input name -> tf.TensorSpec of a concrete function."""
    arguments, keywords = concrete_function.structured_input_signature
    return {**{spec.name: spec for spec in arguments}, **keywords}
