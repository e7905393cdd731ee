"""Empirical risk minimisation: the plain classifier."""

from keras_mixup import registry
from keras_mixup.training import base


@registry.register("algorithm", "erm", label="ERM")
class ERM(base.Algorithm):
    """Minimises cross-entropy on the images as they come.

    A step costs one classifier pass (Mixup Inference, section 2.2).

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when the classifier ends in a softmax.
    """
