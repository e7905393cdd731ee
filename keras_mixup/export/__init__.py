"""SavedModels of defended classifiers that need TensorFlow alone."""

from keras_mixup.export.describe import SavedModelInfo
from keras_mixup.export.describe import describe_saved_model
from keras_mixup.export.extras import read_pool_labels
from keras_mixup.export.saved_model import export_saved_model
from keras_mixup.export.signatures import SIGNATURES
from keras_mixup.export.threshold import choose_threshold
from keras_mixup.export.untrained import looks_untrained
from keras_mixup.export.verify import SignatureCheck
from keras_mixup.export.verify import verify_saved_model
from keras_mixup.export.versions import check_version
from keras_mixup.export.versions import list_versions

__all__ = [
    "SIGNATURES",
    "SavedModelInfo",
    "SignatureCheck",
    "check_version",
    "choose_threshold",
    "describe_saved_model",
    "export_saved_model",
    "list_versions",
    "looks_untrained",
    "read_pool_labels",
    "verify_saved_model",
]
