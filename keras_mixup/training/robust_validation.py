"""Accuracy under attack on held-out images, at the end of an epoch."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import attacks
from keras_mixup import ops


class RobustValidation(keras.callbacks.Callback):
    """Adds `val_robust_accuracy` to the logs of an epoch.

    The share of the given images that the classifier still gets right after
    the attack. Use images cut from the training split, and place the
    callback before those that read the logs (`BestModel`,
    `EarlyStopping`, `MetricsLog`).

    The attack's seed depends on the run's seed, the epoch and the batch
    alone, so that a resumed run finds the same number. The last batch is
    filled up, so that nothing is traced twice.

    Args:
        attack: attack of `keras_mixup.attacks`, such as `PGD`.
        images: float [N, H, W, C] in [0, 1], N >= 1; or a finite
            `tf.data.Dataset` or `PyDataset` of images and labels.
        labels: int [N] or [N, 1], or probabilities [N, C]; None beside a
            data set.
        every: int >= 1: measured after every so many epochs, and after the
            first one; the epochs between report the last measurement again.
        batch_size: int >= 1, images attacked at a time.

    Attributes:
        value: `tf.Variable` float64, the last measurement (NaN before the
            first one); give it to `Checkpoint(state=[...])` if `every` > 1.

    Raises:
        ValueError: for bad arguments.
    """

    def __init__(
        self,
        attack: attacks.Attack,
        images: _tensors.Images,
        labels: _tensors.ArrayLike | None = None,
        every: int = 1,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        _checks.check(callable(attack), "attack", "an attack", attack)
        self.attack = attack
        images, labels = _inputs.read_pairs(images, labels)
        self.images = _inputs.read_images(images)
        self.labels = _inputs.read_labels(labels, len(self.images))
        self.every = _checks.check_integer(every, "every")
        self.batch_size = _checks.check_integer(batch_size, "batch_size")
        self.value = tf.Variable(math.nan, dtype=tf.float64, trainable=False)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Measures, or repeats the last number, into `logs`."""
        due = (epoch + 1) % self.every == 0
        if due or math.isnan(float(self.value.numpy())):
            with self.model.averaged_weights():
                self.value.assign(self.measure(epoch))
        if logs is not None:
            logs["val_robust_accuracy"] = float(self.value.numpy())

    def measure(self, epoch: int) -> float:
        """Returns the robust accuracy, a float in [0, 1].

        Args:
            epoch: int >= 0, part of the attack's seed.
        """
        seed = ops.fold_in(ops.seed_pair(self.model.seed), epoch)
        size = min(self.batch_size, len(self.images))
        held = 0
        for number, start in enumerate(range(0, len(self.images), size)):
            count = min(size, len(self.images) - start)
            rows = np.arange(start, start + size) % len(self.images)
            result = self.attack(
                self.model.classifier,
                self.images[rows],
                self.labels[rows],
                seed=ops.fold_in(seed, number),
            )
            held += count - int(np.sum(result.success.numpy()[:count]))
        return held / len(self.images)
