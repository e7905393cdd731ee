"""Names, dtypes and shapes of the signatures, and what they answer."""

import threading

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export
from keras_mixup.export import sample_requests
from keras_mixup.export import signatures
from keras_mixup.export import target as target_lib


def make_target(name):
    defence = toys.DEFENCES[name]()
    threshold = 0.2 if hasattr(defence, "predict_with_score") else None
    return target_lib.ExportTarget(
        defence.classifier, defence, toys.SHAPE, threshold
    )


@pytest.fixture(scope="module")
def target():
    return make_target("combined")


@pytest.fixture(scope="module")
def functions(target):
    """Traced while a global seed is set, as users' scripts do."""
    tf.random.set_seed(5)
    return {
        name: signatures.trace_signature(target, name)
        for name in signatures.choose_signatures(target)
    }


def _form(specs):
    return {n: (s.dtype.name, s.shape.as_list()) for n, s in specs.items()}


IMAGE = {"image": ("float32", [None, *toys.SHAPE])}
ENCODED = {"image_bytes": ("string", [None])}
ANSWER = {
    "probabilities": ("float32", [None, toys.CLASSES]),
    "label": ("int32", [None]),
}
DETECTION = {
    "score": ("float32", [None]),
    "is_adversarial": ("bool", [None]),
    "threshold": ("float32", [None]),
}
ROWS = ("int32", [None, 3])
INDICES = {
    "ol": {"indices": ROWS},
    "pl": {"indices": ROWS},
    "combined": {"pl_indices": ROWS, "ol_indices": ROWS},
    "noise": None,
    "var": {"indices": ROWS},
}


@pytest.mark.parametrize("name", INDICES)
def test_signatures_on_disk_have_the_documented_form(tmp_path, name):
    path = export.export_saved_model(toys.DEFENCES[name](), tmp_path)
    detects = name in ("pl", "combined")
    answer = {**ANSWER, **DETECTION} if detects else ANSWER
    expected = {
        "serving_default": (IMAGE, answer),
        "seeded": ({**IMAGE, "seed": ("int32", [None, 2])}, answer),
        "undefended": (IMAGE, {"logits": ("float32", [None, toys.CLASSES])}),
        "encoded_images": (ENCODED, answer),
    }
    if detects:
        expected["detect"] = (IMAGE, DETECTION)
    if INDICES[name]:
        expected["indices"] = ({**IMAGE, **INDICES[name]}, answer)
    found = export.describe_saved_model(path).signatures
    found = {n: (_form(i), _form(o)) for n, (i, o) in found.items()}
    assert found == expected


def test_every_tensor_has_the_batch_first(functions):
    for function in functions.values():
        inputs = sample_requests.input_specs(function).values()
        for spec in (*inputs, *function.structured_outputs.values()):
            assert spec.shape[0] is None


def test_no_signature_is_compiled_by_xla(functions):
    for function in functions.values():
        assert not function.function_def.attr["_XlaMustCompile"].b
        assert not any(n.attr["_XlaMustCompile"].b for n in _nodes(function))


def _nodes(function):
    graph = function.graph.as_graph_def()
    inner = [node for f in graph.library.function for node in f.node_def]
    return [*graph.node, *inner]


def test_fresh_draws_are_unseeded_and_write_no_state(functions):
    fresh = {"serving_default", "detect", "encoded_images"}
    for name, function in functions.items():
        nodes = _nodes(function)
        random = [n for n in nodes if n.op.startswith("Random")]
        assert len(random) == (name in fresh)
        for node in random:
            assert node.attr["seed"].i == node.attr["seed2"].i == 0
        written = {n.op for n in nodes if n.op.startswith("Assign")}
        # A state that calls write would be saved, replayed and raced for.
        assert written == set()


@pytest.mark.parametrize("name", ["ol", "pl", "combined"])
def test_given_rows_need_neither_random_op_nor_loop(name):
    target = make_target(name)
    function = signatures.trace_signature(target, "indices")
    ops = {node.op for node in _nodes(function)}
    foreign = ("Random", "Stateless", "While", "If", "Case", "TensorList")
    assert not [op for op in ops if any(word in op for word in foreign)]
    # Tracing in one pass leaves the layer as it was.
    assert target.defence.max_inputs == 4096


def test_fresh_seeds_use_every_bit():
    draws = signatures._fresh_seeds(tf.zeros((4096, 1))).numpy()
    assert draws.shape == (4096, 2)
    assert len(np.unique(draws)) > 8180
    bits = np.unpackbits(draws.view("uint8"), axis=1).mean(axis=0)
    # Ten standard errors of 4096 bits: not by chance.
    np.testing.assert_allclose(bits, 0.5, atol=0.08)


def request_of(function, rows=4, seed=0):
    return sample_requests.sample_request(
        sample_requests.input_specs(function),
        rows,
        toys.SHAPE,
        toys.POOL_ROWS,
        seed,
    )


def test_label_is_the_most_probable_class(functions):
    answer = functions["seeded"](**request_of(functions["seeded"]))
    np.testing.assert_array_equal(
        answer["label"], np.argmax(answer["probabilities"], -1)
    )
    np.testing.assert_allclose(
        np.sum(answer["probabilities"], -1), 1.0, rtol=1e-5
    )


@pytest.mark.parametrize("name", ["ol", "pl", "combined"])
def test_given_rows_give_the_layers_answer_for_these_draws(name):
    target = make_target(name)
    function = signatures.trace_signature(target, "indices")
    image = toys.images(5)
    draws = target.defence.draw(image, toys.seeds(5))
    rows = {n: v for n, v in draws.items() if n.endswith("indices")}
    received = function(image=tf.constant(image), **rows)
    expected = target.defence(image, seed=toys.seeds(5))
    np.testing.assert_allclose(
        received["probabilities"], np.exp(expected), atol=1e-6
    )
    if target.has_detector:
        score = target.defence.detection_score(image, seed=toys.seeds(5))
        np.testing.assert_allclose(received["score"], score, atol=1e-6)


def test_drawn_mixing_weights_are_the_clients_to_give():
    defence = toys.inference.MixupInferenceOL(
        toys.classifier(), toys.pool(), ("uniform", 0.4, 0.6), 3
    )
    target = target_lib.ExportTarget(defence.classifier, defence, toys.SHAPE)
    function = signatures.trace_signature(target, "indices")
    image = toys.images(5)
    draws = defence.draw(image, toys.seeds(5))
    assert set(draws) == {"indices", "mix_weight"}
    received = function(image=tf.constant(image), **draws)
    expected = np.exp(defence(image, seed=toys.seeds(5)))
    np.testing.assert_allclose(received["probabilities"], expected, atol=1e-6)
    draws["mix_weight"] += 1.0
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="`mix_weight` must be finite"
    ):
        function(image=tf.constant(image), **draws)


def test_detection_is_the_layers(functions, target):
    image, seed = tf.constant(toys.images(40)), tf.constant(toys.seeds(40))
    answer = functions["seeded"](image=image, seed=seed)
    score = target.defence.detection_score(image, seed=seed)
    np.testing.assert_allclose(answer["score"], score, atol=1e-6)
    np.testing.assert_array_equal(
        answer["is_adversarial"], answer["score"] > np.float32(0.2)
    )
    np.testing.assert_array_equal(answer["threshold"], np.full(40, 0.2, "f4"))
    image = tf.repeat(image, 10, axis=0)
    score = target.defence.detection_score(image, seed=toys.seeds(400))
    for name in ("serving_default", "detect"):
        first, second = (functions[name](image=image) for _ in range(2))
        assert np.any(first["score"] != second["score"])
        # Fresh draws, but of the same score; eight errors: not by chance.
        difference = np.mean(first["score"] - score)
        assert abs(difference) < 8 * np.std(first["score"] - score) / 400**0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-3, 1.001])
def test_a_value_out_of_range_is_refused(functions, value):
    for name in set(functions) - {"encoded_images"}:
        request = request_of(functions[name])
        image = request["image"].numpy()
        image[2, 1, 1, 0] = value
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=r"`image` must be finite and in \[0, 1\]",
        ):
            functions[name](**{**request, "image": tf.constant(image)})


@pytest.mark.parametrize("row", [-1, toys.POOL_ROWS, 2**31 - 1])
@pytest.mark.parametrize("name", ["pl_indices", "ol_indices"])
def test_a_row_outside_the_pool_is_refused(functions, name, row):
    request = request_of(functions["indices"])
    rows = request[name].numpy()
    rows[3, 2] = row
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=rf"`{name}` must be rows of the pool, in \[0, 8\]",
    ):
        functions["indices"](**{**request, name: tf.constant(rows)})


def test_inputs_of_unequal_batches_are_refused(functions):
    # One row would otherwise be repeated for the other input's rows.
    one, four = toys.images(1), toys.images(4)
    for image, rows in ((one, 4), (four, 1)):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="`seed` must have a row for"
        ):
            functions["seeded"](
                image=tf.constant(image), seed=tf.constant(toys.seeds(rows))
            )
    request = request_of(functions["indices"])
    request["ol_indices"] = request["ol_indices"][:1]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="`ol_indices` must have a row"
    ):
        functions["indices"](**request)


def test_an_empty_batch_gets_an_empty_answer(functions):
    for function in functions.values():
        answer = function(**request_of(function, rows=0))
        for name, value in answer.items():
            shape = (0, toys.CLASSES) if value.shape.rank == 2 else (0,)
            assert value.shape == shape, name


def test_sample_requests_fit_and_repeat(functions):
    first = request_of(functions["indices"], seed=1)
    assert {n: (v.dtype.name, v.shape) for n, v in first.items()} == {
        "image": ("float32", (4, *toys.SHAPE)),
        "pl_indices": ("int32", (4, 3)),
        "ol_indices": ("int32", (4, 3)),
    }
    again = request_of(functions["indices"], seed=1)
    other = request_of(functions["indices"], seed=2)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert np.any(first[name] != other[name])


def test_table_order_does_not_depend_on_the_request(target):
    names = ("indices", "undefended", "seeded")
    chosen = signatures.choose_signatures(target, names)
    assert chosen == ("seeded", "undefended", "indices")


def test_two_exports_of_one_defence_leave_it_as_it_was():
    defence = toys.DEFENCES["ol"]()
    entered, leave = threading.Event(), threading.Event()

    def other():
        with signatures._one_pass(defence):
            entered.set()
            leave.wait(60.0)

    thread = threading.Thread(target=other)
    with signatures._one_pass(defence):
        thread.start()
        # It comes in only once this one is out.
        assert not entered.wait(0.2)
    assert entered.wait(60.0)
    leave.set()
    thread.join()
    assert defence.max_inputs == 4096
