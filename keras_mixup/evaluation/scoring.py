"""What a model answers, with draws that depend on seed and example alone."""

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.evaluation import specs as specs_lib

# What a seed is for: draws of attack, target and evaluation never meet, even
# when the attack seed equals an evaluation seed.
ATTACK, TARGET, _EVALUATE = 0, 1, 2


def scoring_function(model):
    """Returns (images, row seeds or None) -> outputs, compiled for layers.

    Args:
        model: a defence, a Keras layer or any callable from images to logits.
    """
    if specs_lib.is_randomized(model):

        def score(images, seeds):
            return model(images, seed=seeds)

    elif isinstance(model, keras.layers.Layer):

        def score(images, seeds):
            return model(images, training=False)

    else:
        # A plain function may use Python randomness, which a trace freezes.
        return lambda images, seeds: model(images)
    return tf.function(score, jit_compile=False, reduce_retracing=True)


@tf.function(jit_compile=False, reduce_retracing=True)
def _fold_rows(seed, example_ids):
    return tf.map_fn(
        lambda example: ops.fold_in(seed, example),
        example_ids,
        fn_output_signature=tf.TensorSpec([2], tf.int32),
    )


def row_seeds(eval_seed, example_ids):
    """Returns int32 [B, 2], a pure function of each (seed, example id).

    Args:
        eval_seed: int.
        example_ids: int [B].
    """
    seed = ops.fold_in(ops.seed_pair(eval_seed), _EVALUATE)
    return _fold_rows(seed, tf.constant(example_ids, tf.int64))


def check_outputs(outputs, batch, name, spec):
    """Raises `ValueError` unless `outputs` are finite logits for the batch.

    Args:
        outputs: [B, C].
        batch: `Batch`.
        name: str, the model's name in the error.
        spec: `AttackSpec`, named in the error.
    """
    place = f"output of {name} under {spec.name}"
    rows, shape = len(batch.labels), tuple(outputs.shape)
    okay = len(shape) == 2 and shape[0] == rows
    _checks.check(okay, place, f"of shape [{rows}, classes]", shape)
    finite = bool(np.isfinite(outputs).all())
    _checks.check(finite, place, "finite", "NaN or infinity")
    highest = int(batch.labels.max())
    expected = f"{highest + 1} or more classes wide, since a label says so"
    _checks.check(highest < shape[1], place, expected, shape)
