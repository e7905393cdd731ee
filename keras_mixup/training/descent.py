"""From the losses of a batch to the next weights."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup.training import batch_checks
from keras_mixup.training import functions
from keras_mixup.training import weight_average
from keras_mixup.training import weight_perturbation


class Descent(keras.Model):
    """Part of `TrainStep`: the gradient, where it is taken, what is kept.

    Attributes:
        l2_penalty: float, see `TrainStep.compile`.
        weight_perturbation: float, see `TrainStep.compile`.
        weight_average: None, `EMA` or `SWA`, see `TrainStep.compile`.
        batch_norm_images: None or images [n, H, W, C] on which `SWA`
            estimates the statistics of BatchNormalization anew. None stands
            for those that the last `fit` trained on.
    """

    batch_norm_images: Any
    _trained_images: Any = None
    _streamed_images: Any = None
    _evaluating: bool

    def set_descent(
        self,
        l2_penalty: _types.Number = 0.0,
        perturbation: _types.Number = 0.0,
        average: weight_average.EMA | weight_average.SWA | None = None,
    ) -> None:
        """Checks and keeps the arguments of `compile` of the same meaning."""
        self.l2_penalty = _checks.check_number(
            l2_penalty, "l2_penalty", low=0.0
        )
        self.weight_perturbation = _checks.check_number(
            perturbation, "weight_perturbation", low=0.0
        )
        okay = average is None or isinstance(average, weight_average.KINDS)
        expected = "None, training.EMA or training.SWA"
        _checks.check(okay, "weight_average", expected, average)
        self.weight_average = average
        if average is not None:
            self.averages.start(self.trained_model)

    # === The gradient ===

    @property
    def optimized_variables(self) -> list[Any]:
        """The variables that the optimizer changes."""
        return self.trained_model.trainable_variables

    def descend(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Takes one step of the optimizer.

        Args:
            batch: dict, from `prepare_batch`.

        Returns:
            (losses float32 [B], outputs), as from `batch_loss`.
        """
        variables, point = self.optimized_variables, None
        if self.weight_perturbation:
            point = weight_perturbation.worst_weights(
                self, batch, self.weight_perturbation
            )
        losses, outputs, gradients = self.differentiate(batch, point)
        if self.l2_penalty:
            replicas = self.distribute_strategy.num_replicas_in_sync
            share = self.optimizer.scale_loss(self.l2_penalty / replicas)
            gradients = [
                _penalized(gradient, weight, share)
                for gradient, weight in zip(
                    gradients, point or variables, strict=True
                )
            ]
        self.optimizer.apply(gradients, variables)
        return losses, outputs

    def differentiate(
        self, batch: _tensors.Batch, point: Any = None
    ) -> tuple[tf.Tensor, Any, list[Any]]:
        """Returns (losses [B], outputs, gradients of their scaled mean).

        Args:
            batch: dict, from `prepare_batch`; its weights are taken out.
            point: None, or tensors in place of the optimized variables. What
                the pass assigns to other variables is assigned.
        """
        with tf.GradientTape() as tape, self._watch, self._at(point):
            if point is not None:
                tape.watch(point)
            losses, outputs = self.batch_loss(batch)
            self.keep_layer_losses(batch)
            own = batch.pop("sample_weight", None)
            losses = functions.total(losses, own, batch["layer_losses"])
            loss = tf.reduce_mean(losses)
            replicas = self.distribute_strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss / replicas)
        where = self.optimized_variables if point is None else point
        return losses, outputs, tape.gradient(scaled, where)

    @contextlib.contextmanager
    def _at(self, point):
        """The optimized variables have other values while this lasts."""
        if point is None:
            yield
            return
        mapping = zip(self.optimized_variables, point, strict=True)
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            yield
        for variable in self.trained_model.non_trainable_variables:
            value = scope.get_current_value(variable)
            if value is not None:
                variable.assign(value)

    def keep_layer_losses(self, batch: _tensors.Batch) -> None:
        """Puts what layers and regularizers add to the loss into a batch.

        A `batch_loss` of several passes calls it after the one that counts.
        The first call decides. Without one the last pass counts.
        """
        if "layer_losses" not in batch:
            batch["layer_losses"] = functions.layer_losses(self.trained_model)

    # === The averages ===

    def build_averages(self) -> None:
        """Makes the variables of the averages, once, where they are wanted."""
        if self.weight_average is not None:
            with self.distribute_strategy.scope():
                self.averages.make(self.trained_model)

    def update_averages(self) -> None:
        """Takes the weights of the finished step into the averages."""
        if self.weight_average is not None:
            share = self.weight_average.share(self.step.value)
            self.averages.update(self.trained_model, share)

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """The trained model has its averaged weights while this lasts.

        `evaluate`, `BestModel` and `RobustValidation` use it. Without
        `weight_average` it changes nothing.
        """
        if self.weight_average is None or self.averages.shown:
            yield
            return
        self.show_averages()
        try:
            yield
        finally:
            self.show_averages(False)

    def show_averages(self, shown: bool = True) -> None:
        """Gives the trained model its averaged weights, or those of training.

        `fit` begins with the weights of training and ends with the averages.
        """
        made = self.averages.exchanged is not None
        if self.weight_average is None or not made:
            return
        if self.averages.shown == shown:
            return
        self.averages.swap(self.trained_model)
        if shown and self.weight_average.estimates(self.step):
            weight_average.estimate_batch_norm(
                self.trained_model, self._images_of_averages()
            )

    def _images_of_averages(self):
        own = self.batch_norm_images
        return self._trained_images if own is None else own

    @contextlib.contextmanager
    def training_on(self, images: Any) -> Iterator[None]:
        """Says which images the data set of a `fit` inside consists of.

        Args:
            images: array [n, H, W, C]; any other has no images to offer.
        """
        self._streamed_images = images
        try:
            yield
        finally:
            self._streamed_images = None

    def begin_averages(self, images: Any) -> None:
        """Prepares the averages for training.

        Args:
            images: what is trained on: images [n, H, W, C], or anything else,
                where those of `training_on` serve. They take the place of
                those of an earlier call.
        """
        for kept in (images, self._streamed_images, None):
            self._trained_images = kept
            if len(getattr(kept, "shape", ())) == 4:
                break
        if self.weight_average is None:
            return
        images = self._images_of_averages()
        self.weight_average.check(self.trained_model, images)
        self.show_averages(False)
        if not int(self.step.numpy()):
            self.averages.start(self.trained_model)

    # === What Keras calls ===

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains; as `keras.Model.fit`.

        Warns once, where gradients of an attack are zero or not finite.
        """
        told = functions.fit_arguments((x, y, batch_size, *args), kwargs)
        functions.check_last_batch(self, told)
        self.begin_averages(functions.trained_part(told))
        with batch_checks.plainly():
            history = super().fit(x, y, batch_size, *args, **kwargs)
        self.show_averages()
        self._watch.warn_once(self.trained_model.name)
        return history

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """One step from the weights of training, which the model keeps.

        As `keras.Model.train_on_batch`.
        """
        begun = int(self.step.numpy()) > 0 and not self.averages.shown
        if not begun:
            self.begin_averages(self._trained_images)
        with batch_checks.plainly():
            return super().train_on_batch(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """The means of `test_step`; as `keras.Model.evaluate`."""
        before, self._evaluating = self._evaluating, True
        try:
            with self.averaged_weights(), batch_checks.plainly():
                return super().evaluate(*args, **kwargs)
        finally:
            self._evaluating = before

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """The means of `test_step`; as `keras.Model.test_on_batch`."""
        before, self._evaluating = self._evaluating, True
        try:
            with self.averaged_weights(), batch_checks.plainly():
                return super().test_on_batch(*args, **kwargs)
        finally:
            self._evaluating = before


def _penalized(gradient, weight, share):
    # A weight without a gradient is left alone, as by Keras and PyTorch.
    if gradient is None:
        return None
    gradient = tf.convert_to_tensor(gradient)
    share = tf.cast(share, gradient.dtype)
    return gradient + share * tf.cast(weight, gradient.dtype)
