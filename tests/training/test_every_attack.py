"""Every gradient attack serves in every algorithm, or is refused by name."""

import inspect

import keras
import numpy as np
import pytest
import references as ref
import toys

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import registry
from keras_mixup import training

THREAT = ThreatModel("linf", 0.1)
MADE = {
    "PGD": attacks.PGD(THREAT, 0.05, 2),
    "FGSM": attacks.FGSM(THREAT, step_size=0.1, random_start=True),
    "APGD": attacks.APGD(THREAT, num_steps=2),
    "TargetedAPGD": attacks.TargetedAPGD(THREAT, 2, 2),
}
# What climbs by an ascent of its own takes steps over, not the attack.
OWN_ASCENT = {
    "adversarial_mixup": ("APGD", "TargetedAPGD"),
    "local_linearity_regularization": ("APGD", "TargetedAPGD"),
    "trades": ("TargetedAPGD",),
}
# They need a trained autoencoder, and hand the attack on.
LATENT = ("var_erm", "var_mixup", "var_interpolated_adversarial_training")


def attacking():
    return [
        name
        for name in registry.names("algorithm")
        if registry.accepts("algorithm", name, "attack") and name not in LATENT
    ]


def test_every_gradient_attack_is_tried():
    found = {
        name
        for name in attacks.__all__
        if inspect.isclass(getattr(attacks, name))
        and issubclass(getattr(attacks, name), attacks.GradientAttack)
    }
    assert found - {"GradientAttack"} == set(MADE)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("name", attacking())
def test_a_step_or_a_refusal(name, kind):
    classifier = ref.staged_network()
    algorithm = registry.find("algorithm", name)
    if kind in OWN_ASCENT.get(name, ()):
        with pytest.raises(ValueError, match=f"Received: attack={kind}"):
            algorithm(classifier, MADE[kind])
        return
    model = algorithm(classifier, MADE[kind])
    model.compile(keras.optimizers.SGD(0.1))
    before = [w.copy() for w in classifier.get_weights()]
    images = np.random.default_rng(0).uniform(size=(6, *toys.SHAPE))
    labels = np.array([0, 1, 2, 0, 1, 2])
    logs = model.train_on_batch(
        images.astype("float32"), labels, return_dict=True
    )
    assert np.isfinite(logs["loss"])
    moved = zip(before, classifier.get_weights(), strict=True)
    assert any(not np.allclose(a, b) for a, b in moved)


@pytest.mark.parametrize("name", attacking())
def test_an_attack_without_gradients_is_refused(name):
    algorithm = registry.find("algorithm", name)
    expected = "must be an attacks.GradientAttack.*Received: attack=Square"
    with pytest.raises(ValueError, match=expected):
        algorithm(ref.staged_network(), attacks.Square(THREAT))


def test_a_foreign_gradient_attack_serves():
    class Mine(attacks.GradientAttack):
        def perturb(
            self, model_fn, images, labels, seed, targets=None, start=None
        ):
            return images

        def run(self, model_fn, images, labels, targets, seed):
            return self.perturb(model_fn, images, labels, seed), 0, 0

    model = training.AdversarialTraining(ref.staged_network(), Mine(THREAT))
    assert isinstance(model.attack, Mine)
