"""Numbers computed from predictions and scores, one file per metric."""

from keras_mixup._corruption_kinds import STANDARD as STANDARD_CORRUPTIONS
from keras_mixup.metrics.calibration import ExpectedCalibrationError
from keras_mixup.metrics.corruption import corruption_accuracy
from keras_mixup.metrics.detection_auc import detection_auc
from keras_mixup.metrics.estimates import Estimate
from keras_mixup.metrics.estimates import estimate
from keras_mixup.metrics.features import FeatureDistances
from keras_mixup.metrics.features import classifier_features
from keras_mixup.metrics.features import compute_features
from keras_mixup.metrics.features import feature_distances
from keras_mixup.metrics.features import inception_features
from keras_mixup.metrics.frechet import frechet_distance
from keras_mixup.metrics.kernel_distance import kernel_inception_distance
from keras_mixup.metrics.local_linearity import local_linearity_error
from keras_mixup.metrics.robust_accuracy import robust_accuracy
from keras_mixup.metrics.roc_curve import roc_curve

__all__ = [
    "STANDARD_CORRUPTIONS",
    "Estimate",
    "ExpectedCalibrationError",
    "FeatureDistances",
    "classifier_features",
    "compute_features",
    "corruption_accuracy",
    "detection_auc",
    "estimate",
    "feature_distances",
    "frechet_distance",
    "inception_features",
    "kernel_inception_distance",
    "local_linearity_error",
    "robust_accuracy",
    "roc_curve",
]
