"""The figures of the papers: the numbers and the drawing of each."""

from keras_mixup.studies import autoencoder
from keras_mixup.studies import drawing
from keras_mixup.studies.base import Context
from keras_mixup.studies.base import Study
from keras_mixup.studies.certified import certificate_rows
from keras_mixup.studies.certified import certified_accuracy
from keras_mixup.studies.corruptions import corruption_accuracies
from keras_mixup.studies.corruptions import corruption_means
from keras_mixup.studies.detection import detection_curves
from keras_mixup.studies.example_images import adaptive_examples
from keras_mixup.studies.hyper_parameters import trade_off
from keras_mixup.studies.linearity import linearity_rows
from keras_mixup.studies.mechanism import lambda_sweep
from keras_mixup.studies.mixtures import distance_rows
from keras_mixup.studies.mixtures import mixed_samples
from keras_mixup.studies.mixtures import sample_rows
from keras_mixup.studies.reliability import calibration_rows
from keras_mixup.studies.sample_curves import adaptive_samples
from keras_mixup.studies.study_files import find
from keras_mixup.studies.study_files import read_studies
from keras_mixup.studies.study_files import write_study
from keras_mixup.studies.sweeps import eta_sweep_rows
from keras_mixup.studies.sweeps import sweep_figure
from keras_mixup.studies.sweeps import weight_sweep_rows

__all__ = [
    "Context",
    "Study",
    "adaptive_examples",
    "adaptive_samples",
    "autoencoder",
    "calibration_rows",
    "certificate_rows",
    "certified_accuracy",
    "corruption_accuracies",
    "corruption_means",
    "detection_curves",
    "distance_rows",
    "drawing",
    "eta_sweep_rows",
    "find",
    "lambda_sweep",
    "linearity_rows",
    "mixed_samples",
    "read_studies",
    "sample_rows",
    "sweep_figure",
    "trade_off",
    "weight_sweep_rows",
    "write_study",
]
