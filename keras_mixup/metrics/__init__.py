"""Numbers computed from predictions and scores, one file per metric."""

from keras_mixup.metrics.detection_auc import detection_auc
from keras_mixup.metrics.robust_accuracy import robust_accuracy

__all__ = ["detection_auc", "robust_accuracy"]
