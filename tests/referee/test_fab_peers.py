"""FAB beside torchattacks': from the image itself nothing in it is random."""

import numpy as np
import pytest
import tensorflow as tf

torch = pytest.importorskip("torch", reason="make referee installs torch")
torchattacks = pytest.importorskip(
    "torchattacks", reason="make referee installs torchattacks"
)

from keras_mixup import ThreatModel
from keras_mixup import attacks

pytestmark = pytest.mark.referee
_RNG = np.random.default_rng(0)
FIRST = _RNG.normal(size=(36, 24)).astype("float32") / 2.0
BIAS = _RNG.normal(size=24).astype("float32") / 4.0
LAST = _RNG.normal(size=(24, 5)).astype("float32") / 2.0
IMAGES = _RNG.uniform(size=(40, 6, 6, 1)).astype("float32")


def ours(images):
    hidden = tf.tanh(tf.reshape(images, [-1, 36]) @ FIRST + BIAS)
    return hidden @ LAST


class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        # torchattacks asks a parameter for the device.
        self.first = torch.nn.Parameter(torch.tensor(FIRST))

    def forward(self, images):
        hidden = torch.reshape(images, [-1, 36]) @ self.first
        return torch.tanh(hidden + torch.tensor(BIAS)) @ torch.tensor(LAST)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.5)])
@pytest.mark.parametrize("targeted", [False, True])
def test_the_same_points_are_found(norm, eps, targeted):
    torch.set_num_threads(1)
    labels = ours(IMAGES).numpy().argmax(axis=-1)
    # The original leaves out the paper's final search.
    settings = {"num_steps": 30, "search_steps": 0}
    kind = attacks.TargetedFAB if targeted else attacks.FAB
    found = kind(ThreatModel(norm, eps), **settings)(
        ours, IMAGES, labels, seed=0
    )
    peer = torchattacks.FAB(
        Theirs().eval(),
        norm={"linf": "Linf", "l2": "L2"}[norm],
        eps=eps,
        steps=30,
        n_restarts=1,
        alpha_max=0.1,
        eta=1.05,
        beta=0.9,
        multi_targeted=targeted,
        n_classes=5,
    )
    # With one channel, [B, 1, H, W] and [B, H, W, 1] are the same numbers.
    points = torch.tensor(IMAGES.reshape(40, 1, 6, 6))
    adversarial = peer(points, torch.tensor(labels)).detach().numpy()
    adversarial = adversarial.reshape(IMAGES.shape)
    broken = ours(adversarial).numpy().argmax(axis=-1) != labels
    assert 20 < broken.sum() < 40
    np.testing.assert_array_equal(found.success, broken)
    # Ours leaves an image once it is broken, theirs tries every class; here
    # the likeliest class is also the nearest.
    np.testing.assert_allclose(
        found.images[broken], adversarial[broken], atol=1e-3
    )
