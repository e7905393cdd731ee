"""Manifold mixup: mix at a hidden stage, another one at each step."""

import itertools
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import mixup
from keras_mixup.training import stages as _stages


@registry.register("algorithm", "manifold_mixup", label="Manifold mixup")
class ManifoldMixup(mixup.Mixup):
    """Mixes two examples at a random stage of the network, labels alike.

    Each step draws a stage k of `stages` uniformly and trains on
    g_k(lambda h_k(x_i) + (1 - lambda) h_k(x_j)) for f = g_k o h_k. The stage
    `"input"` is plain mixup (Verma et al., "Manifold Mixup", 2019, section
    2). A step costs one classifier pass, whatever the stage. Replicas draw
    stages of their own.

    The VarMixup paper compares with it. Section 4.1 of the adversarially
    optimized mixup paper mixes at a hidden stage as well.

    Args:
        classifier: functional `keras.Model` from [B, H, W, C] in [0, 1] to
            logits, with layers named as in `stages`.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha).
            Verma et al. report 2 for CIFAR-10.
        stages: sequence of distinct names: `"input"` and layers that the
            whole network passes through. The default is that of Verma et
            al. for residual networks.
        mix_weight: as in `Mixup`.
        weight_per: `"sample"` for a lambda of each pair, `"batch"` for one of
            all pairs, as Verma et al. draw it.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range, or the classifier
            has no such stage.
    """

    def __init__(
        self,
        classifier: keras.Model,
        alpha: float = 1.0,
        stages: tuple[str, ...] = ("input", "stage_1", "stage_2"),
        mix_weight: _types.MixWeight | None = None,
        weight_per: Literal["sample", "batch"] = "sample",
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            alpha=alpha,
            mix_weight=mix_weight,
            weight_per=weight_per,
            seed=seed,
            name=name,
        )
        self.stages = _check_stages(stages)
        self._order, self._segments = _cut(classifier, self.stages)

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the pairs of `Mixup` and {"stage": int32 []}.

        The stage is an index into `stages`.
        """
        stage = tf.random.stateless_uniform(
            [], ops.fold_in(seed, 2), 0, len(self.stages), tf.int32
        )
        return {**super().draw(batch_size, seed), "stage": stage}

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the single images, the mixed targets and the draws."""
        mixed = mixup.mix_with_partner(targets, draws)
        return {"images": images, "targets": mixed, **draws}

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns the loss of the batch mixed at its stage, and logits."""
        features = batch["images"]
        for index, segment in zip(self._order, self._segments, strict=True):
            if index is not None:
                features = self._mix_here(features, batch, index)
            features = segment(features)
        return ops.cross_entropy(batch["targets"], features), features

    def _mix_here(self, features, batch, index):
        # Every stage mixes, all but one with weight 1, which changes no bit.
        # A branch instead could hold no synchronised BatchNormalization.
        weight = tf.where(batch["stage"] == index, batch["mix_weight"], 1.0)
        draws = {"permutation": batch["permutation"], "mix_weight": weight}
        # float32, since a weight rounded to bfloat16 would leave the label's.
        return mixup.mix_with_partner(tf.cast(features, tf.float32), draws)


def _check_stages(stages):
    expected = f'distinct names such as ("{_stages.INPUT}", "stage_1")'
    is_list = isinstance(stages, (tuple, list)) and len(stages) > 0
    okay = is_list and all(isinstance(name, str) for name in stages)
    okay = okay and len(set(stages)) == len(stages)
    _checks.check(okay, "stages", expected, stages)
    return tuple(stages)


def _cut(classifier, names):
    """Cuts a classifier at several stages.

    Args:
        classifier: functional `keras.Model`.
        names: tuple of str.

    Returns:
        (order, segments): plain functions whose composition is the training
        pass, and for each one the index in `names` of the stage before it,
        or None.
    """
    for name in names:
        _stages.split_at_stage(classifier, name)  # for its errors
    hidden = [name for name in names if name != _stages.INPUT]
    places = [layer.name for layer in classifier.layers]
    hidden.sort(key=places.index)
    first = names.index(_stages.INPUT) if _stages.INPUT in names else None
    order = [first, *(names.index(name) for name in hidden)]
    if not hidden:
        return order, [_training_pass(classifier)]
    inputs, outputs, logits = _stages.trace_layers(classifier)
    tensors = [inputs, *(outputs[name] for name in hidden), logits]
    return order, [
        _training_pass(keras.Model(start, end))
        for start, end in itertools.pairwise(tensors)
    ]


def _training_pass(model):
    # A function, since a model kept as an attribute would be counted twice.
    return lambda values: model(values, training=True)
