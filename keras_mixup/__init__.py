"""Mixup-based adversarial robustness for TensorFlow and Keras 3."""

from keras_mixup.threat import ThreatModel

__version__ = "0.1.0"
__all__ = ["ThreatModel", "__version__"]
