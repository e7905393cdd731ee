"""Data sets, their splits, and input pipelines addressed by step."""

from keras_mixup.data.arrays import Batch
from keras_mixup.data.arrays import image_set
from keras_mixup.data.arrays import padded_batches
from keras_mixup.data.check import check_images
from keras_mixup.data.corruptions import corrupt
from keras_mixup.data.corruptions import corrupted_name
from keras_mixup.data.corruptions import load_corrupted
from keras_mixup.data.corruptions import published_name
from keras_mixup.data.load import load
from keras_mixup.data.load import load_arrays
from keras_mixup.data.mixed import check_extra
from keras_mixup.data.mixed import mixed_training_dataset
from keras_mixup.data.pipeline import as_float
from keras_mixup.data.pipeline import evaluation_dataset
from keras_mixup.data.pipeline import training_dataset
from keras_mixup.data.specs import DATASETS
from keras_mixup.data.specs import DatasetSpec
from keras_mixup.data.specs import ImageSet
from keras_mixup.data.splits import class_balanced_subset
from keras_mixup.data.tiny_imagenet import prepare_tiny_imagenet

__all__ = [
    "DATASETS",
    "Batch",
    "DatasetSpec",
    "ImageSet",
    "as_float",
    "check_extra",
    "check_images",
    "class_balanced_subset",
    "corrupt",
    "corrupted_name",
    "evaluation_dataset",
    "image_set",
    "load",
    "load_arrays",
    "load_corrupted",
    "mixed_training_dataset",
    "padded_batches",
    "prepare_tiny_imagenet",
    "published_name",
    "training_dataset",
]
