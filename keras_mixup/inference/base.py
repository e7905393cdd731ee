"""What every randomised defence shares: draw, apply, average."""

import abc
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _config
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup.inference import _averages
from keras_mixup.inference import _classifier
from keras_mixup.inference import _contract
from keras_mixup.inference import _rows


class RandomizedInference(_config.Configurable, keras.layers.Layer):
    """Classifier behind a random transformation, averaged over draws.

    The answer is the log of the mean probability over `num_draws` randomly
    transformed inputs (Xie et al., 2018; Mixup Inference, Algorithm 1 and
    section 4.1). `draw` samples the parameters of the transformation, `apply`
    transforms with given parameters, and `predict_from_draws` averages. A
    call of the layer does all three with independent draws for each image.
    The classifier always runs with `training=False`. Everything outside the
    classifier is float32 under any precision policy.

    A subclass writes `draw_rows` and `apply`, and sets `uses_prediction` if
    its draws depend on the predicted label.

    Args:
        classifier: `keras.Model` or layer from float32 [B, H, W, C] in
            [0, 1] to logits [B, classes].
        num_draws: int >= 1, the draws N of a prediction.
        max_inputs: int, about how many inputs one pass of the classifier may
            have, or None for a single pass. Larger batches are split into
            chunks of draws; a chunk has at least one draw of the whole batch.
            Under a gradient tape the activations of all chunks are kept.
        **kwargs: `name`, `trainable` of the Keras layer.

    Call arguments:
        images: float32 [B, H, W, C] in [0, 1].
        seed: None (fresh draws at every call), an int, int32 [2], or int32
            [B, 2]: one seed per row, and then a row's answer does not depend
            on its neighbours or its place in the batch.

    Returns:
        float32 [B, classes], the log mean probability.

    Raises:
        ValueError: for a classifier that ends in softmax; at the first draw,
            for a subclass whose `draw_rows` or `apply` returns other shapes
            than theirs.
    """

    uses_prediction = False

    def __init__(
        self,
        classifier: keras.layers.Layer,
        num_draws: int = 30,
        max_inputs: int | None = 4096,
        **kwargs: Any,
    ) -> None:
        _classifiers.check_classifier(classifier)
        num_draws = _checks.check_integer(num_draws, "num_draws")
        if max_inputs is not None:
            max_inputs = _checks.check_integer(max_inputs, "max_inputs")
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.classifier = classifier
        self.num_draws = num_draws
        self.max_inputs = max_inputs
        # The library's own have tests.
        self._tried_out = type(self).__module__.startswith("keras_mixup.")

    def call(
        self, images: _tensors.Array, seed: _tensors.SeedLike = None
    ) -> tf.Tensor:
        images = self._checked(images)
        logits = self.classify(images) if self.uses_prediction else None
        draws = self.draw(images, seed, logits)
        return self.predict_from_draws(images, draws, logits)

    def draw(
        self,
        images: _tensors.Array,
        seed: _tensors.SeedLike = None,
        logits: _tensors.Array | None = None,
    ) -> _tensors.Draws:
        """Samples the parameters of the transformation.

        Args:
            images: float32 [B, H, W, C].
            seed: as for the layer's call.
            logits: float32 [B, classes], the classifier's clean logits if
                the caller has them, which saves a pass.

        Returns:
            dict of tensors [B, N, ...]; no gradient flows through them.
        """
        images = self._checked(images)
        seeds = ops.row_seeds(seed, tf.shape(images)[0])
        same = seeds.shape[:1].is_compatible_with(images.shape[:1])
        expected = f"one per row of shape {images.shape}"
        _checks.check(same, "seed", expected, f"shape {seeds.shape}")
        labels = None
        if self.uses_prediction:
            if logits is None:
                logits = self.classify(images)
            labels = tf.argmax(logits, axis=-1, output_type=tf.int32)
        self._try_out(images.shape[1:])
        return self.draw_rows(seeds, labels, images.shape[1:])

    def _try_out(self, image_shape):
        if self._tried_out or not image_shape.is_fully_defined():
            return
        # Outside of the graph that may be traced just now.
        with tf.init_scope():
            if tf.executing_eagerly():
                zeros = tf.zeros([3], tf.int32)
                labels = zeros if self.uses_prediction else None
                _contract.try_out(self, labels, image_shape)
                self._tried_out = True

    @abc.abstractmethod
    def draw_rows(
        self,
        seeds: tf.Tensor,
        labels: tf.Tensor | None,
        image_shape: tf.TensorShape,
    ) -> _tensors.Draws:
        """Samples from row seeds; a subclass defines it.

        Args:
            seeds: int32 [B, 2].
            labels: int32 [B], the predicted labels, or None.
            image_shape: TensorShape [H, W, C].

        Returns:
            dict of tensors [B, N, ...].
        """

    @abc.abstractmethod
    def apply(self, images: _tensors.Array, draws: _tensors.Draws) -> tf.Tensor:
        """Transforms the images with given draws.

        Args:
            images: float32 [B, H, W, C].
            draws: what `draw` returned, or a slice over its second axis.

        Returns:
            float32 [N, B, H, W, C], differentiable in `images`; with several
            inputs for each draw, that multiple of N.
        """

    def predict_from_draws(
        self,
        images: _tensors.Array,
        draws: _tensors.Draws,
        logits: _tensors.Array | None = None,
    ) -> tf.Tensor:
        """Returns the log mean probability for given draws, [B, classes].

        Args:
            images: float32 [B, H, W, C].
            draws: what `draw` returned.
            logits: the clean logits if the caller has them. Some defences
                use them.
        """
        del logits
        return self.average_draws(self._checked(images), draws, self.apply)

    def count_passes(self, num_draws: int) -> int:
        """Returns the number of classifier inputs of `predict_from_draws`.

        Args:
            num_draws: int, the draws for each image.
        """
        return num_draws

    def classify(self, inputs: _tensors.Array) -> tf.Tensor:
        """Returns the classifier's logits in inference mode, float32."""
        logits = _rows.never_empty(
            lambda rows: self.classifier(rows, training=False), inputs
        )
        _classifier.check_logits(logits, self._expected_classes())
        return tf.cast(logits, tf.float32)

    def average_draws(
        self,
        source: _tensors.Array,
        draws: _tensors.Draws,
        apply: Callable[..., Any],
        of: Literal["probabilities", "logits"] = "probabilities",
    ) -> tf.Tensor:
        """Averages the classifier's answers over draws, in chunks.

        Args:
            source: [B, ...], the first argument of `apply`.
            draws: dict of tensors [B, N, ...].
            apply: callable (source, draws) -> inputs [N, B, H, W, C], or a
                multiple of N inputs. Each input counts the same.
            of: `"probabilities"`, or `"logits"`, see `_averages`.

        Returns:
            float32 [B, classes], the log of a probability.
        """
        average = _averages.AVERAGES[of]
        first = next(iter(draws.values()))
        batch, count = first.shape[:2]
        known = batch is not None and count is not None
        if self.max_inputs is None or (
            known and batch * count <= self.max_inputs
        ):
            logits = self._classify_draws(source, draws, apply)
            count = logits.shape[0] or tf.shape(logits)[0]
            total = average.of_chunk(logits)
            return average.finish(total, tf.cast(count, tf.float32))
        count = tf.shape(first)[1] if count is None else count
        total = self._sum_over_chunks(source, draws, apply, count, average)
        return average.finish(*total)

    def _sum_over_chunks(self, source, draws, apply, count, average):
        """Returns the total of all chunks and its inputs; a graph loop."""
        batch = tf.shape(source)[0]
        size = tf.maximum(1, self.max_inputs // tf.maximum(1, batch))

        def body(start, total, inputs):
            chunk = {k: v[:, start : start + size] for k, v in draws.items()}
            logits = self._classify_draws(source, chunk, apply)
            part = tf.ensure_shape(average.of_chunk(logits), total.shape)
            # A draw may give several inputs.
            inputs += tf.cast(tf.shape(logits)[0], tf.float32)
            return start + size, average.join(total, part), inputs

        classes = self._expected_classes()
        if classes is None:
            shape = source.shape[1:]
            classes = _classifier.num_classes(self.classifier, shape)
        total = tf.fill([batch, classes], average.start)
        total = tf.ensure_shape(total, [source.shape[0], classes])
        _, total, inputs = tf.while_loop(
            lambda start, *_: start < count,
            body,
            (tf.constant(0), total, tf.constant(0.0)),
            parallel_iterations=1,
        )
        return total, inputs

    def _classify_draws(self, source, draws, apply):
        inputs = apply(source, draws)
        shape = tf.shape(inputs)
        static = inputs.shape
        rows = None
        if static[0] is not None and static[1] is not None:
            rows = static[0] * static[1]
        if static[2:].is_fully_defined():
            # A shape that LiteRT knows when it converts the graph.
            flat = tf.reshape(inputs, [rows or -1, *static[2:]])
        else:
            flat = tf.reshape(inputs, tf.concat([[-1], shape[2:]], 0))
            flat = tf.ensure_shape(flat, [rows, *static[2:]])
        logits = self.classify(flat)
        classes = logits.shape[-1]
        return tf.reshape(logits, [shape[0], shape[1], classes])

    def _expected_classes(self):
        return None

    def check_image_shape(self, shape: Sequence[int | None]) -> None:
        """Raises `ValueError` if images of `shape` [H, W, C] do not fit."""
        _classifier.check_input_shape(self.classifier, shape, "images")

    def _checked(self, images):
        images = tf.convert_to_tensor(images)
        _classifier.check_images(images)
        self.check_image_shape(images.shape[1:])
        return tf.cast(images, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; nested layers serialised."""
        own = {"name": self.name, "trainable": self.trainable}
        return {**own, **super().get_config()}
