"""The signatures of an export: one small function each.

An answer takes the `ExportTarget` and the inputs by their names, and returns a
dict of outputs by theirs. All inputs and outputs have the batch as their first
dimension. A row's answer never depends on the other rows, since TF Serving
merges requests into batches and pads them.

Images must be finite and in [0, 1] in every signature. A request with any
other value is refused as a whole.
"""

import contextlib
import inspect
import threading
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup.export import guards

# Two exports of one defence would restore each other's `max_inputs`.
_TRACING = threading.Lock()
_SEED_SPEC = tf.TensorSpec((None, 2), tf.int32, name="seed")


class Signature(NamedTuple):
    """One row of the table.

    Attributes:
        answer: (target, **inputs) -> dict output name -> tensor.
        inputs: target -> sequence of `tf.TensorSpec`, the named inputs.
        applies: target -> bool, whether the target can offer it.
        repeatable: target -> bool, whether equal inputs give equal outputs.
    """

    answer: Callable
    inputs: Callable
    applies: Callable
    repeatable: Callable


def _fresh_seeds(image):
    """Returns int32 [B, 2], new at every call and after every server start.

    Seeds 0, 0 of the raw op mean "seed from the system's entropy".
    `tf.random.uniform` would store the global seed of the time of tracing in
    the graph, and a `SeedGenerator` its state. Both would replay the same
    sequence after each start of the server.
    """
    return tf.raw_ops.RandomUniformInt(
        shape=tf.stack([tf.shape(image)[0], 2]),
        minval=tf.int32.min,
        maxval=tf.int32.max,
        seed=0,
        seed2=0,
    )


def _logits(target, image):
    # Some kernels refuse an empty batch; one row of zeros replaces it.
    count = tf.shape(image)[0]
    extra = tf.cast(tf.equal(count, 0), tf.int32)
    padded = tf.pad(image, [[0, extra], [0, 0], [0, 0], [0, 0]])
    # LiteRT does not follow the shape through the padding.
    padded = tf.reshape(padded, (-1, *target.image_shape))
    logits = target.classifier(padded, training=False)[:count]
    return tf.cast(logits, tf.float32)


def _answer(log_probabilities):
    # The softmax of a log mean probability is that mean probability; of a
    # plain classifier's logits, its probability.
    probabilities = tf.nn.softmax(tf.cast(log_probabilities, tf.float32))
    label = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    return {"probabilities": probabilities, "label": label}


def _detection(target, score):
    # Repeated for each row: a server cuts every output into its requests.
    threshold = tf.fill(tf.shape(score), tf.constant(target.threshold))
    return {
        "score": score,
        "is_adversarial": score > threshold,
        "threshold": threshold,
    }


def _answer_from_draws(target, image, draws, logits=None):
    """Returns the answer and, from a detector, what it detects."""
    defence = target.defence
    if not target.has_detector:
        return _answer(defence.predict_from_draws(image, draws, logits))
    answer, score = defence.predict_with_score(image, draws, logits)
    return {**_answer(answer), **_detection(target, score)}


def _answer_from_seed(target, image, seed):
    if not target.has_detector:
        return _answer(target.defence(image, seed=seed))
    logits = target.defence.classify(image)
    draws = target.defence.draw(image, seed, logits)
    return _answer_from_draws(target, image, draws, logits)


def _default_answer(target, image):
    if target.defence is None:
        return _answer(_logits(target, image))
    return _answer_from_seed(target, image, _fresh_seeds(image))


def _seeded(target, image, seed):
    seed = guards.checked_batch(seed, "seed", image)
    return _answer_from_seed(target, image, seed)


def _undefended(target, image):
    return {"logits": _logits(target, image)}


def _detect(target, image):
    # Without the answer, MI-Combined needs MI-PL's passes alone.
    score = target.defence.detection_score(image, seed=_fresh_seeds(image))
    return _detection(target, score)


def _encoded_images(target, image_bytes):
    image = guards.decode_images(image_bytes, target.image_shape)
    return _default_answer(target, image)


def _indices(target, image, **given):
    draws = _given_draws(target, image, given)
    # Other runtimes do not support a loop over chunks of draws.
    with _one_pass(target.defence):
        return _answer_from_draws(target, image, draws)


def _image_input(target):
    return (target.image_spec,)


def _index_inputs(target):
    specs = [target.image_spec]
    for prefix, weight in target.pool_draws.items():
        shape = (None, target.defence.num_draws)
        specs.append(tf.TensorSpec(shape, tf.int32, f"{prefix}indices"))
        if isinstance(weight, tuple):
            # The client draws the weights of a random mixing weight.
            name = f"{prefix}mix_weight"
            specs.append(tf.TensorSpec(shape, tf.float32, name))
    return specs


def _given_draws(target, image, given):
    """Returns the draws from a client's rows and weights, checked."""
    draws = {}
    for name, values in given.items():
        values = guards.checked_batch(values, name, image)
        if name.endswith("indices"):
            draws[name] = guards.checked_rows(values, name, target.pool_rows)
        else:
            draws[name] = guards.checked_unit(values, name)
    for prefix, weight in target.pool_draws.items():
        if not isinstance(weight, tuple):
            shape = tf.shape(draws[f"{prefix}indices"])
            draws[f"{prefix}mix_weight"] = tf.fill(shape, tf.constant(weight))
    return draws


@contextlib.contextmanager
def _one_pass(defence):
    """Lets the defence work without chunks while a graph is traced."""
    with _TRACING:
        max_inputs = defence.max_inputs
        defence.max_inputs = None
        try:
            yield
        finally:
            defence.max_inputs = max_inputs


SIGNATURES = {
    "serving_default": Signature(
        _default_answer,
        _image_input,
        lambda target: True,
        lambda target: target.defence is None,
    ),
    "seeded": Signature(
        _seeded,
        lambda target: (target.image_spec, _SEED_SPEC),
        lambda target: target.defence is not None,
        lambda target: True,
    ),
    "undefended": Signature(
        _undefended,
        _image_input,
        lambda target: True,
        lambda target: True,
    ),
    "detect": Signature(
        _detect,
        _image_input,
        lambda target: target.has_detector,
        lambda target: False,
    ),
    "encoded_images": Signature(
        _encoded_images,
        lambda target: (tf.TensorSpec((None,), tf.string, "image_bytes"),),
        lambda target: target.image_shape[2] in guards.DECODABLE_CHANNELS,
        lambda target: target.defence is None,
    ),
    "indices": Signature(
        _indices,
        _index_inputs,
        lambda target: bool(target.pool_draws),
        lambda target: True,
    ),
}


def choose_signatures(target, names=None):
    """Returns the names to export, a tuple in the order of the table.

    None stands for all that apply.

    Raises:
        ValueError: for no name, an unknown name, or a name that the target
            cannot offer (`seeded` of a classifier without a defence).
    """
    offered = tuple(n for n, row in SIGNATURES.items() if row.applies(target))
    if names is None:
        return offered
    listed = ", ".join(repr(name) for name in offered)
    _checks.check(
        not isinstance(names, str) and len(names) > 0,
        "signatures",
        f"a sequence of names out of {listed}",
        names,
    )
    for name in names:
        _checks.check_choice(name, "signatures", offered)
    return tuple(name for name in offered if name in names)


def trace_signature(target, name):
    """Returns the concrete function of signature `name`, never XLA-compiled.

    TF Serving switches XLA compilation off by default.
    """
    row = SIGNATURES[name]
    specs = tuple(row.inputs(target))

    def signature(*values):
        # A server does not check the shapes of a request: an image of one
        # pixel would be broadcast over its partners.
        given = {
            spec.name: tf.ensure_shape(value, spec.shape)
            for spec, value in zip(specs, values, strict=True)
        }
        if "image" in given:
            given["image"] = guards.checked_unit(given["image"], "image")
        return row.answer(target, **given)

    signature.__name__ = name
    signature.__signature__ = inspect.Signature(
        inspect.Parameter(spec.name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for spec in specs
    )
    return tf.function(
        signature, input_signature=specs, jit_compile=False, autograph=False
    ).get_concrete_function()
