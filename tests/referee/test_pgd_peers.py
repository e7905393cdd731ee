"""PGD beside ART's and cleverhans', on one Keras model."""

import keras
import pytest

pytest.importorskip("art", reason="make referee installs ART")

from benchmarks import pgd_peers
from keras_mixup import data
from keras_mixup import models
from keras_mixup import training

pytestmark = pytest.mark.referee


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    keras.utils.set_random_seed(0)
    classifier = models.SmallConvNet((8, 8, 1), 10, width=8)
    train = data.load_arrays("digits", "train")
    model = training.ERM(classifier)
    model.compile(keras.optimizers.Adam(0.003))
    model.fit(train.images, train.labels, batch_size=64, epochs=20, verbose=0)
    path = str(tmp_path_factory.mktemp("net") / "final.keras")
    classifier.save(path)
    return path


@pytest.mark.parametrize(
    ("norm", "eps", "step"), [("linf", 0.1, 0.02), ("l2", 0.4, 0.1)]
)
def test_equal_settings_give_equal_accuracy(path, norm, eps, step, capsys):
    flags = pgd_peers.FLAGS.parse(
        [
            "",
            f"--classifier={path}",
            f"--norm={norm}",
            f"--eps={eps}",
            f"--step_size={step}",
            "--num_steps=20",
            "--rounds=1",
        ]
    )
    ours, cleverhans, art = pgd_peers.compare(flags)
    with capsys.disabled():
        print(f"\n{norm}:", *(ours, cleverhans, art), sep="\n  ")
    assert 5.0 < ours["accuracy"] < 90.0
    for peer in (cleverhans, art):
        assert abs(peer["accuracy"] - ours["accuracy"]) <= 0.5
    assert cleverhans["apart"] <= 5
