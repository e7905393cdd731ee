"""Names, dtypes and shapes of the signatures, and the traced functions."""

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export
from keras_mixup.export import signatures


@pytest.fixture(scope="module")
def target():
    defence = toys.DEFENCES["noise"]()
    return signatures.ExportTarget(defence.classifier, defence, toys.SHAPE)


def _form(specs):
    return {n: (s.dtype.name, s.shape.as_list()) for n, s in specs.items()}


def test_signatures_on_disk_have_the_documented_form(tmp_path):
    path = export.export_saved_model(toys.DEFENCES["ol"](), tmp_path)
    image = {"image": ("float32", [None, *toys.SHAPE])}
    answer = {
        "probabilities": ("float32", [None, toys.CLASSES]),
        "label": ("int32", [None]),
    }
    found = export.describe_saved_model(path).signatures
    assert {n: (_form(i), _form(o)) for n, (i, o) in found.items()} == {
        "serving_default": (image, answer),
        "seeded": ({**image, "seed": ("int32", [None, 2])}, answer),
        "undefended": (image, {"logits": ("float32", [None, toys.CLASSES])}),
    }


def test_every_tensor_has_the_batch_first(target):
    for name in signatures.choose_signatures(target):
        function = signatures.trace_signature(target, name)
        inputs = function.structured_input_signature[0]
        outputs = function.structured_outputs.values()
        for spec in (*inputs, *outputs):
            assert spec.shape[0] is None


def test_no_signature_is_compiled_by_xla(target):
    for name in signatures.choose_signatures(target):
        function = signatures.trace_signature(target, name)
        attributes = function.function_def.attr
        assert not attributes["_XlaMustCompile"].b


def _nodes(function):
    graph = function.graph.as_graph_def()
    inner = [node for f in graph.library.function for node in f.node_def]
    return [*graph.node, *inner]


def test_only_the_default_signature_draws_and_without_a_seed(target):
    tf.random.set_seed(5)
    for name in signatures.choose_signatures(target):
        nodes = _nodes(signatures.trace_signature(target, name))
        random = [n for n in nodes if n.op.startswith("Random")]
        assert len(random) == (name == "serving_default")
        for node in random:
            assert node.attr["seed"].i == node.attr["seed2"].i == 0
        written = {n.op for n in nodes if n.op.startswith("Assign")}
        # A state that calls write would be saved, replayed and raced for.
        assert written == set()


def test_fresh_seeds_use_every_bit():
    draws = signatures._fresh_seeds(tf.zeros((4096, 1))).numpy()
    assert draws.shape == (4096, 2)
    assert len(np.unique(draws)) > 8180
    bits = np.unpackbits(draws.view("uint8"), axis=1).mean(axis=0)
    np.testing.assert_allclose(bits, 0.5, atol=0.05)


def test_label_is_the_most_probable_class(target):
    function = signatures.trace_signature(target, "seeded")
    inputs = signatures.example_inputs(function, rows=4)
    answer = function(*inputs.values())
    np.testing.assert_array_equal(
        answer["label"], np.argmax(answer["probabilities"], -1)
    )
    np.testing.assert_allclose(
        np.sum(answer["probabilities"], -1), 1.0, rtol=1e-5
    )


def test_example_inputs_fit_and_repeat(target):
    function = signatures.trace_signature(target, "seeded")
    first = signatures.example_inputs(function, rows=4, seed=1)
    assert {n: (v.dtype.name, v.shape) for n, v in first.items()} == {
        "image": ("float32", (4, *toys.SHAPE)),
        "seed": ("int32", (4, 2)),
    }
    again = signatures.example_inputs(function, rows=4, seed=1)
    other = signatures.example_inputs(function, rows=4, seed=2)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert np.any(first[name] != other[name])


def test_table_order_does_not_depend_on_the_request(target):
    names = ("undefended", "seeded")
    chosen = signatures.choose_signatures(target, names)
    assert chosen == ("seeded", "undefended")
