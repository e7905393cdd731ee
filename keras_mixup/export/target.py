"""What is exported: classifier, defence, image shape and threshold."""

from typing import Any
from typing import NamedTuple

import tensorflow as tf


class ExportTarget(NamedTuple):
    """What is exported.

    Attributes:
        classifier: keras model, images [B, H, W, C] -> logits [B, K].
        defence: the defence around it, or None for a plain classifier.
        image_shape: (H, W, C).
        threshold: float, the score above which a detector reports an attack;
            None without a detector.
    """

    classifier: Any
    defence: Any
    image_shape: tuple
    threshold: float | None = None

    @property
    def image_spec(self):
        """Spec of the batch of images."""
        return tf.TensorSpec((None, *self.image_shape), tf.float32, "image")

    @property
    def compute_dtype(self):
        """The classifier's compute dtype, a str."""
        return getattr(self.classifier, "compute_dtype", "float32")

    @property
    def has_detector(self):
        """Whether the defence has a detection score."""
        return hasattr(self.defence, "predict_with_score")

    @property
    def pool(self):
        """The defence's `SamplePool`, or None."""
        return getattr(self.defence, "pool", None)

    @property
    def pool_rows(self):
        """The rows of the pool, an int; 0 without a pool."""
        return sum(self.pool.class_counts) if self.pool else 0

    @property
    def pool_draws(self):
        """dict, prefix of a draw's names -> mixing weight; of MI alone."""
        defence = self.defence
        if self.pool is None:
            return {}
        if hasattr(defence, "pl_weight"):
            return {"pl_": defence.pl_weight, "ol_": defence.ol_weight}
        return {"": defence.mix_weight}
