"""The one train step that every algorithm shares."""

import warnings
from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _config
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup.training import _metrics
from keras_mixup.training import descent
from keras_mixup.training import functions
from keras_mixup.training import weight_average

# Keeps the draws of a step apart from the data pipeline's, which start from
# the same seed with purposes of their own.
_PURPOSE = 100

# The first look at the attack's gradients comes after so many steps, since a
# layer that starts at zero gives none at first.
_FIRST_LOOK = 20

_REFUSED_LOSS = (
    "`loss` is fixed by the algorithm and must not be given to compile(). "
    "Received: loss={!r}"
)


class TrainStep(_config.Configurable, descent.Descent, keras.Model):
    """A model together with the way to train it; `fit` does the rest.

    A subclass says what is trained and on which data: `base.Algorithm` for
    classifiers, `MMDVAETraining` for images without labels. It writes
    `trained_model`, `draw`, `prepare_batch`, `batch_loss`, `test_step`,
    `unpack`, `check_batch`, `update_metrics` and `call`.

    Args:
        seed: int, the source of every random draw.
        name: str or None.

    Attributes:
        step: int64 weight, the number of finished steps.
        traces: dict, how often the train and the test step were traced.
        means: dict, the metrics that every run reports beside the loss.
    """

    train_function: Any
    test_function: Any
    _may_scale, _gives_logits = True, True

    def __init__(self, seed: _types.Seed = 0, name: _types.Name = None) -> None:
        super().__init__(name=name)
        self.seed = _checks.check_seed(seed)
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        # Calls of the train step that a resumed run leaves out.
        self.skip = 0
        # Steps of an epoch, where known, and those already taken of it.
        self.epoch_steps, self.epoch_done = None, 0
        self.traces = {"train": 0, "test": 0}
        self.averages = weight_average.Averages(name="averages")
        self.batch_norm_images = None
        self.set_descent()
        self._evaluating = False

    # === What a subclass writes ===

    @property
    def trained_model(self) -> keras.Model:
        """The model that the optimizer changes and callbacks save."""
        raise AttributeError(f"{type(self).__name__} has no trained_model.")

    @property
    def logged(self) -> tuple[str, ...]:
        """Names of entries of the batch whose mean training reports."""
        return ()

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the random numbers of one step, a dict of tensors.

        An entry is a scalar, a seed int32 [2], a tensor [B, ...] with a row
        for each example, or a dict of such entries. `fit` refuses any other
        shape, since replicas would not share the batch by rows.

        Args:
            batch_size: int or int scalar tensor, B.
            seed: int32 [2], different at every step and on every replica.
        """
        del batch_size, seed
        return {}

    def prepare_batch(
        self,
        images: tf.Tensor,
        targets: tf.Tensor | None,
        draws: _tensors.Draws,
    ) -> _tensors.Batch:
        """Returns what the loss is computed on, a dict of tensors.

        Args:
            images: float32 [B, H, W, C] in [0, 1].
            targets: float32 [B, num_classes], probabilities; None without
                labels.
            draws: what `draw` returned.
        """
        del draws
        return {"images": images, "targets": targets}

    def mix_sample_weight(
        self, weights: tf.Tensor, draws: _tensors.Draws, batch: _tensors.Batch
    ) -> _tensors.Batch:
        """Returns the weights of the prepared examples, a dict of [B].

        The losses of a row are multiplied by `"sample_weight"`, unless
        `batch_loss` has taken it out of the batch and done so itself.

        Args:
            weights: float32 [B], of the single examples.
            draws: what `draw` returned.
            batch: what `prepare_batch` returned.
        """
        del draws, batch
        return {"sample_weight": weights}

    def own_metrics(self) -> list[keras.metrics.Metric]:
        """Returns the metrics that every run reports beside the loss."""
        return []

    # === What Keras calls ===

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "sgd",
        loss: None = None,
        metrics: Sequence[Any] | None = None,
        l2_penalty: _types.Number = 0.0,
        jit_compile: bool = False,
        weighted_metrics: Sequence[Any] | None = None,
        weight_perturbation: _types.Number = 0.0,
        weight_average: weight_average.EMA | weight_average.SWA | None = None,
        **kwargs: Any,
    ) -> None:
        """Chooses the optimizer; the loss belongs to the algorithm.

        Args:
            optimizer: Keras optimizer or its name.
            loss: refused.
            metrics: list of `keras.metrics.Metric` objects, their names or
                functions, or None. A classifier's are updated with (targets
                [B, C], logits [B, C]), those whose name begins with "sparse"
                with (classes int32 [B], logits), an autoencoder's with
                (images, reconstructions). Loss and accuracy are always
                there; `"accuracy"` may be listed or not.
            l2_penalty: float >= 0. This multiple of each trainable weight is
                added to its gradient before the optimizer sees it, as in the
                papers' PyTorch optimizers. A Keras optimizer's own
                `weight_decay` is decoupled: with momentum 0.9 it decays ten
                times less at the same number.
            jit_compile: bool, False by default: XLA makes attack loops
                several times slower on CPU, and draws other numbers from the
                same seeds.
            weighted_metrics: list as `metrics`; `sample_weight` or
                `class_weight` weigh their examples.
            weight_perturbation: float >= 0, gamma of adversarial weight
                perturbation (`weight_perturbation.worst_weights`). 0 leaves
                it out; the paper has 0.01, and 0.005 with TRADES. It costs a
                second training pass. The L2 penalty is that of the perturbed
                weights, as in the authors' code.
            weight_average: None, `EMA` or `SWA`: what is evaluated and
                saved. `fit` ends with the averages in the trained model.
            **kwargs: `run_eagerly`, `steps_per_execution` and
                `auto_scale_loss`, as in `keras.Model.compile`.

        Raises:
            ValueError: for a loss, a metric of probabilities, or XLA or
                eager mode under a strategy of several replicas.
        """
        if loss is not None:
            raise ValueError(_REFUSED_LOSS.format(loss))
        if "coupled_weight_decay" in kwargs:
            warnings.warn(
                "`coupled_weight_decay` is deprecated: use `l2_penalty`.",
                DeprecationWarning,
                stacklevel=2,
            )
            l2_penalty = kwargs.pop("coupled_weight_decay")
        replicas = self.distribute_strategy.num_replicas_in_sync
        functions.check_compile_options(replicas, jit_compile, kwargs)
        self.set_descent(l2_penalty, weight_perturbation, weight_average)
        with self.distribute_strategy.scope():
            given = {"metrics": metrics, "weighted_metrics": weighted_metrics}
            self._user_metrics = {
                key: _metrics.objects(values, key, self._gives_logits)
                for key, values in given.items()
            }
            logged = [keras.metrics.Mean(name=name) for name in self.logged]
            own = self.own_metrics()
            self.means = {m.name: m for m in (*own, *logged)}
            super().compile(
                optimizer=functions.scaled(optimizer, self, kwargs),
                jit_compile=jit_compile,
                metrics=[*own, *self._user_metrics["metrics"]],
                weighted_metrics=self._user_metrics["weighted_metrics"],
                **kwargs,
            )
            # They are objects already, so that no value is looked at.
            self._compile_metrics.build(0.0, 0.0)
            self._watch = ops.GradientWatch("model")
        self._watch.subject = self.trained_model.name
        self._watched_steps = 0
        self._may_scale = kwargs.get("auto_scale_loss", True)

    def get_compile_config(self) -> dict[str, Any]:
        """Returns what `compile` was called with; Keras stores it."""
        config = super().get_compile_config() or {}
        kept = ("optimizer", "jit_compile", "steps_per_execution")
        config = {key: config[key] for key in kept if key in config}
        metrics = {
            key: [keras.saving.serialize_keras_object(m) for m in values]
            for key, values in getattr(self, "_user_metrics", {}).items()
        }
        average = keras.saving.serialize_keras_object(self.weight_average)
        return {
            **config,
            **metrics,
            "auto_scale_loss": self._may_scale,
            "l2_penalty": self.l2_penalty,
            "weight_perturbation": self.weight_perturbation,
            "weight_average": average,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as it was compiled before."""
        config = keras.saving.deserialize_keras_object(config)
        # Release 0.1 called it so.
        config.setdefault("l2_penalty", config.pop("coupled_weight_decay", 0))
        self.compile(**config)
        self.optimizer.build(self.optimized_variables)
        self.build_averages()

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss, own and the user's metrics; in training `logged`."""
        if not self.compiled:
            return []
        logged = () if self._evaluating else self.logged
        means = [self.means[name] for name in logged]
        return [self._loss_tracker, self._compile_metrics, *means]

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step on one replica; returns the running means."""
        images, targets, weights = self.unpack(data)
        images = functions.refuse_empty_replica(images)
        batch_size = tf.shape(images)[0]
        draws = self.draw(batch_size, self.step_seed())
        with self._watch:
            batch = self.prepare_batch(images, targets, draws)
        if weights is not None:
            weights = self.mix_sample_weight(weights, draws, batch)
            batch = {**batch, **weights}
        batch = tf.nest.map_structure(tf.stop_gradient, batch)
        losses, outputs = self.descend(batch)
        # No step is counted whose batch was refused.
        with tf.control_dependencies([images]):
            self.step.assign_add(1)
        self.update_averages()
        batch.update(weights or {})
        self.update_metrics(losses, batch, outputs)
        for name in self.logged:
            self.means[name].update_state(batch[name])
        return self.get_metrics_result()

    def update_metrics(
        self, losses: tf.Tensor, batch: _tensors.Batch, outputs: Any
    ) -> None:
        """Updates the loss's mean; a subclass adds what it measures.

        It gives its targets and outputs to `update_user_metrics`.

        Args:
            losses: float32 [B].
            batch: dict, from `prepare_batch`.
            outputs: what `batch_loss` returned beside the losses.
        """
        del batch, outputs
        self._loss_tracker.update_state(losses)

    def count_steps(self, number: int) -> None:
        """Counts train steps, for the look at the gradients."""
        before = self._watched_steps
        self._watched_steps += number
        if before < _FIRST_LOOK <= self._watched_steps:
            self._watch.warn_once(self.trained_model.name)

    def update_user_metrics(
        self, targets: Any, outputs: Any, weights: tf.Tensor | None = None
    ) -> None:
        """Updates the metrics that were given to `compile`."""
        for metric in self._user_metrics["metrics"]:
            _metrics.update(metric, targets, outputs)
        for metric in self._user_metrics["weighted_metrics"]:
            _metrics.update(metric, targets, outputs, weights)

    def make_train_function(self, force: bool = False) -> Any:
        """Builds the compiled train step; Keras calls it."""
        if self.train_function is None or force:
            self.train_function = functions.counted(
                self, functions.step_function(self, self.train_step, "train")
            )
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Builds the compiled test step; Keras calls it."""
        if self.test_function is None or force:
            step = functions.where_images_are(self, self.test_step)
            function = functions.step_function(self, step, "test")
            self.test_function = lambda iterator: function(
                iterator, self.steps_per_execution
            )
        return self.test_function

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras takes a mean of the first batch over all workers here, which
        # fails. A local batch serves as well. Real data are checked here,
        # once, before any work starts.
        strategy = self.distribute_strategy
        if iterator is not None:
            if not self._evaluating:
                self.epoch_steps, self.epoch_done = iterator.num_batches, 0
            for _, _, batches in iterator:
                data_batch = tf.nest.map_structure(
                    lambda v: strategy.experimental_local_results(v)[0],
                    next(batches),
                )
                break
        if data_batch is not None:
            self.check_batch(data_batch)
            if not self._evaluating:
                count = len(self.unpack(data_batch)[0])
                functions.check_draws(self.draw(count, self.step_seed()), count)
        if not self.optimizer.built:
            with strategy.scope():
                self.optimizer.build(self.optimized_variables)
        self.build_averages()
        self.built = True

    # === Parts of a step ===

    def guard(self, data: Any, name: Literal["train", "test"]) -> Any:
        """Returns a batch with what the graph checks at every step.

        Args:
            data: the local batch, as it came.
            name: `"train"` or `"test"`.
        """
        return functions.assert_batch(self, data, name)

    def input_range(
        self, name: Literal["train", "test"]
    ) -> tuple[float, float]:
        """Returns (low, high) of a pixel in a `"train"` or `"test"` step."""
        return 0.0, 1.0

    def step_seed(self) -> tf.Tensor:
        """Returns int32 [2]: a function of (seed, step, replica)."""
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        seed = ops.seed_pair(self.seed)
        return ops.fold_in(seed, _PURPOSE, self.step.value, replica)

    def unpack(self, data: Any) -> tuple[tf.Tensor, Any, tf.Tensor | None]:
        """Returns (images float32, labels as they came, weights) of a batch.

        The weights are float32 [B], or None.
        """
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        if weights is not None:
            weights = tf.reshape(tf.cast(weights, tf.float32), [-1])
        return tf.cast(images, tf.float32), labels, weights
