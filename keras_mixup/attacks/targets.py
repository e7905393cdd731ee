"""The classes that a targeted attack leads to."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import ops


def random_targets(
    labels: _tensors.ArrayLike, num_classes: int, seed: _tensors.SeedLike
) -> tf.Tensor:
    """Draws another class than the true one, uniformly, for each image.

    Args:
        labels: int [B] or probabilities [B, C].
        num_classes: int >= 2.
        seed: None, an int, or int32 [2].

    Returns:
        int32 [B].

    Raises:
        ValueError: for labels that are no classes, or another number or seed.
    """
    _checks.check_integer(num_classes, "num_classes", 2)
    labels = _inputs.read_classes(labels, num_classes=num_classes)
    if seed is not None and not tf.is_tensor(seed):
        _checks.check_seed(seed)
    offsets = tf.random.stateless_uniform(
        tf.shape(labels), ops.seed_pair(seed), 1, num_classes, tf.int32
    )
    return (labels + offsets) % num_classes


def second_most_likely_targets(
    logits: _tensors.ArrayLike, labels: _tensors.ArrayLike
) -> tf.Tensor:
    """Returns the likeliest wrong class, int32 [B].

    On an image that the model gets wrong this is its prediction.

    Args:
        logits: [B, C], the model's output on the clean images.
        labels: int [B] or probabilities [B, C].

    Raises:
        ValueError: for labels that are no classes of the model, or another
            number of them.
    """
    shape = tf.shape(logits)
    labels = _inputs.read_labels(labels, int(shape[0]), int(shape[1]))
    return likeliest_targets(logits, labels, 1)[:, 0]


def likeliest_targets(logits, labels, num_targets):
    """Returns the likeliest wrong classes, likeliest first, int32 [B, T].

    Args:
        logits: [B, C], the model's output on the clean images.
        labels: int [B] or probabilities [B, C].
        num_targets: int >= 1; T is at most C - 1.
    """
    logits = tf.cast(logits, tf.float32)
    own = tf.one_hot(ops.label_indices(labels), logits.shape[-1]) > 0.0
    others = tf.where(own, float("-inf"), logits)
    count = min(num_targets, logits.shape[-1] - 1)
    return tf.math.top_k(others, count).indices


def nearest_targets(model_fn, images, labels, num_targets, num_candidates):
    """Returns the wrong classes nearest to a linear model, int32 [B, T].

    Of the likeliest wrong classes those with the largest
    (z_c - z_y) / ||grad z_c - grad z_y||_2, nearest first (Melamed et al.,
    2024, MALT).

    Args:
        model_fn: callable from images to logits.
        images: float32 [B, H, W, C], clean.
        labels: int [B] or probabilities [B, C].
        num_targets: int >= 1; T is at most the candidates.
        num_candidates: int >= 1, at most C - 1 are taken. Each costs one
            backward pass.
    """
    images = tf.convert_to_tensor(images)
    own = ops.label_indices(labels)
    with tf.GradientTape(True, watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = tf.cast(model_fn(images), tf.float32)
    classes = logits.shape[-1]
    ranked = likeliest_targets(logits, own, num_candidates)
    axes = list(range(1, images.shape.rank))

    def score(rank):
        chosen = tf.gather(ranked, rank, axis=1)
        weights = tf.one_hot(chosen, classes) - tf.one_hot(own, classes)
        slope = ops.input_gradients(
            tape, logits, images, output_gradients=weights
        )
        length = tf.sqrt(tf.reduce_sum(slope**2, axis=axes))
        value = tf.reduce_sum(weights * logits, axis=-1)
        # Without a gradient a class cannot be reached: it comes last.
        return tf.where(length > 0.0, value / length, float("-inf"))

    scores = tf.map_fn(
        score,
        tf.range(ranked.shape[1]),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )
    count = min(num_targets, ranked.shape[1])
    order = tf.math.top_k(tf.transpose(scores), count).indices
    return tf.gather(ranked, order, batch_dims=1)
