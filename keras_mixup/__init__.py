"""Mixup-based adversarial robustness for TensorFlow and Keras 3.

`keras_mixup.<part>` is imported when it is first used, so that
`import keras_mixup` costs nothing and a command line can print its help or
refuse a flag before TensorFlow is loaded.
"""

import importlib
import os

__version__ = "0.1.0"

_SUBPACKAGES = (
    "attacks",
    "data",
    "evaluation",
    "export",
    "inference",
    "metrics",
    "models",
    "ops",
    "registry",
    "reporting",
    "reproduce",
    "runs",
    "studies",
    "training",
)

__all__ = ["ThreatModel", "__version__", *_SUBPACKAGES]

_BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
if _BACKEND != "tensorflow":
    raise ImportError(
        "keras_mixup needs the TensorFlow backend of Keras. Received: "
        f"KERAS_BACKEND={_BACKEND}. Set KERAS_BACKEND=tensorflow."
    )


def __getattr__(name):
    if name == "ThreatModel":
        return importlib.import_module("keras_mixup.threat").ThreatModel
    if name in _SUBPACKAGES:
        return importlib.import_module(f"keras_mixup.{name}")
    raise AttributeError(f"module 'keras_mixup' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
