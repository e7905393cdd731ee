"""Honest numbers: records, and all that is made from records alone."""

from keras_mixup.evaluation.records import Record
from keras_mixup.evaluation.records import Summary
from keras_mixup.evaluation.records import append_records
from keras_mixup.evaluation.records import read_records
from keras_mixup.evaluation.records import summarize
from keras_mixup.evaluation.records import write_records
from keras_mixup.evaluation.runner import evaluate
from keras_mixup.evaluation.specs import AttackSpec

__all__ = [
    "AttackSpec",
    "Record",
    "Summary",
    "append_records",
    "evaluate",
    "read_records",
    "summarize",
    "write_records",
]
