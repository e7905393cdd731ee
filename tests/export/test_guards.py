"""Encoded images against NumPy, and what the decoder refuses."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.export import guards


def decode(contents, shape):
    # As in an export: in a graph, with a free batch.
    function = tf.function(
        lambda encoded: guards.decode_images(encoded, shape),
        input_signature=[tf.TensorSpec((None,), tf.string)],
        jit_compile=False,
    )
    return function(tf.constant(contents)).numpy()


def pixels(count, shape):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), "uint8")


@pytest.mark.parametrize("channels", guards.DECODABLE_CHANNELS)
def test_png_of_the_right_size_keeps_its_values(channels):
    images = pixels(3, (6, 5, channels))
    contents = [tf.io.encode_png(image).numpy() for image in images]
    received = decode(contents, (6, 5, channels))
    # The graph may divide by multiplying with the reciprocal.
    np.testing.assert_allclose(received, images / 255.0, atol=1e-7)


def test_jpeg_is_what_the_decoder_says():
    image = pixels(1, (8, 8, 3))[0]
    content = tf.io.encode_jpeg(image).numpy()
    expected = tf.io.decode_jpeg(content).numpy() / np.float32(255)
    received = decode([content], (8, 8, 3))[0]
    np.testing.assert_allclose(received, expected, atol=1e-7)


def test_another_size_is_resized_within_the_range():
    # Four pixels of one grey each become one pixel of that grey.
    small = pixels(1, (4, 4, 1))[0]
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    contents = [tf.io.encode_png(v).numpy() for v in (small, large)]
    received = decode(contents, (4, 4, 1))
    np.testing.assert_allclose(received[0], small / 255.0, atol=1e-7)
    middle = tf.image.resize(large, (4, 4), antialias=True) / 255.0
    np.testing.assert_allclose(received[1], middle, atol=1e-6)
    white = np.full((37, 23, 1), 255, "uint8")
    answer = decode([tf.io.encode_png(white).numpy()], (5, 7, 1))
    assert answer.max() <= 1.0
    np.testing.assert_allclose(answer, 1.0, atol=1e-6)


def test_colour_and_grey_are_turned_into_each_other():
    grey = pixels(1, (4, 4, 1))[0]
    content = tf.io.encode_png(grey).numpy()
    received = decode([content], (4, 4, 3))[0]
    expected = grey.repeat(3, -1) / 255.0
    np.testing.assert_allclose(received, expected, atol=1e-7)
    colour = np.tile(np.uint8([255, 0, 0]), (4, 4, 1))
    content = tf.io.encode_png(colour).numpy()
    np.testing.assert_allclose(decode([content], (4, 4, 1)), 0.299, atol=2e-3)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_bytes_that_are_no_image_are_refused(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode([content], (4, 4, 1))


def files_of_each_format():
    image = np.zeros((4, 4, 3), "uint8")
    pixel_rows = bytes(4 * 4 * 3)
    header = b"BM" + (54 + len(pixel_rows)).to_bytes(4, "little") + bytes(4)
    header += (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    header += (4).to_bytes(4, "little") * 2 + b"\x01\0\x18\0" + bytes(24)
    # One grey pixel, as the format's smallest file.
    gif = (
        b"GIF89a\x01\0\x01\0\x80\x01\0\0\0\0\xff\xff\xff,\0\0\0\0\x01"
        b"\0\x01\0\0\x02\x02D\x01\0;"
    )
    return {
        "png": tf.io.encode_png(image).numpy(),
        "jpeg": tf.io.encode_jpeg(image).numpy(),
        "gif": gif,
        "bmp": header + pixel_rows,
    }


@pytest.mark.parametrize("kind", ["gif", "bmp"])
def test_other_formats_are_refused_by_their_row(kind):
    files = files_of_each_format()
    # It is an image, which the decoder alone would take.
    tf.io.decode_image(files[kind], 3, expand_animations=False)
    contents = [files["png"], files[kind], files["jpeg"], files[kind]]
    text = r"`image_bytes` must be JPEG or PNG files; .* not:. .1 3."
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        decode(contents, (4, 4, 3))


def test_four_channels_want_png():
    files = files_of_each_format()
    assert decode([files["png"]], (4, 4, 4)).shape == (1, 4, 4, 4)
    text = r"must be PNG files, since a JPEG has no fourth .* not:. .0."
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        decode([files["jpeg"], files["png"]], (4, 4, 4))


def test_the_check_is_an_op_of_the_graph():
    # A branch would keep other loaders out, Python none of them could run.
    function = tf.function(
        lambda encoded: guards.checked_files(encoded, "image_bytes", 3),
        input_signature=[tf.TensorSpec((None,), tf.string)],
        jit_compile=False,
    ).get_concrete_function()
    kinds = {op.type for op in function.graph.get_operations()}
    assert "Assert" in kinds
    assert not kinds & {"If", "StatelessIf", "PyFunc", "EagerPyFunc"}


def test_no_image_gives_an_empty_batch():
    assert decode(np.array([], "S1"), (4, 4, 1)).shape == (0, 4, 4, 1)
