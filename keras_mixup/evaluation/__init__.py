"""Honest numbers: records, and all that is made from records alone."""

from keras_mixup.evaluation import card
from keras_mixup.evaluation import figures
from keras_mixup.evaluation import latent_studies
from keras_mixup.evaluation import pictures
from keras_mixup.evaluation import records
from keras_mixup.evaluation import red_flags
from keras_mixup.evaluation import report
from keras_mixup.evaluation import tables
from keras_mixup.evaluation import verdicts
from keras_mixup.evaluation.corruptions import corruption_accuracies
from keras_mixup.evaluation.corruptions import corruption_means
from keras_mixup.evaluation.estimates import Estimate
from keras_mixup.evaluation.estimates import estimate
from keras_mixup.evaluation.records import Record
from keras_mixup.evaluation.records import Summary
from keras_mixup.evaluation.records import append_records
from keras_mixup.evaluation.records import read_records
from keras_mixup.evaluation.records import summarize
from keras_mixup.evaluation.records import write_records
from keras_mixup.evaluation.report import write_report
from keras_mixup.evaluation.runner import evaluate
from keras_mixup.evaluation.specs import AttackSpec
from keras_mixup.evaluation.worst_case import WorstCase
from keras_mixup.evaluation.worst_case import worst_case

__all__ = [
    "AttackSpec",
    "Estimate",
    "Record",
    "Summary",
    "WorstCase",
    "append_records",
    "card",
    "corruption_accuracies",
    "corruption_means",
    "estimate",
    "evaluate",
    "figures",
    "latent_studies",
    "pictures",
    "read_records",
    "records",
    "red_flags",
    "report",
    "summarize",
    "tables",
    "verdicts",
    "worst_case",
    "write_records",
    "write_report",
]
