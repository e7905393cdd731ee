"""The signatures of an export: one small function each.

A builder takes the `ExportTarget` and returns `(function, specs)`: the
function's arguments and the keys of the dict it returns are the signature's
input and output names, the specs describe the arguments. Every input and
output has the batch as its first dimension, and a row's answer never depends
on the other rows: TF Serving merges requests into batches and pads them.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_mixup import _checks

_SEED_SPEC = tf.TensorSpec((None, 2), tf.int32, name="seed")


class ExportTarget(NamedTuple):
    """What is exported.

    Attributes:
        classifier: keras model, images [B, H, W, C] -> logits [B, K].
        defence: the defence around it, or None for a plain classifier.
        image_shape: (H, W, C).
    """

    classifier: Any
    defence: Any
    image_shape: tuple

    @property
    def image_spec(self):
        """Spec of the batch of images."""
        return tf.TensorSpec((None, *self.image_shape), tf.float32, "image")


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


def _is_defended(target):
    return target.defence is not None


def _is_plain(target):
    return target.defence is None


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
    logits = target.classifier(image, training=False)
    return tf.cast(logits, tf.float32)


def _answer(log_probabilities):
    # The softmax of a log mean probability is that mean probability; of a
    # plain classifier's logits, its probability.
    probabilities = tf.nn.softmax(tf.cast(log_probabilities, tf.float32))
    label = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    return {"probabilities": probabilities, "label": label}


def _serving_default(target):
    def serving_default(image):
        if target.defence is None:
            return _answer(_logits(target, image))
        return _answer(target.defence(image, seed=_fresh_seeds(image)))

    return serving_default, (target.image_spec,)


def _seeded(target):
    def seeded(image, seed):
        return _answer(target.defence(image, seed=seed))

    return seeded, (target.image_spec, _SEED_SPEC)


def _undefended(target):
    def undefended(image):
        return {"logits": _logits(target, image)}

    return undefended, (target.image_spec,)


SIGNATURES = {
    "serving_default": Signature(_serving_default, _always, _is_plain),
    "seeded": Signature(_seeded, _is_defended, _always),
    "undefended": Signature(_undefended, _always, _always),
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
    return tf.function(
        function, input_signature=specs, jit_compile=False, autograph=False
    ).get_concrete_function()


def example_inputs(concrete_function, rows, seed=0):
    """Returns a dict input name -> tensor that the function accepts.

    Args:
        concrete_function: from `trace_signature`.
        rows: int, the batch size.
        seed: int; equal seeds give equal inputs.
    """
    generator = np.random.default_rng(seed)
    inputs = {}
    for spec in concrete_function.structured_input_signature[0]:
        shape = (rows, *spec.shape[1:])
        if spec.dtype.is_floating:
            values = generator.uniform(size=shape)
        else:
            values = generator.integers(0, 2**31, size=shape)
        inputs[spec.name] = tf.constant(values, spec.dtype)
    return inputs
