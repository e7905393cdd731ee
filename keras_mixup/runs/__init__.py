"""Whole runs from Python: from settings and a folder to results."""

import importlib

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


def __getattr__(name):
    # On first use, so that a wrong setting is refused before TensorFlow loads.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    if home in _WITH_TENSORFLOW:
        from keras_mixup.runs import _process

        _process.import_tensorflow()
    module = importlib.import_module(f"keras_mixup.runs.{home}")
    return getattr(module, name)
