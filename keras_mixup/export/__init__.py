"""SavedModels of defended classifiers that need TensorFlow alone."""

from keras_mixup.export.describe import SavedModelInfo
from keras_mixup.export.describe import describe_saved_model
from keras_mixup.export.saved_model import export_saved_model
from keras_mixup.export.signatures import SIGNATURES
from keras_mixup.export.versions import check_version

__all__ = [
    "SIGNATURES",
    "SavedModelInfo",
    "check_version",
    "describe_saved_model",
    "export_saved_model",
]
