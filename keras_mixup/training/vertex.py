"""Adversarial vertex mixup: train between an image and a point beyond it."""

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import adversarial


def smoothed(targets, share):
    """Returns share y + (1 - share) (1 - y) / (C - 1), float32 [B, C].

    Args:
        targets: float32 [B, C], probabilities.
        share: float in [0, 1].
    """
    others = (1.0 - targets) / (targets.shape[-1] - 1)
    return share * targets + (1.0 - share) * others


@registry.register("algorithm", "adversarial_vertex_mixup", label="AVmixup")
class AdversarialVertexMixup(adversarial.AdversarialTraining):
    """Mixes each image with its adversarial vertex, and so the labels.

    The vertex is x_av = x + gamma delta, clipped to [0, 1], where the attack
    finds delta. With lambda ~ U(0, 1) for each image the network is trained
    on lambda x + (1 - lambda) x_av with the label lambda phi(y, l_1) +
    (1 - lambda) phi(y, l_2). phi(y, l) = l y + (1 - l) (1 - y) / (C - 1)
    smooths a label over C classes (Lee et al., "Adversarial Vertex Mixup:
    Toward Better Adversarially Robust Generalization", 2020, Eq. 7 to 9 and
    Algorithm 2; the clipping is that of their code).

    With k attack steps a train step costs k + 1 classifier passes.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.GradientAttack`, such as PGD, APGD or FGSM.
        vertex_scale: float >= 0, gamma, how far beyond the attacked image
            the vertex lies; 1 is the attacked image. The paper has 2.
        clean_label: float in [0, 1], l_1, the true class's probability in
            the label of the image. The paper has 1 on CIFAR-10.
        vertex_label: float in [0, 1], l_2, that in the label of the vertex.
            The paper has 0.1 on CIFAR-10.
        attack_training: bool, as in `AdversarialTraining`.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        attack: attacks.GradientAttack,
        vertex_scale: float = 2.0,
        clean_label: float = 1.0,
        vertex_label: float = 0.1,
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
        self.vertex_scale = _checks.check_number(
            vertex_scale, "vertex_scale", low=0.0
        )
        self.clean_label = _checks.check_number(
            clean_label, "clean_label", 0.0, 1.0
        )
        self.vertex_label = _checks.check_number(
            vertex_label, "vertex_label", 0.0, 1.0
        )

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the attack's seed and {"mix_weight": float32 [B]}."""
        weight = tf.random.stateless_uniform([batch_size], ops.fold_in(seed, 1))
        return {**super().draw(batch_size, seed), "mix_weight": weight}

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the mixtures with the vertices, and the mixed labels."""
        attacked = super().prepare_batch(images, targets, draws)["images"]
        vertex = images + self.vertex_scale * (attacked - images)
        vertex = tf.clip_by_value(vertex, *self.attack.threat.bounds)
        labels = (
            smoothed(targets, share)
            for share in (self.clean_label, self.vertex_label)
        )
        weight = draws["mix_weight"]
        return {
            "images": ops.mix(weight, images, vertex),
            "targets": ops.mix(weight, *labels),
        }
