"""A control without draws: mixing with the mean image of the pool."""

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops


class MeanImageShrinkage:
    """Classifies lambda x + (1 - lambda) times the pool's mean image.

    A defence without draws. What Mixup Inference gains over it is due to the
    variety of its partners, what both gain to the shrunk input.

    Args:
        classifier: callable from images to logits.
        pool: `SamplePool`, of which each image counts equally.
        mix_weight: float in [0, 1], lambda.
    """

    def __init__(self, classifier, pool, mix_weight):
        self.classifier = classifier
        self.pool = pool
        self.mix_weight = _checks.check_number(mix_weight, "mix_weight", 0, 1)
        rows = np.arange(sum(pool.class_counts))
        # In parts, since a pool may fill much of the memory.
        parts = np.array_split(rows, max(1, len(rows) // 1000))
        sums = [np.sum(pool.gather(tf.constant(p)), axis=0) for p in parts]
        self.mean_image = tf.constant(sum(sums) / len(rows), tf.float32)

    def apply(self, images, draws=None):
        """Returns the mixed images, float32 [1, B, H, W, C]."""
        del draws
        mixed = ops.mix(self.mix_weight, images, self.mean_image)
        return mixed[None]

    def __call__(self, images):
        mixed = self.apply(tf.convert_to_tensor(images))[0]
        return self.classifier(mixed, training=False)

    def get_config(self):
        """Returns lambda alone."""
        return {"mix_weight": self.mix_weight}


def mix_weights(defences):
    """Returns the expected lambda of each defence that mixes with a pool.

    Args:
        defences: iterable of defences; MI-Combined counts by its MI-OL.

    Returns:
        dict lambda -> defence, each lambda once.
    """
    found = {}
    for defence in defences:
        weight = getattr(defence, "mix_weight", None)
        weight = getattr(defence, "ol_weight", weight)
        if weight is not None and getattr(defence, "pool", None) is not None:
            found.setdefault(round(ops.mean_mix_weight(weight), 6), defence)
    return found
