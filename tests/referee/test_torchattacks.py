"""AutoAttack beside torchattacks', on the same weights in both frameworks."""

import keras
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="make referee installs torch")
torchattacks = pytest.importorskip(
    "torchattacks", reason="make referee installs torchattacks"
)

from benchmarks import autoattack
from benchmarks import torch_twin
from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import models
from keras_mixup import ops
from keras_mixup import training

pytestmark = pytest.mark.referee
# Radii at which 20 to 70 % of the test images survive.
NETS = {"plain": 0.1, "robust": 0.2}


@pytest.fixture(scope="module", params=NETS)
def net(request, tmp_path_factory):
    """(file of a classifier for digits, eps): trained in a minute."""
    keras.utils.set_random_seed(0)
    classifier = models.SmallConvNet((8, 8, 1), 10, width=16)
    train = data.load_arrays("digits", "train")
    if request.param == "robust":
        attack = attacks.PGD(ThreatModel("linf", 0.15), 0.04, 7)
        model = training.AdversarialTraining(classifier, attack)
    else:
        model = training.ERM(classifier)
    model.compile(keras.optimizers.Adam(0.002))
    model.fit(train.images, train.labels, batch_size=64, epochs=40, verbose=0)
    path = str(tmp_path_factory.mktemp(request.param) / "final.keras")
    classifier.save(path)
    return path, NETS[request.param]


def test_both_sides_find_the_same_accuracy(net, capsys):
    path, eps = net
    flags = autoattack.FLAGS.parse(
        ["", f"--classifier={path}", f"--eps={eps}", "--threads=1"]
    )
    # TensorFlow has its threads already: only PyTorch still takes a number.
    row = autoattack.compare(flags)
    with capsys.disabled():
        print("\n" + autoattack.table([row]))
    assert row["images"] == 500
    assert row["logits_apart"] < 1e-4
    ours, theirs = row["ours"], row["theirs"]
    robust = [100.0 * side["counts"][""] / 500 for side in (ours, theirs)]
    assert 20.0 <= robust[1] <= 70.0
    assert abs(robust[0] - robust[1]) <= 0.5
    assert ours["counts"]["clean"] == theirs["counts"]["clean"]


@pytest.mark.parametrize("loss", ["ce", "dlr"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_auto_pgd_from_the_same_start(net, loss, norm):
    path, _ = net
    classifier = keras.saving.load_model(path, compile=False)
    twin = torch_twin.twin(classifier, 1)
    test = data.load_arrays("digits", "test", num_examples=100)
    labels = np.asarray(test.labels, "int64")
    right = classifier.predict(test.images, verbose=0).argmax(-1) == labels
    images, labels = test.images[right], labels[right]
    threat = ThreatModel(norm, 0.1 if norm == "linf" else 0.5)
    name = {"linf": "Linf", "l2": "L2"}[norm]
    theirs = torchattacks.APGD(twin, name, threat.eps, 10, loss=loss)
    torch.manual_seed(3)
    points = torch_twin.to_torch(images)
    best, _, highest, _ = theirs.attack_single_run(points, torch.tensor(labels))
    torch.manual_seed(3)
    if norm == "linf":
        noise = 2.0 * torch.rand(points.shape) - 1.0
        size = noise.abs().amax(dim=(1, 2, 3), keepdim=True)
    else:
        noise = torch.randn(points.shape)
        size = (noise**2).sum(dim=(1, 2, 3), keepdim=True).sqrt()
    start = torch.clamp(points + threat.eps * noise / size, 0.0, 1.0)
    start = torch_twin.from_torch(start)
    ours = attacks.APGD(threat, loss, 10, best="loss")
    found = ours.perturb(classifier, images, labels, 0, start=start)
    logits = classifier(found, training=False)
    values = {
        "ce": ops.cross_entropy,
        "dlr": ops.difference_of_logits_ratio,
    }[loss](labels, logits)
    np.testing.assert_allclose(values, highest, rtol=1e-2, atol=1e-2)
    same = torch_twin.from_torch(best)
    equal = np.abs(found - same).max(axis=(1, 2, 3)) < 1e-3
    # A slope of zero to rounding may turn one sign, and what follows it.
    assert equal.mean() > 0.9


def test_the_twin_computes_the_same_and_names_what_it_cannot(net):
    path, _ = net
    classifier = keras.saving.load_model(path, compile=False)
    images = np.random.default_rng(0).uniform(size=(5, 8, 8, 1))
    images = images.astype("float32")
    logits = torch_twin.logits_of(torch_twin.twin(classifier, 1), images)
    expected = classifier.predict(images, verbose=0)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    shifted = models.SmallConvNet((6, 6, 3), 4, 4, [0.5, 0.4, 0.3], [0.2] * 3)
    images = images[:, :6, :6].repeat(3, axis=-1)
    logits = torch_twin.logits_of(torch_twin.twin(shifted, 1), images)
    expected = shifted.predict(images, verbose=0)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    other = models.PreActResNet18((8, 8, 1), 10, width=2)
    with pytest.raises(ValueError, match="must be a SmallConvNet"):
        torch_twin.twin(other, 1)
