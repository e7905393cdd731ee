"""Kill and resume, on one device and on two, of what is trained robustly."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from keras_mixup import _files
from keras_mixup import training
from keras_mixup.training import functions

# (the algorithm around a classifier, what `compile` takes beside).
MAKERS = {
    "RegMixup": (lambda c: training.RegMixup(c, seed=3), {}),
    "CutMix": (lambda c: training.CutMix(c, seed=3), {}),
    "CutMix in AT": (
        lambda c: training.CutMixAdversarialTraining(c, toys.attack(2), seed=3),
        {},
    ),
    "CutMix in TRADES": (
        lambda c: training.CutMixTRADES(c, toys.attack(2), seed=3),
        {},
    ),
    "AVmixup": (
        lambda c: training.AdversarialVertexMixup(c, toys.attack(2), seed=3),
        {},
    ),
    "DAT": (
        lambda c: training.DirectionalAdversarialTraining(c, seed=3),
        {},
    ),
    "noise": (lambda c: training.GaussianAugmentation(c, seed=3), {}),
    "AWP on AOM": (
        lambda c: training.AdversarialMixup(
            c, toys.attack(2), mix_weight_step=0.1, seed=3
        ),
        {"weight_perturbation": 0.01},
    ),
}
every = pytest.mark.parametrize("name", MAKERS)
# Steps of which 4 make an epoch; a checkpoint lies at each second one.
KILLS = (3, 6)


def train(name, folder, callbacks=(), strategy=None, progress=None):
    """Weights, of all variables, and the log, without seconds."""
    kind, options = MAKERS[name]

    def make():
        model = kind(toys.noisy_network())
        model.compile(keras.optimizers.SGD(0.1, 0.9), **options)
        return model

    if strategy is None:
        model = make()
    else:
        with strategy.scope():
            model = make()
    images, labels = toys.data(18)
    training.fit_resumable(
        model,
        (images, labels),
        folder,
        epochs=2,
        batch_size=4,
        extra=(images[::-1], labels[::-1]),
        monitor=None,
        mode=None,
        checkpoint_every=2,
        callbacks=callbacks,
        progress=progress,
        verbose=0,
    )
    rows = _files.read_lines(folder / _files.METRICS)
    kept = [{k: v for k, v in r.items() if k != "seconds"} for r in rows]
    return toys.weights(model), kept


def check_kills(name, tmp_path, strategy=None):
    whole = tmp_path / "whole"
    copies = toys.CopiesAt(whole, tmp_path / "copies", KILLS)
    weights, log = train(name, whole, [copies], strategy)
    for step, left in copies.left.items():
        said = []
        found, again = train(name, left, (), strategy, said.append)
        # A run from the start would end alike.
        assert said == [f"Resuming at step {step - step % 2}."]
        # Replicas add up their means in another order after a checkpoint.
        close = 0.0 if strategy is None else 1e-6
        for row, first in zip(again, log, strict=True):
            assert row == pytest.approx(first, rel=close, abs=0.0), step
        for a, b in zip(found, weights, strict=True):
            np.testing.assert_array_equal(a, b, str(step))
        shutil.rmtree(left)


@pytest.mark.filterwarnings("ignore:On .* rows the gradient")
@every
def test_a_killed_run_ends_as_an_undisturbed_one(name, tmp_path):
    check_kills(name, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:On .* rows the gradient")
@every
def test_so_it_does_on_two_replicas(name, tmp_path, strategy):
    check_kills(name, tmp_path, strategy)


def sgd(strategy, images, folder, **options):
    """The weights of ERM without draws; one network on any strategy."""

    def make():
        model = training.ERM(toys.network())
        model.compile(keras.optimizers.SGD(0.1, 0.9))
        return model

    if strategy is None:
        model = make()
    else:
        with strategy.scope():
            model = make()
    options = {"epochs": 2, "batch_size": 8, "verbose": 0} | options
    training.fit_resumable(model, images, folder, **options)
    return toys.weights(model)


def test_a_second_source_trains_two_replicas_as_one_device(strategy, tmp_path):
    images, extra = toys.data(24), toys.data(40, seed=5)
    options = {"extra": extra, "extra_share": 0.25}
    one = sgd(None, images, tmp_path / "one", **options)
    two = sgd(strategy, images, tmp_path / "two", **options)
    without = sgd(None, images, tmp_path / "without")
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    apart = [np.abs(a - b).max() for a, b in zip(one, without, strict=True)]
    assert max(apart) > 1e-3


class Batches(keras.utils.PyDataset):
    """Batches of 5 of arrays."""

    def __init__(self, images, labels):
        super().__init__()
        self.parts = images, labels

    def __len__(self):
        return -(-len(self.parts[0]) // 5)

    def __getitem__(self, index):
        rows = slice(5 * index, 5 * index + 5)
        return tuple(part[rows] for part in self.parts)


def test_a_pydataset_is_read_as_its_arrays(tmp_path):
    images, extra = toys.data(24), toys.data(12, seed=5)
    options = {"extra": extra, "validation_data": toys.data(9, seed=6)}
    arrays = sgd(None, images, tmp_path / "arrays", **options)
    given = {name: Batches(*pair) for name, pair in options.items()}
    found = sgd(None, Batches(*images), tmp_path / "found", **given)
    for a, b in zip(found, arrays, strict=True):
        np.testing.assert_array_equal(a, b)


def refused(model, folder, match, **options):
    options = {"epochs": 1, "batch_size": 8, "verbose": 0} | options
    with pytest.raises(ValueError, match=match):
        training.fit_resumable(model, toys.data(24), folder, **options)
    assert int(model.step) == 0


def erm(**options):
    model = training.ERM(toys.network())
    model.compile(keras.optimizers.SGD(0.1, 0.9, **options))
    return model


def mirrored(pair):
    return pair[0][:, :, ::-1], pair[1]


SECOND, HELD_OUT = toys.data(12, seed=5), toys.data(9, seed=6)
OTHERS = {
    "images of extra": {"extra": mirrored(SECOND)},
    "labels of extra": {"extra": (SECOND[0], 2 - SECOND[1])},
    "extra_share": {"extra_share": 0.25},
    "extra_share ": {"extra": None},
    "checksum of validation images": {"validation_data": mirrored(HELD_OUT)},
    "checksum of validation labels": {
        "validation_data": (HELD_OUT[0], 2 - HELD_OUT[1])
    },
    "checksum of validation labels ": {"validation_data": None},
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    options = {"extra": SECOND, "validation_data": HELD_OUT, "epochs": 1}
    sgd(None, toys.data(24), folder, **options)
    return folder


@pytest.mark.parametrize("name", OTHERS)
def test_other_additions_are_refused(begun, name):
    options = {"extra": SECOND, "validation_data": HELD_OUT, "epochs": 2}
    options |= OTHERS[name]
    refused(erm(), begun, f"`{name.strip()}` must be .* as before", **options)


def test_an_addition_to_a_run_without_is_refused(tmp_path):
    sgd(None, toys.data(24), tmp_path, epochs=1)
    options = {"epochs": 2, "extra": SECOND}
    refused(erm(), tmp_path, "`extra_share` must be None, as before", **options)
    file = tmp_path / "checkpoints" / "arguments.json"
    kept = json.loads(file.read_text())
    names = ("extra_share", "labels of extra", "images of extra")
    assert [kept.pop(name) for name in names] == [None] * 3
    file.write_text(json.dumps(kept))  # As former versions left it.
    refused(erm(), tmp_path, "`extra_share` must be None, as before", **options)
    sgd(None, toys.data(24), tmp_path, epochs=2)


def test_a_share_of_nothing_is_refused(tmp_path):
    match = "`extra_share` must be left out, or 0.5, without extra"
    refused(erm(), tmp_path, match, extra_share=0.25)
    assert not any(tmp_path.iterdir())


def test_a_metric_that_no_epoch_has_is_refused_before_the_first(tmp_path):
    held_out = {"validation_data": HELD_OUT}
    match = r"`monitor` must be one of \['accuracy', 'loss'\].*no validation"
    refused(erm(), tmp_path, match, early_stopping=2)
    match = "`monitor` must be one of .*'val_loss'.*Received: .*'val_acuracy'"
    refused(erm(), tmp_path, match, monitor="val_acuracy", **held_out)
    assert not any(tmp_path.iterdir())
    options = {"epochs": 1, "early_stopping": 1, "mode": "min"}
    for monitor in ("loss", "val_loss"):
        given = held_out if monitor == "val_loss" else {}
        folder = tmp_path / monitor
        sgd(None, toys.data(24), folder, monitor=monitor, **options, **given)


class Adds(keras.callbacks.Callback):
    """Puts a metric into the logs, as `RobustValidation` does."""

    def on_epoch_end(self, epoch, logs=None):
        logs["own"] = 1.0


def test_a_metric_of_a_callback_is_waited_for(tmp_path):
    options = {"callbacks": [Adds()], "early_stopping": 1, "epochs": 1}
    sgd(None, toys.data(24), tmp_path, monitor="own", **options)
    options["callbacks"] = [keras.callbacks.LambdaCallback(on_epoch_end=print)]
    match = "`monitor` must be one of"
    with pytest.raises(ValueError, match=match):
        sgd(None, toys.data(24), tmp_path / "b", monitor="own", **options)


def test_all_that_is_reported_may_be_monitored(tmp_path):
    model = training.Mixup(toys.network())
    top = keras.metrics.TopKCategoricalAccuracy(2, name="top")
    model.compile("sgd", metrics=[top], weighted_metrics=["acc", "mse"])
    options = {"epochs": 1, "batch_size": 8, "verbose": 0}
    options |= {"monitor": "val_mse", "validation_data": HELD_OUT}
    history = training.fit_resumable(
        model, toys.data(24), tmp_path, **options
    ).history
    known = functions.reported(model, True)
    assert set(history) <= set(known)
    assert {k for k in known if "weighted_" not in k} <= set(history)


def test_an_optimizer_that_overwrites_weights_is_refused(tmp_path):
    match = "`optimizer` must be without use_ema.*Received.*use_ema=True"
    refused(erm(use_ema=True), tmp_path, match)
    scaled = erm()
    inner = keras.optimizers.SGD(0.1, use_ema=True)
    scaled.compile(keras.optimizers.LossScaleOptimizer(inner))
    refused(scaled, tmp_path, match)
    model = erm(use_ema=True)
    saving = training.Checkpoint(str(tmp_path))
    with pytest.raises(ValueError, match=match):
        model.fit(*toys.data(), verbose=0, callbacks=[saving])
    assert not any(tmp_path.iterdir())


def test_a_run_stays_inside_or_outside_of_xla(begun):
    """Whose draws from the same seeds are others."""
    model = erm()
    model.compile("sgd", jit_compile=True)
    options = {"extra": SECOND, "validation_data": HELD_OUT, "epochs": 2}
    refused(model, begun, "`jit_compile` must be False, as before", **options)


@pytest.mark.parametrize("alg", ["auto_select", "philox"])
def test_tensorflow_draws_otherwise_in_xla(alg):
    """Where this fails, the docs on seeds and `jit_compile` are out of date."""
    for draw in (tf.random.stateless_uniform, tf.random.stateless_normal):

        def numbers(seed, draw=draw):
            return draw([64], seed, alg=alg)

        plain, xla = (
            tf.function(numbers, jit_compile=flag)(tf.constant([3, 9])).numpy()
            for flag in (False, True)
        )
        assert np.abs(plain - xla).max() > 0.1
