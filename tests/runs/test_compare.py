"""Runs compared: one table, what is refused, the leaderboard."""

import csv
import io
import types

import numpy as np
import pytest
from calls import call
from calls import check_error

from keras_mixup import ThreatModel
from keras_mixup import _files
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup import runs
from keras_mixup.data import arrays
from keras_mixup.evaluation import records
from keras_mixup.runs import comparing
from keras_mixup.runs import stored

VERSIONS = {"keras_mixup": "x"}
EXAMPLES = {str(i): f"{i:08x} {i % 2}" for i in range(4)}


def record(
    example, hit, attack="clean", knowledge="none", defence="none", **kw
):
    attacked = knowledge != "none"
    values = {
        "example_id": example,
        "label": example % 2,
        "model": "m",
        "defence": defence,
        "attack": attack,
        "knowledge": knowledge,
        "norm": "linf" if attacked else None,
        "eps": 0.1 if attacked else None,
        "attack_seed": 0 if attacked else None,
        "eval_seed": None,
        "prediction": example % 2 if hit else 1 - example % 2,
        "loss": 1.0,
        "gradient_passes": 10 if attacked else 0,
        "queries": 1,
        "pool_split": None,
    }
    return evaluation.Record(**{**values, **kw})


def write(folder, hits, examples=EXAMPLES, **kw):
    """A run in which `hits` of the examples withstand the attack."""
    folder.mkdir(parents=True)
    rows = []
    for i in map(int, examples):
        rows.append(record(i, True, **kw))
        rows.append(record(i, i < hits, "pgd-10", "adaptive", **kw))
    evaluation.write_records(folder / _files.RECORDS, rows)
    call = {"settings": {"attacks": ["clean", "pgd"]}, "versions": VERSIONS}
    told = {"examples": examples, "calls": [call], "defences": {}}
    _files.write_json(folder / _files.EVALUATION, {**told, "columns": {}})
    return folder


@pytest.fixture
def three(tmp_path):
    return [
        write(tmp_path / f"run_{n}", n, model=f"net {n}") for n in (2, 3, 1)
    ]


def test_the_most_robust_run_comes_first(three):
    found = runs.compare(three)
    assert [line.run for line in found.lines] == ["run_3", "run_2", "run_1"]
    accuracies = [line.standing.accuracy for line in found.lines]
    assert accuracies == [0.75, 0.5, 0.25]
    assert [line.clean.accuracy for line in found.lines] == [1, 1, 1]
    table = found.text.splitlines()
    assert table[1].split()[0] == "run_3"
    assert "75.0 [" in table[1]
    assert found.files == ()


def test_the_table_is_written_in_three_forms(three, tmp_path):
    found = runs.compare(three, output=tmp_path / "out")
    markdown, table, page = (p.read_text("utf-8") for p in found.files)
    assert [p.suffix for p in found.files] == [".md", ".csv", ".html"]
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [float(r["adaptive_accuracy"]) for r in rows] == [0.75, 0.5, 0.25]
    assert {r["eps"] for r in rows} == {"0.1"}
    assert all(float(r["adaptive_low"]) < 0.76 for r in rows)
    # A page may break names after an underline.
    for text in (markdown, page.replace("<wbr>", "")):
        places = [text.index(f"run_{n}") for n in (3, 2, 1)]
        assert places == sorted(places)
        assert "L-inf, eps 0.1" in text


def test_other_threats_and_examples_are_refused(three, tmp_path):
    wide = write(tmp_path / "wide", 1)
    rows = evaluation.read_records(wide / _files.RECORDS)
    changed = [r._replace(eps=0.2) if r.eps else r for r in rows]
    evaluation.write_records(wide / _files.RECORDS, changed)
    with pytest.raises(ValueError, match="one threat model; run_2 has .*0.1"):
        runs.compare([*three, wide])
    fewer = dict(list(EXAMPLES.items())[:3])
    few = write(tmp_path / "few", 1, fewer)
    with pytest.raises(ValueError, match="few with 3 examples, 3 of them"):
        runs.compare([*three, few])
    other = write(tmp_path / "other", 1, {**EXAMPLES, "2": "ffffffff 0"})
    with pytest.raises(ValueError, match="1 other images under the same ids"):
        runs.compare([*three, other])
    clean = tmp_path / "clean"
    clean.mkdir()
    evaluation.write_records(clean / _files.RECORDS, [record(0, True)])
    with pytest.raises(ValueError, match="evaluated under an attack"):
        runs.compare([clean])
    with pytest.raises(FileNotFoundError, match="evaluate that run first"):
        runs.compare([tmp_path])


def test_slow_attacks_decide_on_which_examples_all_are_compared(tmp_path):
    path = write(tmp_path / "run", 2)
    rows = evaluation.read_records(path / _files.RECORDS)
    rows += [record(i, True, "pgd-10", "oblivious", "d") for i in range(4)]
    rows += [record(i, i == 0, "eot", "adaptive", "d") for i in range(2)]
    evaluation.write_records(path / _files.RECORDS, rows)
    bare, defended = sorted(
        runs.compare([path]).lines, key=lambda n: n.row.defence != "none"
    )
    # Of the first two examples the bare model withstands both.
    assert bare.standing.accuracy == 1.0
    assert defended.standing.accuracy == 0.5
    assert defended.compared.oblivious.accuracy == 1.0
    assert bare.example_ids == defended.example_ids == {0, 1}


def test_an_oblivious_attack_that_is_the_worst_counts_where_compared(tmp_path):
    path = write(tmp_path / "run", 4)
    rows = [record(i, True, defence="d") for i in range(4)]
    rows += [record(i, i == 3, "pgd-10", "oblivious", "d") for i in range(4)]
    rows += [record(i, True, "eot", "adaptive", "d") for i in range(2)]
    evaluation.write_records(path / _files.RECORDS, rows)
    (line,) = runs.compare([path]).lines
    assert line.example_ids == {0, 1}
    assert line.standing.column.attack == "pgd-10"
    assert line.clean.num_examples == line.standing.estimate.num_examples == 2


def test_the_leaderboard_keeps_one_entry_for_each_model(three, tmp_path):
    file = tmp_path / "results" / "board.json"
    runs.compare(three[:2], leaderboard=file)
    runs.compare(three[1:], leaderboard=file)
    found = _files.read_json(file)
    assert [e["run"] for e in found["entries"]] == ["run_3", "run_2", "run_1"]
    assert found["examples"] == EXAMPLES
    best = found["entries"][0]
    assert best["adaptive"]["accuracy"] == 0.75
    (command,) = best["commands"]
    assert command.startswith("keras-mixup evaluate --attacks=clean,pgd ")
    assert command.endswith(f"--run_dir={three[1]}")
    wide = write(tmp_path / "wide", 1, dict(list(EXAMPLES.items())[:2]))
    with pytest.raises(ValueError, match="`leaderboard` must be.*examples"):
        runs.compare([wide], leaderboard=file)
    assert _files.read_json(file) == found


def test_the_command_takes_folders(three, capsys):
    assert call_with(*three) == 0
    assert "run_3" in capsys.readouterr().out
    check_error(capsys, call_with(), "`arguments` must be run folders")


def call_with(*folders):
    from keras_mixup.cli import main

    return main.main(["keras-mixup", "compare", *map(str, folders)])


def test_two_folders_of_one_name_are_told_apart(tmp_path):
    paths = [write(tmp_path / n / "run", 1) for n in ("a", "b")]
    found = comparing.compare(paths)
    assert {line.run for line in found.lines} == set(map(str, paths))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run on digits that keeps the images of its attacks."""
    folder = tmp_path_factory.mktemp("kept")
    settings = runs.TrainSettings(width=2, num_train=100, epochs=1)
    runs.train(settings, folder / "one")
    asked = runs.EvaluateSettings(
        attacks="clean,fgsm",
        num_examples=6,
        num_draws=2,
        eps=0.1,
        adaptive_steps=1,
        eval_seeds="0",
        probe=False,
        save_adversarial=True,
    )
    first = runs.evaluate(asked, folder / "one")
    files = sorted((folder / "one" / "adversarial").iterdir())
    return folder, asked, first, files


def test_images_are_kept_with_what_made_them(kept):
    folder, asked, first, files = kept
    # FGSM on the classifier; the adaptive attack through it and the defence.
    assert len(files) == 3
    spec = stored.read_spec(next(f for f in files if "fgsm" in f.name))
    assert (spec.knowledge, spec.attack.threat.eps) == ("oblivious", 0.1)
    with np.load(spec.attack.path) as found:
        assert found["images"].shape == (6, 8, 8, 1)
        ids = {r.example_id for r in first.records}
        assert set(found["example_ids"].tolist()) == ids


def test_no_file_of_images_replaces_one_of_another_radius(tmp_path):
    """The radii are equal in the digits that names of files have."""
    images = np.random.default_rng(0).random((2, 3, 3, 1), np.float32)
    labels, ids = np.array([0, 1]), np.array([4, 7])
    batch = arrays.Batch(images, labels, ids, 2)
    row = records.Row("my net", "none")
    subject = types.SimpleNamespace(row=row)

    def write(eps):
        keep = stored.Keeper()
        attack = attacks.FGSM(ThreatModel("linf", eps))
        spec = evaluation.AttackSpec("fgsm", attack, "oblivious")
        crafted = types.SimpleNamespace(images=images + eps)
        keep(batch, spec, subject, 0, crafted)
        (path,) = keep.write(tmp_path)
        return path

    radii = (0.1, 0.10001, 0.1 + 1e-9)
    paths = [write(eps) for eps in radii]
    assert len(set(paths)) == 3
    # A second call finds its own file again.
    assert [write(eps) for eps in reversed(radii)] == paths[::-1]
    for eps, path in zip(radii, paths, strict=True):
        assert stored.read_spec(path).attack.threat.eps == eps
        with np.load(path) as found:
            np.testing.assert_array_equal(found["images"], images + eps)
    # Nor one that somebody else left there.
    paths[0].write_text("mine")
    assert write(0.1) not in paths
    assert paths[0].read_text() == "mine"


def test_a_second_call_writes_the_same_images(kept):
    folder, asked, first, files = kept
    before = [f.read_bytes() for f in files]
    images = [np.load(f)["images"] for f in files]
    runs.evaluate(asked, folder / "one")
    for file, image in zip(files, images, strict=True):
        np.testing.assert_array_equal(np.load(file)["images"], image)
    assert len(before) == len(files)


def test_kept_images_are_scored_on_any_model(kept):
    """On their own model they give the answers of the attack itself."""
    folder, asked, first, files = kept
    file = next(f for f in files if "fgsm" in f.name)
    again = runs.EvaluateSettings(
        attacks="clean",
        adversarial=str(file),
        classifier=str(folder / "one" / "classifier.keras"),
        dataset="digits",
        num_examples=8,  # The file has six of them.
        num_draws=2,
        eval_seeds="0",
        probe=False,
    )
    found = runs.evaluate(again, folder / "two")
    made = stored.read_spec(file).attack.made
    column = next(c for c in found.records.by("column") if c.eps)
    assert column.knowledge == "oblivious"
    expected = {
        r.example_id: r.prediction
        for r in first.records
        if r.attack == made["attack"] and r.defence == made["defence"] == "none"
    }
    answers = {
        r.example_id: r.prediction
        for r in found.records
        if r.column == column and r.defence == "none"
    }
    assert answers == expected
    assert len(answers) == 6


def test_a_file_of_other_images_is_refused(kept, capsys):
    folder, asked, first, files = kept
    flags = {"attacks": "clean", "noprobe": True, "num_examples": 6}
    flags = {"classifier": folder / "one" / "classifier.keras", "probe": False}
    flags |= {"dataset": "digits", "attacks": "clean", "run_dir": folder / "x"}
    flags |= {"split": "validation", "adversarial": files[0], "defences": ""}
    check_error(capsys, call("evaluate", **flags), "`adversarial` must be")
    flags["adversarial"] = folder / "one" / "pictures.npz"
    check_error(capsys, call("evaluate", **flags), "an .npz file with images")
    flags["adversarial"] = folder / "none.npz"
    check_error(capsys, call("evaluate", **flags), "there is no file")
