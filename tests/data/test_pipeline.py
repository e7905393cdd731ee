import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import data


def image_set(count=50, size=8):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, 3)).astype(np.uint8)
    labels = np.arange(count, dtype=np.int32)
    return data.ImageSet(images, labels, labels.astype(np.int64))


def batches(count, *arguments, **options):
    stream = data.training_dataset(*arguments, **options)
    return list(itertools.islice(stream.as_numpy_iterator(), count))


def assert_equal(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("augment", [None, "crop", "crop_flip"])
@pytest.mark.parametrize("start", [1, 6, 7, 20])
def test_a_later_start_is_the_tail_of_the_stream(augment, start):
    # Six steps per epoch: within, at the border of, and beyond an epoch.
    whole = batches(start + 8, image_set(), 8, 5, augment=augment)
    tail = batches(8, image_set(), 8, 5, start_step=start, augment=augment)
    assert_equal(tail, whole[start:])


def test_an_epoch_has_every_example_once_up_to_the_remainder():
    labels = [y for _, y in batches(18, image_set(50), 8, 0)]
    for epoch in range(3):
        seen = np.concatenate(labels[6 * epoch : 6 * epoch + 6])
        assert len(set(seen.tolist())) == 48
        assert set(seen.tolist()) <= set(range(50))


def test_a_full_epoch_is_a_permutation():
    seen = np.concatenate([y for _, y in batches(5, image_set(50), 10, 3)])
    assert sorted(seen.tolist()) == list(range(50))
    assert seen.tolist() != list(range(50))


def test_epochs_and_seeds_have_orders_of_their_own():
    two = batches(2, image_set(50), 50, 0)
    other = batches(1, image_set(50), 50, 1)
    again = batches(1, image_set(50), 50, 0)
    assert not np.array_equal(two[0][1], two[1][1])
    assert not np.array_equal(two[0][1], other[0][1])
    assert_equal(two[:1], again)


def test_images_belong_to_their_labels():
    source = image_set()
    for images, labels in batches(7, source, 8, 0):
        expected = source.images[labels].astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(images, expected)
        assert (images.dtype, labels.dtype) == (np.float32, np.int32)


def test_augmentation_differs_from_row_to_row_and_epoch_to_epoch():
    # One image and label repeated: only the augmentation can differ.
    source = image_set(1)
    source = data.ImageSet(*(np.repeat(field, 16, 0) for field in source))
    (first, _), (second, _) = batches(2, source, 16, 0, augment="crop_flip")
    different = {row.tobytes() for row in first}
    assert len(different) > 8
    # 162 views of the image: an equal place in both epochs is rare.
    equal = [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]
    assert sum(equal) <= 2


@pytest.mark.parametrize("pipelines, replicas", [(2, 1), (1, 2), (2, 2)])
def test_several_pipelines_together_equal_one(pipelines, replicas):
    one = batches(7, image_set(), 8, 5, 2, "crop_flip")
    parts = [
        batches(
            7 * replicas,
            image_set(),
            8,
            5,
            2,
            "crop_flip",
            num_pipelines=pipelines,
            pipeline_index=index,
            replicas=replicas,
        )
        for index in range(pipelines)
    ]
    joined = []
    for step in range(7):
        rows = [
            part[step * replicas + replica]
            for part in parts
            for replica in range(replicas)
        ]
        joined.append(tuple(map(np.concatenate, zip(*rows, strict=True))))
    assert_equal(joined, one)


@pytest.mark.parametrize("extra", [None, 0.5])
def test_a_black_border_is_the_only_thing_that_changes(extra):
    """White images: what is black comes from the border."""
    source = data.ImageSet(
        np.full((16, 8, 8, 1), 255, np.uint8), *image_set(16)[1:]
    )
    arguments = (source, source, extra) if extra else (source,)
    function = data.mixed_training_dataset if extra else data.training_dataset
    seen = {}
    for padding in ("reflect", "zeros"):
        stream = function(
            *arguments, 16, 0, augment="crop_flip", crop_padding=padding
        )
        seen[padding] = next(iter(stream))[0].numpy()
    assert seen["reflect"].min() == 1
    lit = seen["zeros"][..., 0].sum(axis=(1, 2))
    sides = range(4, 9)
    assert set(lit) <= {a * b for a in sides for b in sides}
    assert len(set(lit)) > 3


def test_a_strategy_distributes_the_stream(strategy):
    source = image_set()

    def pipeline(context):
        return data.training_dataset(
            source,
            8,
            5,
            augment="crop_flip",
            num_pipelines=context.num_input_pipelines,
            pipeline_index=context.input_pipeline_id,
            replicas=context.num_replicas_in_sync
            // context.num_input_pipelines,
        )

    distributed = strategy.distribute_datasets_from_function(pipeline)
    expected = batches(3, source, 8, 5, augment="crop_flip")
    for (images, labels), want in zip(distributed, expected, strict=False):
        parts = [
            strategy.experimental_local_results(v) for v in (images, labels)
        ]
        joined = tuple(np.concatenate([p.numpy() for p in v]) for v in parts)
        assert_equal([joined], [want])


def test_shapes_are_static_and_the_stream_endless():
    stream = data.training_dataset(image_set(), 8, 0, augment="crop_flip")
    images, labels = stream.element_spec
    assert images.shape == (8, 8, 8, 3)
    assert labels.shape == (8,)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY


def test_the_images_are_captured_and_no_constants_of_the_graph(monkeypatch):
    functions = []
    original = tf.data.Dataset.map

    def spy(self, function, *arguments, **options):
        functions.append(function)
        return original(self, function, *arguments, **options)

    monkeypatch.setattr(tf.data.Dataset, "map", spy)
    source = image_set(400, 32)
    data.training_dataset(source, 8, 0, augment="crop_flip")
    data.evaluation_dataset(source, 8)
    specs = tf.TensorSpec((), tf.int64), tf.TensorSpec((None,), tf.int64)
    for function, spec in zip(functions, specs, strict=True):
        traced = tf.function(function, jit_compile=False)
        traced = traced.get_concrete_function(spec)
        shapes = [tuple(v.shape) for v in traced.captured_inputs]
        assert source.images.shape in shapes
        assert traced.graph.as_graph_def().ByteSize() < 100_000


def test_evaluation_is_in_order_and_keeps_the_remainder():
    source = image_set(10)
    found = list(data.evaluation_dataset(source, 4))
    assert [len(y) for _, y in found] == [4, 4, 2]
    images = np.concatenate([x for x, _ in found])
    np.testing.assert_array_equal(images, data.as_float(source.images))
    np.testing.assert_array_equal(
        np.concatenate([y for _, y in found]), source.labels
    )


def test_the_shorter_last_batch_causes_no_retrace():
    traces = []

    @tf.function(reduce_retracing=True, jit_compile=False)
    def mean(images):
        traces.append(images.shape)
        return tf.reduce_mean(images)

    dataset = data.evaluation_dataset(image_set(10), 4)

    @tf.function(jit_compile=False)
    def every():
        for images, _ in dataset:
            mean(images)

    every()
    assert [s.as_list() for s in traces] == [[None, 8, 8, 3]]


def test_as_float_is_the_same_for_arrays_and_tensors():
    source = image_set(3).images
    array, tensor = data.as_float(source), data.as_float(tf.constant(source))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, tensor)
    np.testing.assert_array_equal(data.as_float(array), array)
    assert data.as_float(np.array([[255, 0]], np.uint8)).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 51}, "`batch_size` must be at most 50, the number"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        ({"replicas": 3}, "`batch_size` must be a multiple of num_pipelines"),
        ({"num_pipelines": 2, "pipeline_index": 2}, "`pipeline_index` must"),
        ({"pipeline_index": -1}, "`pipeline_index` must be an integer >= 0"),
        ({"start_step": -1}, "`start_step` must be an integer >= 0"),
        ({"augment": "flip"}, "`augment` must be one of None, 'crop'"),
        ({"seed": 0.5}, "`seed` must be an integer"),
        ({"crop_padding": "zeros"}, "`crop_padding` must be left out, or refl"),
        (
            {"crop_padding": "edge", "augment": "crop"},
            "`crop_padding` must be one of 'reflect', 'zeros'",
        ),
    ],
)
def test_bad_arguments_are_named(options, message):
    options = {"batch_size": 8, "seed": 0, **options}
    with pytest.raises(ValueError, match=message):
        data.training_dataset(image_set(50), **options)


def test_images_too_small_to_reflect_are_refused_with_augmentation():
    tiny = image_set(8, size=4)
    with pytest.raises(ValueError, match="`augment` must be None for images"):
        data.training_dataset(tiny, 8, 0, augment="crop")
    assert len(batches(1, tiny, 8, 0)) == 1
