"""Latent adversarial training: attack the image and a hidden stage."""

from typing import Any

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import adversarial
from keras_mixup.training import stages


@registry.register("algorithm", "latent_adversarial_training", label="LAT")
class LatentAdversarialTraining(adversarial.AdversarialTraining):
    """Trains on adversarial images and on adversarial hidden features.

    For f = g o h, cut behind `stage`, minimises

        (1 - w) CE(f(x + delta), y) + w CE(g(h(x) + delta_h), y)

    `attack` finds delta, and `latent_steps` sign steps on the second loss
    find delta_h (Sinha et al., "Harnessing the Vulnerability of Latent Layers
    in Adversarially Trained Models", 2019, and their code). The range of a
    channel is its largest minus its smallest value over batch and positions.
    A feature stays within `latent_eps` times this range of its value, and
    inside the range. The features are held fixed, so the second loss trains
    g alone. The code alternates two optimizers, whose learning rates 1e-3
    and 2.5e-4 give the default w = 0.2. Here both terms share a step.

    The authors fine-tune an adversarially trained network for 1000 steps of
    128 images, and the VarMixup paper quotes their numbers. With k attack and
    m latent steps a train step costs k + 2 passes through h and k + m + 2
    through g.

    Args:
        classifier: functional `keras.Model` from [B, H, W, C] in [0, 1] to
            logits.
        attack: `attacks.GradientAttack`, such as PGD, APGD or FGSM.
        stage: str, the layer whose output is attacked, or `"input"`.
        latent_eps: float >= 0 or `"8/255"`, the radius in the features, as a
            fraction of the channel's range.
        latent_step_size: float > 0 or `"1/255"`, the step in the features, as
            a fraction of the channel's range.
        latent_steps: int >= 1, the number m of steps on the features.
        latent_weight: float in [0, 1], the weight w of the features' loss.
        attack_training: bool, as in `AdversarialTraining`; also for h(x).
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range, or the classifier
            has no such stage.
    """

    def __init__(
        self,
        classifier: keras.Model,
        attack: attacks.GradientAttack,
        stage: str | None = "stage_2",
        latent_eps: float | str = 8 / 255,
        latent_step_size: float | str = 1 / 255,
        latent_steps: int = 20,
        latent_weight: float = 0.2,
        attack_training: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            attack,
            attack_training=attack_training,
            seed=seed,
            name=name,
        )
        self.stage = stage
        self._encode, self._decode = stages.split_at_stage(classifier, stage)
        self.latent_eps = _checks.check_number(
            latent_eps, "latent_eps", low=0.0
        )
        self.latent_step_size = _checks.check_number(
            latent_step_size, "latent_step_size", low=0.0, low_open=True
        )
        self.latent_steps = _checks.check_integer(latent_steps, "latent_steps")
        self.latent_weight = _checks.check_number(
            latent_weight, "latent_weight", 0.0, 1.0
        )

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the seeds of both attacks, int32 [2] each."""
        draws = super().draw(batch_size, seed)
        return {**draws, "latent_seed": ops.fold_in(seed, 1)}

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the adversarial images and the adversarial features."""
        features = self._attack_features(images, targets, draws["latent_seed"])
        batch = super().prepare_batch(images, targets, draws)
        return {**batch, "features": features}

    def _attack_features(self, images, targets, seed):
        mode = self.attack_training
        clean = tf.stop_gradient(self._encode(images, training=mode))
        axes = list(range(clean.shape.rank - 1))
        low = tf.reduce_min(clean, axis=axes, keepdims=True)
        high = tf.reduce_max(clean, axis=axes, keepdims=True)
        radius = self.latent_eps * (high - low)

        def objective(features):
            logits = self._decode(features, training=mode)
            return ops.cross_entropy(targets, logits)

        def project(features):
            features = tf.clip_by_value(
                features, clean - radius, clean + radius
            )
            return tf.clip_by_value(features, low, high)

        noise = tf.random.stateless_uniform(tf.shape(clean), seed, -1.0, 1.0)
        return ops.projected_ascent(
            objective,
            clean + radius * noise,
            self.latent_step_size * (high - low),
            project,
            self.latent_steps,
        )

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns the weighted mean of both losses, and f(x + delta)."""
        losses, logits = super().batch_loss(batch)
        hidden = self._decode(batch["features"], training=True)
        latent = ops.cross_entropy(batch["targets"], hidden)
        weight = self.latent_weight
        return (1.0 - weight) * losses + weight * latent, logits
