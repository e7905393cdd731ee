"""Whole runs from Python: from settings and a folder to results."""

import importlib

_HOMES = {
    "CompareResult": "comparing",
    "EvaluateResult": "evaluation",
    "EvaluateSettings": "evaluate_settings",
    "ExportResult": "exporting",
    "ExportSettings": "export_settings",
    "Results": "results",
    "Stop": "stopping",
    "Stopped": "stopping",
    "TrainResult": "train_result",
    "TrainSettings": "settings",
    "compare": "comparing",
    "evaluate": "evaluation",
    "export": "exporting",
    "list_datasets": "_data",
    "list_exports": "exporting",
    "prepare": "_process",
    "train": "training",
    "verify_export": "exporting",
    "write_figures": "results",
}
# Modules that import TensorFlow as soon as they are imported.
_WITH_TENSORFLOW = (
    "_data",
    "comparing",
    "evaluation",
    "exporting",
    "train_result",
    "training",
)

__all__ = [
    "CompareResult",
    "EvaluateResult",
    "EvaluateSettings",
    "ExportResult",
    "ExportSettings",
    "Results",
    "Stop",
    "Stopped",
    "TrainResult",
    "TrainSettings",
    "compare",
    "evaluate",
    "export",
    "list_datasets",
    "list_exports",
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
