"""Tables, sentences, cards and pages, made from records alone."""

from keras_mixup.reporting import card
from keras_mixup.reporting import eps_curves
from keras_mixup.reporting import figures
from keras_mixup.reporting import pictures
from keras_mixup.reporting import report
from keras_mixup.reporting import tables
from keras_mixup.reporting import verdicts
from keras_mixup.reporting import worst_case_table
from keras_mixup.reporting.comparison import Comparison
from keras_mixup.reporting.comparison import Standing
from keras_mixup.reporting.comparison import comparisons
from keras_mixup.reporting.report import write_report

__all__ = [
    "Comparison",
    "Standing",
    "card",
    "comparisons",
    "eps_curves",
    "figures",
    "pictures",
    "report",
    "tables",
    "verdicts",
    "worst_case_table",
    "write_report",
]
