"""Classifiers made of stock Keras layers: images in [0, 1] to logits."""

from keras_mixup.models.blocks import stages
from keras_mixup.models.preact_resnet import PreActResNet18
from keras_mixup.models.small_convnet import SmallConvNet

__all__ = ["PreActResNet18", "SmallConvNet", "stages"]
