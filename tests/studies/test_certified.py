"""Certificates as rows: resumed, and independent of the other images."""

import json

import keras
import numpy as np
import pytest

from keras_mixup import inference
from keras_mixup import studies

OPTIONS = {"num_draws": 300, "alpha": 0.01, "seed": 5}


@pytest.fixture(scope="module")
def models():
    """A network of two classes, its smoothing and another defence."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    return {
        "bare": model,
        "smooth": inference.RandomizedSmoothing(model, 0.2),
        "noise": inference.GaussianNoiseInference(model, 0.2),
    }


def images(count=12):
    return np.random.default_rng(1).random((count, 2, 2, 1), np.float32)


def test_rows_are_those_of_certify(models):
    labels = np.arange(12) % 2
    rows = studies.certificate_rows(models, images(), labels, **OPTIONS)
    assert {row["model"] for row in rows} == {"smooth"}
    assert [row["example_id"] for row in rows] == list(range(12))
    # Reordered and fewer: the same rows.
    order = np.array([7, 2, 11])
    again = studies.certificate_rows(
        models, images()[order], labels[order], example_ids=order, **OPTIONS
    )
    assert again == [rows[i] for i in order]
    right = [r["predicted"] == r["label"] for r in rows]
    assert studies.certified_accuracy(rows, 0.0) == np.mean(right)
    far = 1.0 + max(row["radius"] for row in rows)
    assert studies.certified_accuracy(rows, far) == 0.0


def test_what_is_done_is_not_done_again(models, tmp_path, monkeypatch):
    path = tmp_path / "certificates.jsonl"
    labels = np.zeros(12, np.int32)
    whole = studies.certificate_rows(models, images(), labels, **OPTIONS)
    kept = [json.dumps(row) + "\n" for row in whole[:4]]
    path.write_text("".join(kept))
    counted = []
    plain = inference.RandomizedSmoothing.certify

    def counting(self, images, **options):
        counted.append(len(images))
        return plain(self, images, **options)

    monkeypatch.setattr(inference.RandomizedSmoothing, "certify", counting)
    found = studies.certificate_rows(
        models, images(), labels, path=path, **OPTIONS
    )
    assert found == whole
    assert counted == [8]
    # Other settings and other weights share nothing with these rows.
    changed = {**OPTIONS, "alpha": 0.02}
    studies.certificate_rows(models, images(), labels, path=path, **changed)
    other = keras.models.clone_model(models["bare"])
    smooth = {"smooth": inference.RandomizedSmoothing(other, 0.2)}
    studies.certificate_rows(
        smooth, images(), labels, path=str(path), **OPTIONS
    )
    assert sum(counted) == 8 + 12 + 12


def test_an_option_that_is_left_out_means_its_default(models, tmp_path):
    path = tmp_path / "certificates.jsonl"
    labels = np.zeros(2, np.int32)

    def certified(**options):
        return studies.certificate_rows(
            models, images(2), labels, path=path, num_draws=50, **options
        )

    certified(num_selection_draws=30, alpha=0.1, seed=5)
    rows = certified()
    assert {row["alpha"] for row in rows} == {0.001}
    assert {row["num_selection_draws"] for row in rows} == {100}
    assert {row["seed"] for row in rows} == {0}
    # Given or left out, they are the same certificates.
    before = path.read_text()
    assert certified(num_selection_draws=100, alpha=0.001, seed=0) == rows
    assert path.read_text() == before


def test_rows_of_other_images_or_labels_are_not_taken(models, tmp_path):
    path = tmp_path / "certificates.jsonl"
    labels = np.arange(4) % 2

    def certified(images, labels, path=path):
        return studies.certificate_rows(
            models, images, labels, path=path, **OPTIONS
        )

    first = certified(images(4), labels)
    for changed in [(1.0 - images(4), labels), (images(4), 1 - labels)]:
        found = certified(*changed)
        assert found == certified(*changed, path=None)
        assert found != first
    # All three stand in the file, each for its own images.
    before = path.read_text()
    assert certified(images(4), labels) == first
    assert path.read_text() == before
