"""Mixup-based adversarial robustness for TensorFlow and Keras 3.

`keras_mixup.<part>` is imported when it is first used, so that
`import keras_mixup` costs nothing and a command line can print its help or
refuse a flag before TensorFlow is loaded.
"""

import importlib
import os
from typing import TYPE_CHECKING
from typing import Any

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


if TYPE_CHECKING:  # For checkers, which cannot follow `__getattr__`.
    from keras_mixup import attacks as attacks
    from keras_mixup import data as data
    from keras_mixup import evaluation as evaluation
    from keras_mixup import export as export
    from keras_mixup import inference as inference
    from keras_mixup import metrics as metrics
    from keras_mixup import models as models
    from keras_mixup import ops as ops
    from keras_mixup import registry as registry
    from keras_mixup import reporting as reporting
    from keras_mixup import reproduce as reproduce
    from keras_mixup import runs as runs
    from keras_mixup import studies as studies
    from keras_mixup import training as training
    from keras_mixup.threat import ThreatModel as ThreatModel
else:

    def __getattr__(name: str) -> Any:
        if name == "ThreatModel":
            return importlib.import_module("keras_mixup.threat").ThreatModel
        if name in _SUBPACKAGES:
            return importlib.import_module(f"keras_mixup.{name}")
        raise AttributeError(f"module 'keras_mixup' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
