"""Every gradient attack serves in every algorithm, or is refused by name."""

import inspect
import pathlib
import re

import keras
import numpy as np
import pytest
import references as ref
import toys

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import registry
from keras_mixup import training

ROOT = pathlib.Path(__file__).parent.parent.parent
THREAT = ThreatModel("linf", 0.1)
MADE = {
    "PGD": attacks.PGD(THREAT, 0.05, 2),
    "FGSM": attacks.FGSM(THREAT, step_size=0.1, random_start=True),
    "APGD": attacks.APGD(THREAT, num_steps=2),
    "TargetedAPGD": attacks.TargetedAPGD(THREAT, 2, 2),
    "MALT": attacks.MALT(THREAT, 2, 2, 2),
    "PMA": attacks.PMA(THREAT, 2),
}
# Those that climb themselves need a step size; TRADES needs a loss.
REFUSED = {
    "adversarial_mixup": ("APGD", "TargetedAPGD", "MALT", "PMA"),
    "local_linearity_regularization": ("APGD", "TargetedAPGD", "MALT", "PMA"),
    "trades": ("TargetedAPGD", "MALT", "PMA"),
    "cutmix_trades": ("TargetedAPGD", "MALT", "PMA"),
    "mmd_vae": ("APGD", "TargetedAPGD", "MALT", "PMA"),
}
# Random images have no codes: no toy autoencoder fits them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The autoencoder seems untrained:UserWarning"
)

ATTACKING = [
    name
    for name in registry.names("algorithm")
    if registry.accepts("algorithm", name, "attack")
]


@pytest.fixture(scope="module")
def vae():
    return toys.fitted_vae(toys.data(60, seed=1)[0])


def made(name, attack, vae):
    options = {"attack": attack}
    if registry.accepts("algorithm", name, "vae"):
        options["vae"] = vae
    algorithm = registry.find("algorithm", name)
    return algorithm(ref.staged_network(), **options)


def test_every_gradient_attack_is_tried():
    found = {
        name
        for name in attacks.__all__
        if inspect.isclass(getattr(attacks, name))
        and issubclass(getattr(attacks, name), attacks.GradientAttack)
    }
    found -= {"GradientAttack"}
    text = "need a row in MADE, tests/training/test_every_attack.py"
    assert not found - set(MADE), f"{found - set(MADE)} {text}"
    assert found == set(MADE)


def check_step(model):
    """One train step is finite and moves the classifier."""
    model.compile(keras.optimizers.SGD(0.1))
    before = [w.copy() for w in model.classifier.get_weights()]
    logs = model.train_on_batch(*toys.data(6), return_dict=True)
    assert np.isfinite(logs["loss"])
    moved = zip(before, model.classifier.get_weights(), strict=True)
    assert any(not np.allclose(a, b) for a, b in moved)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("name", ATTACKING)
def test_a_step_or_a_refusal(name, kind, vae):
    if kind in REFUSED.get(name, ()):
        with pytest.raises(ValueError, match=f"Received: attack={kind}"):
            made(name, MADE[kind], vae)
        return
    check_step(made(name, MADE[kind], vae))


@pytest.mark.parametrize("kind", MADE)
def test_an_autoencoder_takes_the_steps_of_an_attack(kind, vae):
    if kind in REFUSED["mmd_vae"]:
        with pytest.raises(ValueError, match=f"Received: attack={kind}"):
            training.MMDVAETraining(vae, attack=MADE[kind])
        return
    model = training.MMDVAETraining(vae, attack=MADE[kind])
    images = toys.data(6)[0]
    found = model.perturb(images, [0, 1]).numpy()
    assert 0.0 < np.abs(found - images).max() <= THREAT.eps + 1e-6


@pytest.mark.parametrize("name", ATTACKING)
def test_an_attack_without_gradients_is_refused(name, vae):
    expected = "must be an attacks.GradientAttack.*Received: attack=Square"
    with pytest.raises(ValueError, match=expected):
        made(name, attacks.Square(THREAT), vae)


class OnlyRuns(attacks.GradientAttack):
    """An attack that nobody can call inside a train step."""

    num_steps = 1

    def run(self, model_fn, images, labels, targets, seed):
        return images, 1, 0


@pytest.mark.parametrize("name", [*ATTACKING, "mmd_vae"])
def test_a_gradient_attack_without_perturb_is_refused(name, vae):
    with pytest.raises(ValueError, match="`attack` must be .*OnlyRuns"):
        if name == "mmd_vae":
            training.MMDVAETraining(vae, attack=OnlyRuns(THREAT))
        else:
            made(name, OnlyRuns(THREAT), vae)


def test_the_attack_of_the_docs_serves():
    text = (ROOT / "docs" / "attacks.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    found = {}
    exec(next(b for b in blocks if "GradientAttack" in b), found)
    attack = found["OneStep"](THREAT)
    model = training.AdversarialTraining(ref.staged_network(), attack)
    check_step(model)
    images, labels = toys.data(6)
    for targets in (None, (labels + 1) % 3):
        ours, theirs = (
            one(model.classifier, images, labels, targets=targets, seed=0)
            for one in (attack, attacks.FGSM(THREAT))
        )
        np.testing.assert_allclose(ours.images, theirs.images, atol=1e-6)
