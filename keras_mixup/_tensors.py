"""What public signatures with arrays have in common."""

from collections.abc import Callable
from typing import Any
from typing import TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

# Numbers that a user hands in: NumPy, nested lists or a tensor.
ArrayLike: TypeAlias = npt.ArrayLike | tf.Tensor
# An array in memory, or a tensor of a graph.
Array: TypeAlias = np.ndarray | tf.Tensor
# Images, or a finite data set of images and labels.
Images: TypeAlias = ArrayLike | tf.data.Dataset | keras.utils.PyDataset
# None for fresh draws, an int, int32 [2], or int32 [B, 2] for a seed per row.
SeedLike: TypeAlias = int | Array | None
# A number of rows; in a graph perhaps a scalar.
Size: TypeAlias = int | tf.Tensor

# From images [B, H, W, C] to logits [B, C]: a Keras model, a defence or a
# function.
ModelFn: TypeAlias = Callable[..., Any]
# From (labels, logits) to a loss for each row.
LossFn: TypeAlias = Callable[[Any, Any], tf.Tensor]
# Random numbers of a step or of a defence, by name.
Draws: TypeAlias = dict[str, Any]
# What a loss is computed on, by name.
Batch: TypeAlias = dict[str, Any]
# An attack's images, gradient passes and queries.
Attacked: TypeAlias = tuple[tf.Tensor, Size, Size]
