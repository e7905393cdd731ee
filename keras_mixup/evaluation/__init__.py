"""Honest numbers: attacks on models, one record per example."""

import importlib
import warnings
from typing import TYPE_CHECKING
from typing import Any

from keras_mixup.evaluation import identity
from keras_mixup.evaluation import labels
from keras_mixup.evaluation import records
from keras_mixup.evaluation import red_flags
from keras_mixup.evaluation import shards
from keras_mixup.evaluation.identity import fingerprint
from keras_mixup.evaluation.identity import read_records
from keras_mixup.evaluation.records import Budget
from keras_mixup.evaluation.records import Column
from keras_mixup.evaluation.records import Record
from keras_mixup.evaluation.records import Records
from keras_mixup.evaluation.records import Row
from keras_mixup.evaluation.records import Summary
from keras_mixup.evaluation.records import append_records
from keras_mixup.evaluation.records import summarize
from keras_mixup.evaluation.records import write_records
from keras_mixup.evaluation.runner import evaluate
from keras_mixup.evaluation.specs import AttackSpec
from keras_mixup.evaluation.worst_case import WorstCase
from keras_mixup.evaluation.worst_case import worst_case
from keras_mixup.metrics.estimates import Estimate
from keras_mixup.metrics.estimates import estimate

__all__ = [
    "AttackSpec",
    "Budget",
    "Column",
    "Estimate",
    "Record",
    "Records",
    "Row",
    "Summary",
    "WorstCase",
    "append_records",
    "estimate",
    "evaluate",
    "fingerprint",
    "identity",
    "labels",
    "read_records",
    "records",
    "red_flags",
    "shards",
    "summarize",
    "worst_case",
    "write_records",
]

# Moved; the names here go with the next release.
_MOVED = {
    "card": "reporting",
    "corruption_accuracies": "studies",
    "corruption_means": "studies",
    "figures": "reporting",
    "pictures": "reporting",
    "report": "reporting",
    "tables": "reporting",
    "verdicts": "reporting",
    "write_report": "reporting",
    "latent_studies": "studies",
}


if not TYPE_CHECKING:  # A checker shall not find what has moved.

    def __getattr__(name: str) -> Any:
        if name not in _MOVED:
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}"
            )
        home = importlib.import_module(f"keras_mixup.{_MOVED[name]}")
        warnings.warn(
            f"`{__name__}.{name}` has moved to `{home.__name__}`.",
            DeprecationWarning,
            stacklevel=2,
        )
        # What was a module of its own is part of a package by now.
        return getattr(home, name, home)
