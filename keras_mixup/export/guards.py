"""What a served graph refuses, and how it reads encoded images.

Each check is an Assert op on which the answer depends: a bad request gets
InvalidArgument with the text below, never an answer.
"""

import tensorflow as tf

# decode_image can force these numbers of channels.
DECODABLE_CHANNELS = (1, 3, 4)


def _require(condition, text, tensor):
    # Data of type string makes one plain Assert op, without a branch.
    check = tf.debugging.Assert(condition, [tf.constant(text)])
    with tf.control_dependencies([check]):
        return tf.identity(tensor)


def checked_unit(values, name):
    """Returns `values`; the graph refuses what is not within [0, 1].

    Args:
        values: float32, any shape.
        name: str, the input's name in the error.
    """
    # NaN fails both comparisons, the infinities one.
    inside = tf.reduce_all((values >= 0.0) & (values <= 1.0))
    text = f"`{name}` must be finite and in [0, 1], without NaN or infinity"
    return _require(inside, text, values)


def checked_rows(rows, name, count):
    """Returns `rows`; the graph refuses what is no row of the pool.

    A gather on a GPU would answer a row out of range with zeros.

    Args:
        rows: int32, any shape.
        name: str, the input's name in the error.
        count: int, the rows of the pool.
    """
    inside = tf.reduce_all((rows >= 0) & (rows < count))
    text = f"`{name}` must be rows of the pool, in [0, {count - 1}]"
    return _require(inside, text, rows)


def checked_batch(values, name, image):
    """Returns `values`; the graph refuses another batch size than `image`'s.

    Args:
        values: tensor [B, ...].
        name: str, the input's name in the error.
        image: tensor [B, ...].
    """
    same = tf.equal(tf.shape(values)[0], tf.shape(image)[0])
    return _require(same, f"`{name}` must have a row for each image", values)


def decode_images(encoded, image_shape):
    """Returns float32 [B, H, W, C] in [0, 1] from JPEG or PNG files.

    An image of another size is resized to H x W, bilinear with antialiasing
    and without keeping its proportions; colour becomes grey and grey colour
    as C asks. Bytes that are no image are refused by the decoder.

    Args:
        encoded: string [B], the content of the files.
        image_shape: (H, W, C), C one of `DECODABLE_CHANNELS`.
    """
    height, width, channels = image_shape

    def decode(content):
        # An animation has another rank; its first frame counts.
        image = tf.io.decode_image(
            content, channels, tf.uint8, expand_animations=False
        )
        image = tf.ensure_shape(image, (None, None, channels))
        image = tf.image.resize(image, (height, width), antialias=True)
        # The weights of the resize sum to one but for rounding.
        return tf.clip_by_value(image / 255.0, 0.0, 1.0)

    spec = tf.TensorSpec(image_shape, tf.float32)
    return tf.map_fn(decode, encoded, fn_output_signature=spec)
