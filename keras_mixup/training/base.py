"""The one train step that every algorithm shares."""

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _config
from keras_mixup import ops
from keras_mixup.training import functions

# Keeps the draws of a step apart from the data pipeline's, which start from
# the same seed with purposes of their own.
_PURPOSE = 100

_REFUSED_LOSS = (
    "`loss` is fixed by the algorithm and must not be given to compile(). "
    "Received: loss={!r}"
)


class Algorithm(_config.Configurable, keras.Model):
    """A classifier together with the way to train it; `fit` does the rest.

    A subclass writes three hooks and nothing else:

    - `draw(batch_size, seed)`: everything random in a step, as a dict of
      tensors, a pure function of its arguments;
    - `prepare_batch(images, targets, draws)`: mixing and attacks, outside
      the gradient tape; returns a dict with at least `"images"` and
      `"targets"`; every entry is stop-gradiented;
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

    logged = ()

    def __init__(self, classifier, seed=0, name=None):
        super().__init__(name=name)
        _classifiers.check_classifier(classifier)
        self.classifier = classifier
        self.seed = _checks.check_integer(seed, "seed", minimum=0)
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.skip = 0
        self._width = None
        self.traces = {"train": 0, "test": 0}
        self.coupled_weight_decay = 0.0
        self._evaluating = False

    # === What a subclass writes ===

    def draw(self, batch_size, seed):
        """Returns the random numbers of one step, a dict of tensors.

        Args:
            batch_size: int or int scalar tensor.
            seed: int32 [2], different at every step and on every replica.
        """
        del batch_size, seed
        return {}

    def prepare_batch(self, images, targets, draws):
        """Returns what the loss is computed on, a dict of tensors.

        Args:
            images: float32 [B, H, W, C] in [0, 1].
            targets: float32 [B, num_classes], probabilities.
            draws: what `draw` returned.
        """
        del draws
        return {"images": images, "targets": targets}

    def batch_loss(self, batch):
        """Returns (losses float32 [B], logits [B, C]); one training pass."""
        logits = self.classifier(batch["images"], training=True)
        return ops.cross_entropy(batch["targets"], logits), logits

    # === What Keras calls ===

    def call(self, images, training=None):
        """Returns the classifier's logits, [B, num_classes]."""
        return self.classifier(images, training=training)

    def compile(
        self,
        optimizer="sgd",
        loss=None,
        metrics=None,
        coupled_weight_decay=0.0,
        jit_compile=False,
        **kwargs,
    ):
        """Chooses the optimizer; the loss belongs to the algorithm.

        Args:
            optimizer: Keras optimizer or its name.
            loss: refused.
            metrics: list of `keras.metrics.Metric` objects, updated with
                (targets [B, C], logits [B, C]), or None. Loss and accuracy
                are always there; `"accuracy"` may be listed or not.
            coupled_weight_decay: float >= 0. Adds this multiple of each
                trainable weight to its gradient before the optimizer sees
                it, as the papers' PyTorch optimizers do. A Keras
                optimizer's own `weight_decay` is decoupled: with momentum
                0.9 it decays ten times less at the same number.
            jit_compile: bool, False by default: XLA makes attack loops
                several times slower on CPU.
            **kwargs: `run_eagerly` and `steps_per_execution=1`.

        Raises:
            ValueError: for a loss, `steps_per_execution` > 1, or XLA or
                eager mode under a strategy of several replicas.
        """
        if loss is not None:
            raise ValueError(_REFUSED_LOSS.format(loss))
        replicas = self.distribute_strategy.num_replicas_in_sync
        functions.check_compile_options(replicas, jit_compile, kwargs)
        self.coupled_weight_decay = _checks.check_number(
            coupled_weight_decay, "coupled_weight_decay", low=0.0
        )
        with self.distribute_strategy.scope():
            super().compile(
                optimizer=optimizer, jit_compile=jit_compile, **kwargs
            )
            self._user_metrics = functions.user_metrics(metrics)
            names = ("accuracy", *self.logged)
            self._means = [keras.metrics.Mean(name=name) for name in names]

    def get_compile_config(self):
        """Returns what `compile` was called with; Keras stores it."""
        config = super().get_compile_config() or {}
        kept = ("optimizer", "jit_compile")
        config = {key: config[key] for key in kept if key in config}
        metrics = [
            keras.saving.serialize_keras_object(m)
            for m in getattr(self, "_user_metrics", [])
        ]
        decay = self.coupled_weight_decay
        return {**config, "metrics": metrics, "coupled_weight_decay": decay}

    def compile_from_config(self, config):
        """Compiles a loaded model as it was compiled before."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.optimized_variables)

    @property
    def optimized_variables(self):
        """The variables that the optimizer changes."""
        return self.classifier.trainable_variables

    @property
    def metrics(self):
        """Loss and accuracy, the logged means (training only), the user's."""
        if not self.compiled:
            return []
        accuracy, *logged = self._means
        logged = [] if self._evaluating else logged
        return [self._loss_tracker, accuracy, *logged, *self._user_metrics]

    def train_step(self, data):
        """One step on one replica; returns the running means."""
        images, targets = self._unpack(data)
        images = functions.refuse_empty_replica(images)
        batch_size = tf.shape(images)[0]
        draws = self.draw(batch_size, self.step_seed())
        batch = self.prepare_batch(images, targets, draws)
        batch = tf.nest.map_structure(tf.stop_gradient, batch)
        with tf.GradientTape() as tape:
            losses, logits = self.batch_loss(batch)
            loss = tf.reduce_mean(losses) + self._regularization()
            replicas = self.distribute_strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss / replicas)
        self._apply_gradients(tape, scaled)
        self.step.assign_add(1)
        self._update_metrics(losses, batch["targets"], logits)
        for tracker in self._means[1:]:
            tracker.update_state(batch[tracker.name])
        return self.get_metrics_result()

    def test_step(self, data):
        """Clean loss and accuracy on one batch; no randomness."""
        images, targets = self._unpack(data)
        logits = self.classifier(images, training=False)
        losses = ops.cross_entropy(targets, logits)
        self._update_metrics(losses, targets, logits)
        return self.get_metrics_result()

    def evaluate(self, *args, **kwargs):
        """Clean loss and accuracy; as `keras.Model.evaluate`."""
        before, self._evaluating = self._evaluating, True
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self._evaluating = before

    def test_on_batch(self, *args, **kwargs):
        """Clean loss and accuracy; as `keras.Model.test_on_batch`."""
        before, self._evaluating = self._evaluating, True
        try:
            return super().test_on_batch(*args, **kwargs)
        finally:
            self._evaluating = before

    def make_train_function(self, force=False):
        """Builds the compiled train step; Keras calls it."""
        if self.train_function is None or force:
            self.train_function = functions.resumable(
                self, functions.step_function(self, self.train_step, "train")
            )
        return self.train_function

    def make_test_function(self, force=False):
        """Builds the compiled test step; Keras calls it."""
        if self.test_function is None or force:
            self.test_function = functions.step_function(
                self, self.test_step, "test"
            )
        return self.test_function

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras takes a cross-worker mean of the first batch here, which
        # several workers cannot; a local batch serves, and is the place to
        # check real data once, before any work starts.
        strategy = self.distribute_strategy
        if iterator is not None:
            for _, _, batches in iterator:
                data_batch = tf.nest.map_structure(
                    lambda v: strategy.experimental_local_results(v)[0],
                    next(batches),
                )
                break
        if data_batch is not None:
            self._check_batch(data_batch)
        if not self.optimizer.built:
            with strategy.scope():
                self.optimizer.build(self.optimized_variables)
        self.built = True

    # === Parts of a step ===

    def step_seed(self):
        """Returns int32 [2]: a function of (seed, step, replica)."""
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        seed = ops.seed_pair(self.seed)
        return ops.fold_in(seed, _PURPOSE, self.step.value, replica)

    def _unpack(self, data):
        images, labels, weight = keras.utils.unpack_x_y_sample_weight(data)
        if weight is not None:
            raise ValueError(
                "`sample_weight` and `class_weight` are not defined for mixed "
                "examples and must be None."
            )
        targets = ops.label_probabilities(labels, self._num_classes())
        return tf.cast(images, tf.float32), targets

    def _num_classes(self):
        # A subclassed classifier has no symbolic output to read.
        if self._width is None:
            self._width = self.classifier.output_shape[-1]
        return self._width

    def _apply_gradients(self, tape, loss):
        variables = self.optimized_variables
        gradients = tape.gradient(loss, variables)
        if self.coupled_weight_decay:
            decay = self.coupled_weight_decay
            replicas = self.distribute_strategy.num_replicas_in_sync
            share = self.optimizer.scale_loss(decay / replicas)
            gradients = [
                g + tf.cast(share, g.dtype) * tf.cast(v, g.dtype)
                for g, v in zip(gradients, variables, strict=True)
            ]
        self.optimizer.apply(gradients, variables)

    def _regularization(self):
        terms = [
            variable.regularizer(variable)
            for variable in self.optimized_variables
            if getattr(variable, "regularizer", None) is not None
        ]
        return tf.add_n(terms) if terms else 0.0

    def _update_metrics(self, losses, targets, logits):
        self._loss_tracker.update_state(losses)
        hits = tf.equal(ops.label_indices(targets), ops.label_indices(logits))
        self._means[0].update_state(tf.cast(hits, tf.float32))
        for metric in self._user_metrics:
            metric.update_state(targets, logits)

    def _check_batch(self, data):
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        _checks.check(labels is not None, "y", "labels [B] or [B, C]", labels)
        images, labels = np.asarray(images), np.asarray(labels)
        functions.check_images(images)
        logits = self.classifier(images[:2], training=False)
        _classifiers.check_logits(logits)
        self._width = logits.shape[-1]
        functions.check_labels(labels, len(images), self._width)
