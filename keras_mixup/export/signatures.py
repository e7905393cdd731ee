"""The signatures of an export: one small function each.

A builder takes the `ExportTarget` and returns `(function, specs)`: the
function's arguments and the keys of the dict it returns are the signature's
input and output names, the specs describe the arguments. Every input and
output has the batch as its first dimension, and a row's answer never depends
on the other rows: TF Serving merges requests into batches and pads them.

Images must be finite and in [0, 1] in every signature; a request with another
value is refused as a whole.
"""

import contextlib
import functools
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
        build: target -> (function, specs).
        applies: target -> bool, whether the target can offer it.
        repeatable: target -> bool, whether equal inputs give equal outputs.
    """

    build: Callable
    applies: Callable
    repeatable: Callable


def _always(_):
    return True


def _never(_):
    return False


def _is_defended(target):
    return target.defence is not None


def _is_plain(target):
    return target.defence is None


def _has_detector(target):
    return target.has_detector


def _has_pool_draws(target):
    return bool(target.pool_draws)


def _is_decodable(target):
    return target.image_shape[2] in guards.DECODABLE_CHANNELS


def _fresh_seeds(image):
    """Returns int32 [B, 2], new at every call and after every server start.

    The raw op takes seeds 0, 0 literally: "seed from the system's entropy".
    tf.random.uniform would bake a global seed that is set at trace time
    (keras.utils.set_random_seed) into the graph, a SeedGenerator would save
    its state: either replays one sequence after each start of the server.
    """
    return tf.raw_ops.RandomUniformInt(
        shape=tf.stack([tf.shape(image)[0], 2]),
        minval=tf.int32.min,
        maxval=tf.int32.max,
        seed=0,
        seed2=0,
    )


def _logits(target, image):
    # Some kernels refuse an empty batch; one row of zeros stands in for it.
    count = tf.shape(image)[0]
    extra = tf.cast(tf.equal(count, 0), tf.int32)
    padded = tf.pad(image, [[0, extra], [0, 0], [0, 0], [0, 0]])
    padded = tf.ensure_shape(padded, (None, *target.image_shape))
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


def _serving_default(target):
    def serving_default(image):
        image = guards.checked_unit(image, "image")
        return _default_answer(target, image)

    return serving_default, (target.image_spec,)


def _seeded(target):
    def seeded(image, seed):
        image = guards.checked_unit(image, "image")
        seed = guards.checked_batch(seed, "seed", image)
        return _answer_from_seed(target, image, seed)

    return seeded, (target.image_spec, _SEED_SPEC)


def _undefended(target):
    def undefended(image):
        image = guards.checked_unit(image, "image")
        return {"logits": _logits(target, image)}

    return undefended, (target.image_spec,)


def _detect(target):
    def detect(image):
        image = guards.checked_unit(image, "image")
        seed = _fresh_seeds(image)
        # Without the answer: MI-Combined then needs MI-PL's passes alone.
        score = target.defence.detection_score(image, seed=seed)
        return _detection(target, score)

    return detect, (target.image_spec,)


def _encoded_images(target):
    def encoded_images(image_bytes):
        image = guards.decode_images(image_bytes, target.image_shape)
        return _default_answer(target, image)

    return encoded_images, (tf.TensorSpec((None,), tf.string, "image_bytes"),)


def _indices(target):
    specs = [target.image_spec]
    for prefix, weight in target.pool_draws.items():
        shape = (None, target.defence.num_draws)
        specs.append(tf.TensorSpec(shape, tf.int32, f"{prefix}indices"))
        if isinstance(weight, tuple):
            # What the defence draws is the client's to draw.
            name = f"{prefix}mix_weight"
            specs.append(tf.TensorSpec(shape, tf.float32, name))

    def indices(*values):
        given = {s.name: v for s, v in zip(specs, values, strict=True)}
        image = guards.checked_unit(given.pop("image"), "image")
        draws = _given_draws(target, image, given)
        # A loop over chunks of draws would keep other runtimes out.
        with _one_pass(target.defence):
            return _answer_from_draws(target, image, draws)

    indices.__signature__ = inspect.Signature(
        inspect.Parameter(spec.name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for spec in specs
    )
    return indices, tuple(specs)


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
    "serving_default": Signature(_serving_default, _always, _is_plain),
    "seeded": Signature(_seeded, _is_defended, _always),
    "undefended": Signature(_undefended, _always, _always),
    "detect": Signature(_detect, _has_detector, _never),
    "encoded_images": Signature(_encoded_images, _is_decodable, _is_plain),
    "indices": Signature(_indices, _has_pool_draws, _always),
}


def choose_signatures(target, names=None):
    """Returns the names to export, a tuple in the order of the table.

    Args:
        target: `ExportTarget`.
        names: names from `SIGNATURES`, or None for all that apply.

    Raises:
        ValueError: for no name, an unknown one, or one that the target cannot
            offer (`seeded` of a classifier without a defence).
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
    function, specs = SIGNATURES[name].build(target)

    @functools.wraps(function)
    def shaped(*values):
        # A server does not hold a request to the shapes of the signature; an
        # image of one pixel would be broadcast over its partners.
        pairs = zip(values, specs, strict=True)
        return function(*(tf.ensure_shape(v, s.shape) for v, s in pairs))

    return tf.function(
        shaped, input_signature=specs, jit_compile=False, autograph=False
    ).get_concrete_function()
