"""What jobs find is what they found: else `jobs.REVISION` has to be raised.

A job is told by its settings, so that a change of the code would leave old
results in the tables. Here a small scale of each training is done in a few
steps, and its numbers are compared with those that this revision recorded.

`python tests/reproduce/test_revision.py` records them.
"""

import json
import pathlib
import sys
import tempfile

import keras
import numpy as np
import pytest

from keras_mixup import _files
from keras_mixup import evaluation
from keras_mixup import runs
from keras_mixup.reproduce import adapting
from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import scales

FILE = pathlib.Path(__file__).with_name(f"revision_{jobs.REVISION}.json")
TRAINED = {
    "mixup": "mixup_inference/mixup_cifar10.flags",
    "iat": "mixup_inference/iat_cifar10.flags",
    "ours": "adversarial_mixup/ours_cifar10.flags",
    "vae": "varmixup/vae_cifar10.flags",
}
SLOW = {
    "attack": "adversarial_mixup/attack_cifar10.flags",
    "attack then mix": "adversarial_mixup/attack_then_mix_cifar10.flags",
    "cure": "varmixup/cure_cifar10.flags",
    "geometric": "adversarial_mixup/geometric_wrn34_cifar10.flags",
    "hidden": "adversarial_mixup/hidden_cifar10.flags",
    "lat": "varmixup/lat_cifar10.flags",
    "llr": "varmixup/llr_cifar10.flags",
    "manifold mixup": "varmixup/manifold_mixup_cifar10.flags",
    "mix then attack": "adversarial_mixup/mix_then_attack_cifar10.flags",
    "trades": "varmixup/trades_cifar10.flags",
    "vae adversarial": "varmixup/vae_adversarial_cifar10.flags",
    "variat": "varmixup/variat_cifar10.flags",
    "varerm": "varmixup/varerm_cifar10.flags",
    "varmixup": "varmixup/varmixup_cifar10.flags",
}
DIGITS = scales.find("digits")
SHORT = {
    **{"epochs": 4, "num_train": 32, "batch_size": 16},
}
TINY = DIGITS._replace(
    models={"": {"model": "small_convnet", "width": 4}},
    training=SHORT,
    vae={},
    # Of which the numbers were recorded.
    plain_vae={"gamma": 0.1},
)
EVALUATED = {
    "defences": "mixup_inference_ol,gaussian_noise",
    "attacks": "clean,cleverhans_pgd",
    "pgd_steps": "2",
    "adaptive": True,
}


def train(name, folder):
    """Does a short training; returns its numbers, a list of float."""
    flagfile = {**TRAINED, **SLOW}[name]
    job = adapting.training(flagfile, TINY, 0)
    places = {}
    if job.needs:
        places["vae"] = str(folder / "vae")
        runs.train(job.needs[0].made(), places["vae"])
    runs.train(job.made(**places), folder / "run")
    rows = _files.read_lines(folder / "run" / _files.METRICS)
    names = sorted(n for n in rows[-1] if "loss" in n)
    file = "vae.keras" if "vae" in name[:3] and not job.needs else _files.FINAL
    found = keras.saving.load_model(folder / "run" / file, compile=False)
    weights = [np.asarray(w, np.float64) for w in found.get_weights()]
    change = sum(float(np.abs(w).sum()) for w in weights)
    return [*(float(rows[-1][n]) for n in names), change]


def attack(folder):
    """Scores a short training; returns means of confidence and answers."""
    trained = adapting.training(TRAINED["mixup"], TINY, 0)
    runs.train(trained.made(), folder / "run")
    scale = TINY._replace(
        evaluation={**DIGITS.evaluation, "num_examples": 40, "num_draws": 3}
    )
    job = adapting.evaluation(
        "mixup_inference/evaluate.flags", EVALUATED, scale, trained
    )
    runs.evaluate(job.made(), folder / "run")
    found = {}
    for record in evaluation.read_records(folder / "run" / _files.RECORDS):
        place = f"{record.defence}, {record.attack}, {record.knowledge}"
        values = (record.prediction, record.confidence or 0.0)
        found.setdefault(place, []).append(values)
    return {
        place: [float(v) for v in np.mean(values, axis=0)]
        for place, values in sorted(found.items())
    }


def recorded():
    return json.loads(FILE.read_text())


CHANGED = (
    "The same settings give other results than before. If that is meant, raise "
    "jobs.REVISION, so that no table mixes both, and record the new numbers."
)


@pytest.mark.filterwarnings("ignore:The autoencoder seems untrained")
@pytest.mark.parametrize(
    "name",
    [*TRAINED, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)],
)
def test_a_training_is_as_this_revision_recorded(name, tmp_path):
    expected = recorded()["trained"][name]
    found = train(name, tmp_path)
    assert len(found) == len(expected), CHANGED
    np.testing.assert_allclose(found, expected, rtol=5e-4, err_msg=CHANGED)


def test_attacks_and_defences_are_as_this_revision_recorded(tmp_path):
    expected, found = recorded()["attacked"], attack(tmp_path)
    assert list(found) == list(expected), CHANGED
    for place, values in expected.items():
        np.testing.assert_allclose(
            found[place], values, rtol=2e-2, err_msg=f"{place}: {CHANGED}"
        )


def test_each_revision_has_its_record():
    assert FILE.is_file(), "Record the numbers of the new revision."
    assert set(recorded()["trained"]) == {*TRAINED, *SLOW}


if __name__ == "__main__":
    told = {"trained": {}, "attacked": {}}
    for own in {**TRAINED, **SLOW}:
        with tempfile.TemporaryDirectory() as place:
            told["trained"][own] = train(own, pathlib.Path(place))
        print(own, told["trained"][own], file=sys.stderr)
    with tempfile.TemporaryDirectory() as place:
        told["attacked"] = attack(pathlib.Path(place))
    FILE.write_text(json.dumps(told, indent=1) + "\n")
