"""--corruptions on the command line: sets, names, resuming, refusals."""

import json

import calls
import keras
import numpy as np
import pytest

from keras_mixup import data
from keras_mixup import metrics
from keras_mixup import models
from keras_mixup.cli import main

OWN = "digits corrupted by imagecorruptions"


@pytest.fixture
def run_dir(tmp_path):
    """A run folder with an untrained classifier of digits."""
    folder = tmp_path / "run"
    folder.mkdir()
    keras.utils.set_random_seed(0)
    models.SmallConvNet((8, 8, 1), 10, width=2).save(
        folder / "classifier.keras"
    )
    flags = {"dataset": "digits", "algorithm": "erm", "model": "net"}
    (folder / "config.json").write_text(json.dumps({"flags": flags}))
    return folder


def call(folder, *switches, **flags):
    given = {
        "run_dir": folder,
        "attacks": "clean",
        "defences": "",
        "eval_seeds": 0,
        **flags,
    }
    given = {name: v for name, v in given.items() if v is not None}
    argv = ["evaluate", "--noprobe", "--noverbose", *switches]
    return main.exit_code("evaluate", [*argv, *calls.arguments(given)])


def rows(folder):
    path = folder / "figures" / "corruptions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def shifted(monkeypatch):
    """Corruptions without the package: severity s darkens by s / 10."""
    made = []

    def corrupt(image_set, kind, severity, seed=0):
        made.append((kind, severity, len(image_set.labels)))
        images = data.as_float(image_set.images) * (1.0 - severity / 10.0)
        return image_set._replace(images=images.astype("float32"))

    monkeypatch.setattr(data, "corrupt", corrupt)
    return made


def test_own_corruptions_are_scored_named_and_resumed(run_dir, shifted, capsys):
    flags = {"corruptions": "imagecorruptions", "num_examples": 20}
    flags.update(defences="gaussian_noise", num_draws=2)
    assert call(run_dir, **flags) == 0
    shown = capsys.readouterr().out
    found = rows(run_dir)
    assert {row["set"] for row in found} == {OWN}
    assert {row["num_examples"] for row in found} == {20}
    names = {"erm net", "noise 0.02 x2"}
    assert {row["model"] for row in found} == names
    standard = metrics.STANDARD_CORRUPTIONS
    cells = {(r["model"], r["kind"], r["severity"]) for r in found}
    assert len(found) == len(cells) == 2 * 15 * 5
    # By hand, for the bare classifier.
    test = data.load_arrays("digits", "test", num_examples=20)
    network = keras.saving.load_model(run_dir / "classifier.keras")
    accuracies = {}
    for severity in range(1, 6):
        images = data.as_float(test.images) * np.float32(1 - severity / 10)
        hits = np.argmax(network(images), axis=-1) == test.labels
        accuracies[severity] = hits.mean()
    for row in found:
        if row["model"] == "erm net":
            assert row["accuracy"] == pytest.approx(accuracies[row["severity"]])
    mean = 100 * np.mean(list(accuracies.values()))
    line = f"{OWN}, erm net: {mean:.1f} % over 15 kinds x 5 severities"
    assert line in shown
    assert (run_dir / "figures" / "corruptions.png").is_file()
    assert OWN in (run_dir / "figures" / "corruptions.jsonl").read_text()
    assert "Common corruptions" in (run_dir / "report.html").read_text()
    # A call that was stopped goes on; the trial cell of each call aside.
    path = run_dir / "figures" / "corruptions.jsonl"
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:-3]))
    shifted.clear()
    assert call(run_dir, **flags) == 0
    assert shifted[1:] == [(standard[-1], 4, 20), (standard[-1], 5, 20)]
    assert path.read_text() == whole


def test_rows_of_another_cut_of_the_data_are_not_taken(
    run_dir, shifted, capsys, tmp_path
):
    """Own data without a test split: the same name and number, other images."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8)
    own = tmp_path / "own.npz"
    np.savez(own, images=images, labels=np.arange(200) % 10)
    flags = {
        "classifier": run_dir / "classifier.keras",
        "dataset": own,
        "corruptions": "imagecorruptions",
        "corruption_kinds": "fog",
        "num_examples": 10,
    }
    assert call(tmp_path / "one", **flags) == 0
    before = rows(tmp_path / "one")
    capsys.readouterr()
    assert call(tmp_path / "one", split_seed=1, **flags) == 0
    assert (
        "5 lines of other models or images dropped" in capsys.readouterr().out
    )
    assert call(tmp_path / "two", split_seed=1, **flags) == 0
    found = rows(tmp_path / "one")
    assert found == rows(tmp_path / "two")
    assert found != before


def test_a_few_kinds_give_no_mean(run_dir, shifted, capsys):
    flags = {"corruptions": "imagecorruptions", "num_examples": 10}
    assert call(run_dir, corruption_kinds="fog,spatter", **flags) == 0
    assert {row["kind"] for row in rows(run_dir)} == {"fog", "spatter"}
    shown = capsys.readouterr().out
    assert "not all of the 15 standard kinds were scored" in shown


def test_the_published_set_is_read_from_its_folder(tmp_path, monkeypatch):
    """CIFAR-100-C, two images per severity, of a network for its classes."""
    folder = tmp_path / "CIFAR-100-C"
    folder.mkdir()
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    for kind in metrics.STANDARD_CORRUPTIONS:
        np.save(folder / f"{kind}.npy", images)
    np.save(folder / "labels.npy", np.tile([3, 5], 5))
    keras.utils.set_random_seed(0)
    network = models.SmallConvNet((32, 32, 3), 100, width=2)
    network.save(tmp_path / "net.keras")
    clean = data.ImageSet(images[:2], np.int32([3, 5]), np.arange(2))
    monkeypatch.setattr(data, "load_arrays", lambda *_, **__: clean)
    run = tmp_path / "run"
    flags = {
        "classifier": tmp_path / "net.keras",
        "dataset": "cifar100",
        "corruptions": "published",
        "corruption_dir": folder,
    }
    assert call(run, **flags) == 0
    found = rows(run)
    assert {row["set"] for row in found} == {"cifar100_c"}
    answers = np.argmax(network(images.astype("float32") / 255.0), axis=-1)
    for row in found:
        own = answers[2 * row["severity"] - 2 : 2 * row["severity"]]
        assert row["accuracy"] == pytest.approx(np.mean(own == [3, 5]))


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"corruption_kinds": "fog"}, "`corruption_kinds` has no effect"),
        ({"corruption_dir": "x"}, "`corruption_dir` has no effect"),
        (
            {"corruptions": "imagecorruptions", "corruption_dir": "x"},
            "`corruption_dir` has no effect",
        ),
        (
            {"corruptions": "imagecorruptions", "corruption_kinds": "rain"},
            "`corruption_kinds` must be one of",
        ),
        ({"corruptions": "published"}, "`dataset` must be one of 'cifar10'"),
        (
            {"corruptions": "published", "dataset": "cifar100"},
            "`corruption_dir` must be the unpacked folder of cifar100_c",
        ),
        (
            {
                "corruptions": "published",
                "dataset": "tiny_imagenet",
                "corruption_dir": "missing",
            },
            "which lacks wnids.txt",
        ),
        (
            {
                "corruptions": "published",
                "dataset": "cifar10",
                "corruption_dir": "missing",
            },
            "must hold the data set 'cifar10_c'",
        ),
        (
            {"corruptions": "published", "split": "validation"},
            "corruptions=published is a test set",
        ),
    ],
)
def test_refusals_come_before_any_work(run_dir, flags, text, capsys):
    assert call(run_dir, **flags) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
    assert not (run_dir / "records.jsonl").exists()


def test_a_missing_package_is_named_before_any_work(
    run_dir, monkeypatch, capsys
):
    monkeypatch.setitem(__import__("sys").modules, "imagecorruptions", None)
    assert call(run_dir, corruptions="imagecorruptions") == 2
    assert "keras_mixup[corruptions]" in capsys.readouterr().err
    assert not (run_dir / "records.jsonl").exists()


def test_what_a_former_classifier_scored_is_dropped(run_dir, shifted, capsys):
    flags = {"corruptions": "imagecorruptions", "num_examples": 20}
    assert call(run_dir, corruption_kinds="fog", **flags) == 0
    before = rows(run_dir)
    assert len(before) == 5 and "Common corruptions" in report_of(run_dir)
    keras.utils.set_random_seed(3)
    models.SmallConvNet((8, 8, 1), 10, width=2).save(
        run_dir / "classifier.keras"
    )
    (run_dir / "records.jsonl").unlink()
    # Without a word on corruptions, the report leaves them out.
    assert call(run_dir, num_examples=20) == 0
    shown = "Common corruptions: left out, since it is of other models"
    assert shown in report_of(run_dir)
    assert "<h2>Common corruptions</h2>" not in report_of(run_dir)
    assert call(run_dir, corruption_kinds="fog", **flags) == 0
    assert (
        "5 lines of other models or images dropped" in capsys.readouterr().out
    )
    after = rows(run_dir)
    assert len(after) == 5
    assert {r["digest"] for r in after}.isdisjoint(r["digest"] for r in before)
    assert "<h2>Common corruptions</h2>" in report_of(run_dir)


def report_of(folder):
    return (folder / "report.html").read_text()
