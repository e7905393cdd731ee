"""Models of stock Keras layers, the VAE of VarMixup, and foreign ones."""

from keras_mixup.models.blocks import stages
from keras_mixup.models.foreign import ForeignClassifier
from keras_mixup.models.foreign import from_saved_model
from keras_mixup.models.logits import to_logits
from keras_mixup.models.mmd_vae import MMDVAE
from keras_mixup.models.preact_resnet import PreActResNet18
from keras_mixup.models.resnet import MixupInferenceResNet50
from keras_mixup.models.resnet import ResNet34
from keras_mixup.models.resnet import ResNet50
from keras_mixup.models.small_convnet import SmallConvNet
from keras_mixup.models.wide_resnet import WideResNet34

__all__ = [
    "ForeignClassifier",
    "MMDVAE",
    "MixupInferenceResNet50",
    "PreActResNet18",
    "ResNet34",
    "ResNet50",
    "SmallConvNet",
    "WideResNet34",
    "from_saved_model",
    "stages",
    "to_logits",
]
