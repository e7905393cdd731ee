"""Training with a penalty on how the loss bends around an image."""

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
from keras_mixup.training import base


def input_gradient(model, images, targets):
    """Returns the loss at each image and its gradient there.

    Args:
        model: callable from images to logits.
        images: float32 [B, H, W, C].
        targets: float32 [B, C], probabilities.

    Returns:
        (losses [B], gradients [B, H, W, C], logits); an outer tape sees
        through all of them, so that a loss may hold the gradients.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = model(images)
        losses = ops.cross_entropy(targets, logits)
    # The gradient of a vector is that of its sum.
    return losses, ops.input_gradients(tape, losses, images), logits


@registry.register("algorithm", "curvature_regularization", label="CURE")
class CurvatureRegularization(base.Algorithm):
    """Trains with a penalty on the change of the loss's gradient (CURE).

    Minimises l(x) + gamma || grad l(x + h z) - grad l(x) ||^2, where l is
    the cross-entropy of one example, the gradients are with respect to its
    image, and z = sign(grad l(x)) / || sign(grad l(x)) || is held fixed
    (Moosavi-Dezfooli et al., "Robustness via Curvature Regularization, and
    Vice Versa", 2019, section 4, with 1 / h^2 drawn into gamma). Their
    released code (F-Salehi/CURE_robustness, CURE/CURE.py) has the same z and
    gamma = 4. It takes the norm unsquared, and h in units of standardised
    images. They fine-tune a trained network. As there, the penalty's passes
    follow the training pass, which moves the averages of BatchNormalization.

    There is no attack. A train step costs 3 classifier passes, two of which
    are differentiated twice.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits, with
            smooth activations or ReLU.
        penalty: float >= 0, the weight gamma of the penalty. The paper has 4
            for CIFAR-10.
        distance: float > 0, the distance h of the two gradients, in the L2
            norm over an image in [0, 1]. The paper has 1.5.
        warmup_steps: int >= 0, the steps over which h grows linearly to
            `distance`. The paper has five epochs.
        penalty_training: bool, whether BatchNormalization uses batch
            statistics in the penalty's passes. The released code does not.
        seed: int; the algorithm draws nothing by itself.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        penalty: float = 4.0,
        distance: float = 1.5,
        warmup_steps: int = 0,
        penalty_training: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(classifier, seed=seed, name=name)
        self.penalty = _checks.check_number(penalty, "penalty", low=0.0)
        self.distance = _checks.check_number(
            distance, "distance", low=0.0, low_open=True
        )
        self.warmup_steps = _checks.check_integer(
            warmup_steps, "warmup_steps", minimum=0
        )
        self.penalty_training = _checks.check_flag(
            penalty_training, "penalty_training"
        )

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns the losses above and the logits."""
        losses, logits = super().batch_loss(batch)
        if not self.penalty:
            return losses, logits
        images, targets = batch["images"], batch["targets"]
        _, here, _ = input_gradient(self._penalty_pass, images, targets)
        direction = ops.steepest_direction("l2", tf.sign(here))
        shift = self._distance_now() * tf.stop_gradient(direction)
        _, there, _ = input_gradient(
            self._penalty_pass, images + shift, targets
        )
        axes = list(range(1, images.shape.rank))
        change = tf.reduce_sum((there - here) ** 2, axis=axes)
        return losses + self.penalty * change, logits

    def _penalty_pass(self, images):
        return self.classifier(images, training=self.penalty_training)

    def _distance_now(self):
        if not self.warmup_steps:
            return self.distance
        done = tf.cast(self.step.value + 1, tf.float32) / self.warmup_steps
        return self.distance * tf.minimum(done, 1.0)


@registry.register("algorithm", "local_linearity_regularization", label="LLR")
class LocalLinearityRegularization(adversarial.AdversarialTraining):
    """Trains with a penalty where the loss is not linear (LLR).

    With g(delta) = | l(x + delta) - l(x) - delta . grad l(x) |, minimises

        l(x) + nonlinearity g(delta*) + slope | delta* . grad l(x) |

    where delta* climbs on g inside the ball and is held fixed (Qin et al.,
    "Adversarial Robustness through Local Linearization", 2019, Eq. 7 and
    Algorithm 1; the VarMixup paper measures g in its section on local
    linearity). The paper climbs with another optimizer. Here the steps of
    `attack` climb, from its random start, since g has no slope at delta = 0.

    With k steps a train step costs k + 3 classifier passes: one for l and
    its gradient in the attack's mode, k for the climb, one for both again in
    training, which is differentiated twice, and one for l(x + delta*).

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.PGD` or `attacks.FGSM` with a random start, without
            restarts, predicted labels and momentum. Its loss is not used.
        nonlinearity: float >= 0, the weight of g, the paper's lambda. The
            paper has 4 for CIFAR-10. Its authors released no training code;
            public ports have the same numbers.
        slope: float >= 0, the weight of the slope, the paper's mu. The paper
            has 3 for CIFAR-10.
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
        nonlinearity: float = 4.0,
        slope: float = 3.0,
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
        self.nonlinearity = _checks.check_number(
            nonlinearity, "nonlinearity", low=0.0
        )
        self.slope = _checks.check_number(slope, "slope", low=0.0)
        names = ("threat", "step_size", "num_steps")
        okay = all(hasattr(attack, name) for name in names)
        okay = okay and getattr(attack, "random_start", False)
        okay = okay and getattr(attack, "num_restarts", 1) == 1
        okay = okay and getattr(attack, "label_source", "true") == "true"
        okay = okay and not getattr(attack, "momentum", 0.0)
        expected = (
            "PGD with a random start, without restarts, predicted labels "
            "and momentum"
        )
        _checks.check(okay, "attack", expected, attack)

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the images, the targets and the images at delta*."""
        losses, gradient, _ = input_gradient(
            self.attacked_model, images, targets
        )
        losses = tf.stop_gradient(losses)
        gradient = tf.stop_gradient(gradient)

        def objective(candidates):
            found = ops.cross_entropy(targets, self.attacked_model(candidates))
            linear = losses + _dot(candidates - images, gradient)
            return tf.abs(found - linear)

        attack = self.attack
        threat = attack.threat
        adversarial_images = ops.projected_ascent(
            objective,
            ops.random_start(threat, images, draws["attack_seed"]),
            attack.step_size,
            lambda point: ops.project(threat, images, point),
            attack.num_steps,
            lambda slope: ops.steepest_direction(threat.norm, slope),
        )
        return {
            "images": images,
            "targets": targets,
            "adversarial_images": adversarial_images,
        }

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns the losses above and the logits of the clean images."""
        images, targets = batch["images"], batch["targets"]

        def model(values):
            return self.classifier(values, training=True)

        losses, gradient, logits = input_gradient(model, images, targets)
        self.keep_layer_losses(batch)
        offset = batch["adversarial_images"] - images
        change = _dot(offset, gradient)
        there = ops.cross_entropy(targets, model(batch["adversarial_images"]))
        bend = tf.abs(there - losses - change)
        penalty = self.nonlinearity * bend + self.slope * tf.abs(change)
        return losses + penalty, logits


def _dot(left, right):
    axes = list(range(1, left.shape.rank))
    return tf.reduce_sum(left * right, axis=axes)
