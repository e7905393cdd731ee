"""What every algorithm that trains a classifier shares."""

from typing import Any
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup.training import batch_checks
from keras_mixup.training import functions
from keras_mixup.training import train_step

# Images of the first batch whose outputs must look like logits.
_LOOKED_AT = 8


class Algorithm(train_step.TrainStep):
    """A classifier together with the way to train it; `fit` does the rest.

    A subclass writes three hooks and nothing else:

    - `draw(batch_size, seed)`: everything random in a step, as a dict of
      tensors, a pure function of its arguments; an entry is a scalar, a seed
      int32 [2] or has a row for each example;
    - `prepare_batch(images, targets, draws)`: mixing and attacks, outside
      the gradient tape; returns a dict with at least `"images"` and
      `"targets"`; no gradient flows through any entry;
    - `batch_loss(batch)`: inside the tape; returns (losses [B], logits
      [B, C]), where the logits belong to `batch["targets"]`.

    The seed of a step depends on (`seed`, `step`, replica) alone, so that a
    run resumes at any step and replicas never share a draw. `evaluate` is
    the clean test: cross-entropy and accuracy on the images as they come.

    One code path serves no strategy, MirroredStrategy and
    MultiWorkerMirroredStrategy. Build the classifier, the algorithm and the
    optimizer inside the same `strategy.scope()`.

    Args:
        classifier: `keras.Model` from float32 [B, H, W, C] in [0, 1] to
            logits [B, num_classes].
        seed: int, the source of every random draw.
        name: str or None.

    Attributes:
        step: int64 weight, the number of finished steps.
        traces: dict, how often the train and the test step were traced.
        logged: names of entries of the batch whose mean is reported beside
            loss and accuracy.
    """

    def __init__(
        self,
        classifier: keras.Model,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        _classifiers.check_classifier(classifier)
        self.classifier = classifier
        # Its weights can be counted and loaded before the first batch.
        self.built = classifier.built
        self._width = None

    @property
    def trained_model(self) -> keras.Model:
        """The classifier."""
        return self.classifier

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns (losses float32 [B], logits [B, C]); one training pass."""
        logits = self.classifier(batch["images"], training=True)
        self.keep_layer_losses(batch)
        return ops.cross_entropy(batch["targets"], logits), logits

    def own_metrics(self) -> list[keras.metrics.Metric]:
        """Returns the accuracy alone."""
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]

    def call(
        self, images: _tensors.Array, training: bool | None = None
    ) -> tf.Tensor:
        """Returns the classifier's logits, [B, num_classes]."""
        return self.classifier(images, training=training)

    def export(
        self, filepath: _types.Path, *arguments: Any, **options: Any
    ) -> None:
        """Exports the classifier, which a fresh algorithm has not called yet.

        Args:
            filepath: str or path of the SavedModel.
            *arguments, **options: as for `keras.Model.export`.

        Raises:
            ValueError: the classifier is not built.
        """
        self.classifier.export(filepath, *arguments, **options)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Clean loss and accuracy on one batch; no randomness."""
        images, targets, weights = self.unpack(data)
        logits = self.classifier(images, training=False)
        losses = ops.cross_entropy(targets, logits)
        added = functions.layer_losses(self.classifier)
        losses = functions.total(losses, weights, added)
        batch = {"targets": targets, "sample_weight": weights}
        self.update_metrics(losses, batch, logits)
        return self.get_metrics_result()

    def unpack(self, data: Any) -> tuple[tf.Tensor, Any, tf.Tensor | None]:
        """Returns (images float32, targets float32 [B, C], weights [B])."""
        images, labels, weights = super().unpack(data)
        targets = ops.label_probabilities(labels, self._num_classes())
        return images, targets, weights

    def guard(self, data: Any, name: Literal["train", "test"]) -> Any:
        """Returns the batch; images and labels are checked at every step."""
        images, labels, *rest = super().guard(data, name)
        classes, place = self._num_classes(), functions.place_of(self, name)
        labels = batch_checks.assert_labels(labels, classes, place)
        # Whatever reads the images comes after the check, as do averages of
        # BatchNormalization and the counter of steps.
        with tf.control_dependencies([labels]):
            return (tf.identity(images), labels, *rest)

    def _num_classes(self):
        # A subclassed classifier has no symbolic output to read.
        if self._width is None:
            self._width = self.classifier.output_shape[-1]
        return self._width

    def update_metrics(
        self, losses: tf.Tensor, batch: _tensors.Batch, outputs: Any
    ) -> None:
        """Updates loss and accuracy, and the user's metrics.

        Args:
            losses: float32 [B].
            batch: dict with `"targets"`, float32 [B, C], and perhaps
                `"sample_weight"`, float32 [B].
            outputs: logits [B, C].
        """
        super().update_metrics(losses, batch, outputs)
        targets = batch["targets"]
        hits = ops.label_indices(targets) == ops.label_indices(outputs)
        # As CategoricalAccuracy does, without looking at shapes again.
        accuracy = self.means["accuracy"]
        keras.metrics.Mean.update_state(
            accuracy, keras.ops.cast(hits, "float32")
        )
        weights = batch.get("sample_weight")
        self.update_user_metrics(targets, outputs, weights)

    def check_batch(self, data: Any) -> None:
        """Checks the first batch of a run; raises `ValueError`."""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        _checks.check(labels is not None, "y", "labels [B] or [B, C]", labels)
        images = np.asarray(images)
        self.check_images(images)
        _inputs.read_labels(labels, len(images), self._width, "y")
        if weights is not None:
            batch_checks.check_sample_weight(np.asarray(weights), len(images))

    def check_images(self, images: _tensors.Array) -> None:
        """Checks images, and the logits of some of them."""
        images = _inputs.read_images(images, "x")
        logits = self.classifier(images[:_LOOKED_AT], training=False)
        _classifiers.check_logits(logits)
        self._width = logits.shape[-1]
