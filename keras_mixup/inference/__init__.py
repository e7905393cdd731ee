"""Randomised defences at inference, as Keras layers around a classifier."""

from keras_mixup.inference.base import RandomizedInference
from keras_mixup.inference.combined import MixupInferenceCombined
from keras_mixup.inference.label import defence_label
from keras_mixup.inference.mixup_inference import MixupInferenceOL
from keras_mixup.inference.mixup_inference import MixupInferencePL
from keras_mixup.inference.pool import SamplePool
from keras_mixup.inference.settings import PAPER_ROWS
from keras_mixup.inference.settings import paper_settings
from keras_mixup.inference.smoothing import Certificates
from keras_mixup.inference.smoothing import RandomizedSmoothing
from keras_mixup.inference.transforms import GaussianNoiseInference
from keras_mixup.inference.transforms import RandomCropPadInference
from keras_mixup.inference.transforms import RandomCropResizeInference
from keras_mixup.inference.transforms import RandomResizePadInference
from keras_mixup.inference.transforms import RandomRotationInference
from keras_mixup.inference.var_inference import VarMixupInference

__all__ = [
    "PAPER_ROWS",
    "Certificates",
    "GaussianNoiseInference",
    "MixupInferenceCombined",
    "MixupInferenceOL",
    "MixupInferencePL",
    "RandomCropPadInference",
    "RandomCropResizeInference",
    "RandomResizePadInference",
    "RandomRotationInference",
    "RandomizedInference",
    "RandomizedSmoothing",
    "SamplePool",
    "VarMixupInference",
    "defence_label",
    "paper_settings",
]
