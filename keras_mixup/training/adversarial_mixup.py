"""Adversarially optimized mixup: attack the pair and its mixing weight."""

from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import _pairs
from keras_mixup.training import adversarial
from keras_mixup.training import mixup
from keras_mixup.training import stages

LOSSES = {"kl": ops.kl_divergence, "cross_entropy": ops.cross_entropy}
# How far gamma may travel by default, over all steps of the attack.
_REACH = 2.0


@registry.register("algorithm", "adversarial_mixup", label="AOM")
class AdversarialMixup(mixup.Mixing, adversarial.AdversarialTraining):
    """Trains on the worst point that a mixture of two images can reach.

    The mixture is x'_m = lambda (x_i + delta_i) + (1 - lambda) (x_j +
    delta_j). The attack climbs L(f(x'_m), y_m) in both perturbations at once
    and, if `mix_weight` is `"learned"`, in lambda. The weights then descend
    the same loss (adversarially optimized mixup paper, Algorithms 4 to 6).

    The last lines of Algorithm 4 print f(x + delta) and y, left over from
    Algorithm 1. f(x'_m) and y_m are meant, and are used here. Both x + delta
    are kept in [0, 1], which the listings leave out.

    A learned lambda = kappa + (1 - kappa) sigmoid(gamma) starts from Beta
    draws above kappa and takes sign steps in gamma; the mean of
    |lambda - lambda_start| is reported as `mix_weight_shift`.

    With k attack steps a train step costs k + 1 classifier passes, and k + 2
    with a clean loss. Mixing at a hidden stage encodes both images of a
    pair. Geometric labels there cost two more encodings.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.PGD` or `attacks.FGSM`. It gives threat, step size,
            number of steps and random start, and climbs on `loss`.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha).
        mix_weight: `"learned"` (the attack moves lambda), `"frozen"` (lambda
            stays as drawn), or what replaces the Beta distribution of a
            frozen lambda: a float, ("uniform", low, high) or ("beta", a, b).
        mix_weight_step: float >= 0, the step in gamma; None is 2 divided by
            the attack's number of steps. The paper gives no number and wants
            a "noticeable change" of lambda in total (section 4.1).
        delta: `"independent"` (an image has one perturbation on the left of
            its pair and another one on the right, section 3.4) or `"shared"`
            (one perturbation, permuted along with the image).
        label_mixing: `"linear"`, or `"geometric"`: the label's weight
            follows the mixed point, see `ops.geometric_label_weight`.
        kappa: float in [0.5, 1), the lower bound of a learned lambda.
        loss: the loss of attack and weights, `"kl"` or `"cross_entropy"`.
            Their gradients differ where the label moves: in the attack, if
            lambda is learned or labels are geometric.
        clean_weight: float >= 0, the weight w of the clean loss in
            (L + w L_clean) / (1 + w). L_clean is mixup of the clean pair at
            the lambda drawn.
        stage: None to mix the images, or the name of the layer of a
            functional classifier behind which to mix (section 4.1).
        attack_training: bool, as in `AdversarialTraining`.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range, or has no effect.

    Example:

    >>> attack = PGD(ThreatModel("linf", "8/255"), "4/255", num_steps=5)
    >>> model = AdversarialMixup(classifier, attack)
    >>> model.compile("adam")
    """

    def __init__(
        self,
        classifier: keras.Model,
        attack: attacks.GradientAttack,
        alpha: float = 0.5,
        mix_weight: _types.MixWeight = "learned",
        mix_weight_step: float | None = None,
        delta: Literal["independent", "shared"] = "independent",
        label_mixing: Literal["linear", "geometric"] = "linear",
        kappa: float = 0.65,
        loss: Literal["kl", "cross_entropy"] = "kl",
        clean_weight: float = 0.0,
        stage: str | None = None,
        attack_training: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            attack,
            clean_weight=clean_weight,
            attack_training=attack_training,
            seed=seed,
            name=name,
        )
        self.delta = _checks.check_choice(
            delta, "delta", ("independent", "shared")
        )
        self.label_mixing = _checks.check_choice(
            label_mixing, "label_mixing", ("linear", "geometric")
        )
        self.loss = _checks.check_choice(loss, "loss", tuple(LOSSES))
        self._set_mix_weight(alpha, mix_weight, mix_weight_step, kappa)
        _pairs.check_ascent(attack, loss)
        self.stage = stage
        self._encode, self._decode = stages.split_at_stage(
            classifier, stages.INPUT if stage is None else stage
        )

    def _set_mix_weight(self, alpha, mix_weight, mix_weight_step, kappa):
        self.set_mixing(alpha)
        if isinstance(mix_weight, str):
            words = ("learned", "frozen")
            _checks.check_choice(mix_weight, "mix_weight", words)
        else:
            mix_weight = ops.check_mix_weight(mix_weight)
        self.mix_weight = mix_weight
        self.learned = mix_weight == "learned"
        self.kappa = ops.check_kappa(
            kappa, self.alpha if self.learned else None
        )
        if mix_weight_step is not None:
            mix_weight_step = _checks.check_number(
                mix_weight_step, "mix_weight_step", low=0.0
            )
            expected = 'None unless mix_weight="learned"'
            _checks.check(
                self.learned, "mix_weight_step", expected, mix_weight_step
            )
        self.mix_weight_step = mix_weight_step

    @property
    def logged(self) -> tuple[str, ...]:
        """("mix_weight_shift",) where lambda is learned, otherwise ()."""
        return ("mix_weight_shift",) if self.learned else ()

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Chooses the optimizer; arguments as in `Algorithm.compile`."""
        loss = self.loss
        super().compile(*args, **kwargs)
        self.loss = loss  # Keras keeps compile's loss under the same name

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the attack's seed, the permutation and lambda's start."""
        pairs = self.draw_pairs(batch_size, ops.fold_in(seed, 1))
        if self.learned:
            pairs["mix_weight"] = ops.sample_beta_above(
                batch_size, self.alpha, self.kappa, ops.fold_in(seed, 2)
            )
        return {**super().draw(batch_size, seed), **pairs}

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Attacks the pairs; returns both sides of each, and their labels.

        Returns:
            `"images"`: x'_m of images, whatever the stage. `"left"` and
            `"right"`: x'_i and x'_j. `"mix_weight"`: lambda. `"targets"`:
            y_m. `"mix_weight_shift"`: |lambda - lambda_start|, float32 [B].
            The names `"clean_..."`: the same of the clean pair.
        """
        partner, training = draws["permutation"], self.attack_training
        clean = {
            "left": images,
            "right": tf.gather(images, partner),
            "mix_weight": draws["mix_weight"],
        }
        labels = self._label_function(clean, targets, partner)
        worst = self._ascend(labels, clean, draws)
        shift = tf.abs(worst["mix_weight"] - draws["mix_weight"])
        batch = {
            "images": _pairs.mix(worst),
            "targets": labels(worst, lambda: self._mixed(worst, training)),
            "mix_weight_shift": shift,
            **worst,
        }
        clean["targets"] = mixup.mix_with_partner(targets, draws)
        return {**batch, **{f"clean_{k}": v for k, v in clean.items()}}

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns the weighted mean of both losses, and x'_m's logits."""
        loss = LOSSES[self.loss]
        logits = self._decode(self._mixed(batch, True), training=True)
        self.keep_layer_losses(batch)
        losses = loss(batch["targets"], logits)
        if not self.clean_weight:
            return losses, logits
        keys = ("left", "right", "mix_weight")
        clean = {key: batch[f"clean_{key}"] for key in keys}
        clean_logits = self._decode(self._mixed(clean, True), training=True)
        clean_losses = loss(batch["clean_targets"], clean_logits)
        weight = self.clean_weight
        losses = adversarial.mean_with_clean(
            batch, losses, clean_losses, weight
        )
        return losses, logits

    def mix_sample_weight(
        self, weights: tf.Tensor, draws: _tensors.Draws, batch: _tensors.Batch
    ) -> _tensors.Batch:
        """Returns the weights of the attacked pairs and of the clean ones."""
        return {
            **super().mix_sample_weight(weights, draws, batch),
            "clean_sample_weight": mixup.mix_with_partner(weights, draws),
        }

    # === Parts of the attack; a pair is {"left", "right", "mix_weight"} ===

    def _ascend(self, labels, clean, draws):
        """Returns the pair after Algorithm 4's inner loop."""
        loss, training = LOSSES[self.loss], self.attack_training

        def objective(point):
            pair = self._pair(point, draws)
            mixed = self._mixed(pair, training)
            logits = self._decode(mixed, training=training)
            return loss(labels(pair, lambda: mixed), logits)

        terms = _pairs.image_terms(
            self.attack, clean, self.delta, draws["attack_seed"]
        )
        if self.learned:
            start = ops.logit_from_weight(draws["mix_weight"], self.kappa)
            step = self._logit_step()
            terms["logit"] = (start, step, ops.clip_logit, tf.sign)
        return self._pair(_pairs.ascend(objective, terms, self.attack), draws)

    def _logit_step(self):
        if self.mix_weight_step is None:
            return _REACH / self.attack.num_steps
        return self.mix_weight_step

    def _pair(self, point, draws):
        """Returns the pair that the attack's variables stand for."""
        left, right = point["left"], point.get("right")
        if right is None:  # one perturbation per image, permuted with it
            right = tf.gather(left, draws["permutation"])
        weight = draws["mix_weight"]
        if self.learned:
            weight = ops.weight_from_logit(point["logit"], self.kappa)
        return {"left": left, "right": right, "mix_weight": weight}

    def _mixed(self, pair, training):
        """Returns what the rest of the classifier sees: a mix at the stage."""
        return _pairs.mix(self._at_stage(pair, training))

    def _at_stage(self, pair, training):
        if self.stage is None:
            return pair
        # Both sides in one pass: BatchNormalization moves once per step.
        both = tf.concat([pair["left"], pair["right"]], axis=0)
        left, right = tf.split(self._encode(both, training=training), 2)
        return {**pair, "left": left, "right": right}

    def _label_function(self, clean, targets, partner):
        """Returns the callable (pair, mixed) -> y_m, `mixed` on demand."""
        partner_targets = tf.gather(targets, partner)
        if self.label_mixing == "linear":
            return lambda pair, mixed: ops.mix(
                pair["mix_weight"], targets, partner_targets
            )
        segment = self._at_stage(clean, self.attack_training)

        def labels(pair, mixed):
            weight = ops.geometric_label_weight(
                pair["mix_weight"], segment["left"], segment["right"], mixed()
            )
            return ops.mix(weight, targets, partner_targets)

        return labels
