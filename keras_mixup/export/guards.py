"""What a served graph refuses, and how it decodes images.

Each check is an Assert op before the answer. A bad request gets
InvalidArgument with the text below instead of an answer.
"""

import tensorflow as tf

# decode_image can force these numbers of channels.
DECODABLE_CHANNELS = (1, 3, 4)
# The first bytes of a file, since decode_image also decodes GIF and BMP.
_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"


def _require(condition, text, tensor, *data):
    # Data of type string or int32 makes one plain Assert op, not a branch.
    check = tf.debugging.Assert(condition, [tf.constant(text), *data])
    with tf.control_dependencies([check]):
        return tf.identity(tensor)


def checked_unit(values, name):
    """Returns float32 `values`; the graph refuses values outside [0, 1]."""
    # NaN fails both comparisons, the infinities one.
    inside = tf.reduce_all((values >= 0.0) & (values <= 1.0))
    text = f"`{name}` must be finite and in [0, 1], without NaN or infinity"
    return _require(inside, text, values)


def checked_rows(rows, name, count):
    """Returns int32 `rows`; the graph refuses rows outside [0, count).

    Without the check, a gather on a GPU answers such a row with zeros.
    """
    inside = tf.reduce_all((rows >= 0) & (rows < count))
    text = f"`{name}` must be rows of the pool, in [0, {count - 1}]"
    return _require(inside, text, rows)


def checked_batch(values, name, image):
    """Returns `values`; the graph refuses another batch size than `image`'s."""
    same = tf.equal(tf.shape(values)[0], tf.shape(image)[0])
    return _require(same, f"`{name}` must have a row for each image", values)


def checked_files(encoded, name, channels):
    """Returns `encoded`, string [B]; the graph refuses other files than images.

    JPEG has no fourth channel, so 4 channels take PNG alone.
    """
    known = _starts_with(encoded, _PNG)
    kinds = "PNG files, since a JPEG has no fourth channel"
    if channels != 4:
        known |= _starts_with(encoded, _JPEG)
        kinds = "JPEG or PNG files"
    rows = tf.cast(tf.where(~known)[:, 0], tf.int32)
    text = f"`{name}` must be {kinds}; by their first bytes these rows are not:"
    return _require(tf.reduce_all(known), text, encoded, rows)


def _starts_with(encoded, magic):
    return tf.equal(tf.strings.substr(encoded, 0, len(magic)), magic)


def decode_images(encoded, image_shape):
    """Returns float32 [B, H, W, C] in [0, 1] from JPEG or PNG files.

    Images of another size are resized to H x W, bilinear with antialiasing,
    without keeping the proportions. Colour and grey are converted as needed.

    Args:
        encoded: string [B], the content of the files; PNG alone where C is 4.
        image_shape: (H, W, C), C one of `DECODABLE_CHANNELS`.
    """
    height, width, channels = image_shape
    encoded = checked_files(encoded, "image_bytes", channels)

    def decode(content):
        # Otherwise the rank is open, as an animation's would be.
        image = tf.io.decode_image(
            content, channels, tf.uint8, expand_animations=False
        )
        image = tf.ensure_shape(image, (None, None, channels))
        image = tf.image.resize(image, (height, width), antialias=True)
        # The weights of the resize sum to one but for rounding.
        return tf.clip_by_value(image / 255.0, 0.0, 1.0)

    spec = tf.TensorSpec(image_shape, tf.float32)
    return tf.map_fn(decode, encoded, fn_output_signature=spec)
