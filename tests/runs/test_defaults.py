"""Where the arguments of a defence come from when they are not given."""

import json
import shutil

import keras
import pytest

from keras_mixup import data
from keras_mixup import models
from keras_mixup import runs
from keras_mixup.runs import _defences


def test_two_defences_of_one_name_in_tables_are_refused():
    images = data.load_arrays("digits", "train", num_examples=20)
    pool, _ = _defences.make_pool(images, 10)
    classifier = models.SmallConvNet((8, 8, 1), 10, width=2)
    settings = runs.EvaluateSettings(mix_weights="0.5,0.5000001")
    with pytest.raises(ValueError, match="without two of one name in tables"):
        _defences.build_all(settings, classifier, pool, {})


@pytest.mark.parametrize(
    ("dataset", "algorithm", "name", "argument", "value", "source"),
    [
        # Table 4, and the ablations in it.
        ("cifar10", "mixup", "ol", "mix_weight", 0.5, "Table 4, mixup"),
        ("cifar10", "erm", "ol", "mix_weight", 0.6, "Table 4, erm"),
        ("cifar10", "adversarial_training", "ol", "mix_weight", 0.8, "at"),
        (
            "cifar100",
            "interpolated_adversarial_training",
            "ol",
            "mix_weight",
            0.6,
            "Table 5, iat",
        ),
        # No row: the same training on CIFAR-10, then mixup on the data set.
        ("cifar100", "erm", "ol", "mix_weight", 0.6, "Table 4, erm, for want"),
        ("digits", "erm", "ol", "mix_weight", 0.6, "row of erm on digits"),
        ("cifar100", "trades", "combined", "ol_weight", 0.4, "Table 5, mixup"),
        (
            "cifar10",
            "interpolated_adversarial_training",
            "combined",
            "threshold",
            0.2,
            "Table 4, mixup, for want of a row of interpolated",
        ),
        (None, None, "ol", "mix_weight", 0.5, "row of its training on its"),
        # No row in any table.
        ("cifar10", "mixup", "pl", "mix_weight", 0.5, "MI-Combined"),
    ],
)
def test_one_rule_finds_the_row(
    dataset, algorithm, name, argument, value, source
):
    trained = {"dataset": dataset, "algorithm": algorithm}
    row = _defences.defaults(trained, 32)[f"mixup_inference_{name}"]
    assert row.arguments[argument] == value
    assert source in row.source


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("erm") / "run"
    folder.mkdir()
    keras.utils.set_random_seed(0)
    model = models.SmallConvNet((8, 8, 1), 10, width=2)
    train = data.load_arrays("digits", "train")
    model.compile(loss="mse", jit_compile=False)
    targets = keras.utils.to_categorical(train.labels, 10)
    model.fit(train.images, targets, epochs=1, verbose=0)
    model.save(folder / "classifier.keras")
    config = {"dataset": "digits", "algorithm": "erm"}
    (folder / "config.json").write_text(json.dumps({"settings": config}))
    return folder


def test_the_run_says_what_it_took_from_where(run_dir, tmp_path):
    folder = shutil.copytree(run_dir, tmp_path / "run")
    settings = runs.EvaluateSettings(
        attacks="clean",
        defences="mixup_inference_ol,gaussian_noise",
        stddev=0.1,
        num_examples=4,
        num_draws=2,
        eval_seeds="0",
        pool_size=40,
        probe=False,
    )
    said = []
    result = runs.evaluate(settings, folder, progress=said.append)
    defences = {record.defence for record in result.records}
    assert defences == {"none", "MI-OL 0.6 x2", "noise 0.1 x2"}
    source = "Mixup Inference, Table 4, erm, for want of a row of erm on digits"
    assert f"MI-OL 0.6 x2: mix_weight=0.6 by default, from {source}" in said
    written = json.loads((folder / "evaluation.json").read_text())
    assert written["calls"][-1]["defaults"] == {
        "MI-OL 0.6 x2": {"mix_weight": {"value": 0.6, "from": source}},
        "noise 0.1 x2": {},
    }
