"""Whole runs from Python: from settings and a folder to results."""

import importlib
from typing import TYPE_CHECKING
from typing import Any

_HOMES = {
    "CompareResult": "comparing",
    "EvaluateResult": "evaluate_result",
    "EvaluateSettings": "evaluate_settings",
    "ExportResult": "exporting",
    "ExportSettings": "export_settings",
    "MergeResult": "sharding",
    "Results": "results",
    "ShardResult": "sharding",
    "Stop": "stopping",
    "Stopped": "stopping",
    "TrainResult": "train_result",
    "TrainSettings": "settings",
    "compare": "comparing",
    "evaluate": "evaluation",
    "export": "exporting",
    "list_datasets": "_data",
    "list_exports": "exporting",
    "merge": "sharding",
    "prepare": "_process",
    "train": "training",
    "verify_export": "exporting",
    "write_figures": "results",
}
# Modules that import TensorFlow as soon as they are imported.
_WITH_TENSORFLOW = (
    "_data",
    "comparing",
    "evaluate_result",
    "evaluation",
    "exporting",
    "sharding",
    "train_result",
    "training",
)

__all__ = [
    "CompareResult",
    "EvaluateResult",
    "EvaluateSettings",
    "ExportResult",
    "ExportSettings",
    "MergeResult",
    "Results",
    "ShardResult",
    "Stop",
    "Stopped",
    "TrainResult",
    "TrainSettings",
    "compare",
    "evaluate",
    "export",
    "list_datasets",
    "list_exports",
    "merge",
    "prepare",
    "train",
    "verify_export",
    "write_figures",
]


if TYPE_CHECKING:  # For checkers, which cannot follow `__getattr__`.
    from keras_mixup.runs._data import list_datasets
    from keras_mixup.runs._process import prepare
    from keras_mixup.runs.comparing import CompareResult
    from keras_mixup.runs.comparing import compare
    from keras_mixup.runs.evaluate_result import EvaluateResult
    from keras_mixup.runs.evaluate_settings import EvaluateSettings
    from keras_mixup.runs.evaluation import evaluate
    from keras_mixup.runs.export_settings import ExportSettings
    from keras_mixup.runs.exporting import ExportResult
    from keras_mixup.runs.exporting import export
    from keras_mixup.runs.exporting import list_exports
    from keras_mixup.runs.exporting import verify_export
    from keras_mixup.runs.results import Results
    from keras_mixup.runs.results import write_figures
    from keras_mixup.runs.settings import TrainSettings
    from keras_mixup.runs.sharding import MergeResult
    from keras_mixup.runs.sharding import ShardResult
    from keras_mixup.runs.sharding import merge
    from keras_mixup.runs.stopping import Stop
    from keras_mixup.runs.stopping import Stopped
    from keras_mixup.runs.train_result import TrainResult
    from keras_mixup.runs.training import train
else:

    def __getattr__(name: str) -> Any:
        # On first use: a wrong setting is refused before TensorFlow loads.
        if name not in _HOMES:
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}"
            )
        home = _HOMES[name]
        if home in _WITH_TENSORFLOW:
            from keras_mixup.runs import _process

            _process.import_tensorflow()
        module = importlib.import_module(f"keras_mixup.runs.{home}")
        return getattr(module, name)
