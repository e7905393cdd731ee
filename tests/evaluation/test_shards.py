"""Parts of an evaluation join into exactly the records of one run."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from evaluation_toys import CLEAN
from evaluation_toys import PGD
from evaluation_toys import Linear
from evaluation_toys import Noisy

from keras_mixup import _files
from keras_mixup import attacks as attacks_lib
from keras_mixup import evaluation
from keras_mixup.evaluation import shards

DRAWS = attacks_lib.PGD(PGD.threat, 0.05, 2, random_start=True)
ATTACKS = [CLEAN, ("pgd", PGD, "oblivious"), ("draws", DRAWS, "oblivious")]


def data(count):
    images = np.random.default_rng(0).uniform(size=(count, 2, 2, 1))
    images = images.astype("float32")
    return images, (images[:, 0, 0, 0] > 0.5).astype(int)


def evaluate(folder, shard=None, count=11, attacks=ATTACKS):
    folder.mkdir(parents=True, exist_ok=True)
    classifier = Linear()
    images, labels = data(count)
    return evaluation.evaluate(
        {"plain": classifier, "noisy": Noisy(classifier)},
        attacks,
        images,
        labels,
        batch_size=3,
        eval_seeds=(0, 1),
        records_path=str(folder / _files.RECORDS),
        verbose=False,
        shard=shard,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One run, and three shards of it: four batches, so one has two."""
    root = tmp_path_factory.mktemp("shards")
    whole = evaluate(root / "whole")
    # Fewer examples for a slow attack: the second plan has one batch.
    evaluate(root / "whole", None, 3, [CLEAN, ("slow", PGD, "oblivious")])
    for number in (1, 2, 3):
        folder, shard = root / str(number), f"{number}/3"
        evaluate(folder, shard)
        evaluate(folder, shard, 3, [CLEAN, ("slow", PGD, "oblivious")])
    return root, whole


def blocked(images):
    return tf.stop_gradient(Linear()(images))


@pytest.mark.filterwarnings("ignore:On .* images the gradient of blocked")
def test_shards_know_what_one_run_knows_of_gradients(tmp_path):
    square = attacks_lib.Square(PGD.threat, num_queries=2)
    images, labels = data(7)

    def run(name, shard=None):
        folder = tmp_path / name
        folder.mkdir()
        return evaluation.evaluate(
            {"blocked": blocked},
            [("square", square, "oblivious")],
            images,
            labels,
            batch_size=3,
            records_path=str(folder / _files.RECORDS),
            verbose=False,
            shard=shard,
        ).evidence

    whole = run("whole")
    assert [own.gradients for own in whole.values()] == [(3, 3, 0)]
    assert run("1", "1/2") == whole and run("2", "2/2") == {}
    _, beside = shards.merge(folders(tmp_path, 1, 2))
    assert beside == _files.read_json(tmp_path / "whole" / _files.EVALUATION)


def folders(root, *numbers):
    return [root / str(number) for number in numbers]


def test_shards_join_into_the_records_of_one_run(made):
    root, _ = made
    merged, beside = shards.merge(folders(root, 3, 1, 2))
    expected = evaluation.records.read_lines(root / "whole" / _files.RECORDS)
    assert list(merged) == expected
    whole = _files.read_json(root / "whole" / _files.EVALUATION)
    assert beside == whole
    parts = [
        len(evaluation.records.read_lines(f / _files.RECORDS))
        for f in folders(root, 1, 2, 3)
    ]
    assert sum(parts) == len(expected) and min(parts) > 0


def test_a_shard_returns_its_own_records(made, tmp_path):
    _, whole = made
    images, _ = data(11)
    found = evaluate(tmp_path / "two", "2/3")
    ids = {record.example_id for record in found}
    assert ids == {3, 4, 5} and len(images) == 11
    assert list(found) == [r for r in whole if r.example_id in ids]


def test_gaps_doubles_and_strangers_are_refused(made, tmp_path):
    root, _ = made
    with pytest.raises(ValueError, match="2 of 3, without 2/3"):
        shards.merge(folders(root, 1, 3))
    with pytest.raises(ValueError, match="none"):
        shards.merge([])
    shutil.copytree(root / "1", tmp_path / "again")
    with pytest.raises(ValueError, match="shard 1/3 in .* and in .*again"):
        shards.merge([*folders(root, 1, 2, 3), tmp_path / "again"])
    evaluate(tmp_path / "other", "2/3", attacks=[CLEAN])
    with pytest.raises(ValueError, match="of different evaluations"):
        shards.merge([*folders(root, 1, 3), tmp_path / "other"])
    with pytest.raises(FileNotFoundError, match="holds no shard"):
        shards.merge([root / "whole"])
    with pytest.raises(ValueError, match="`shard` must be '2/3', which"):
        evaluate(root / "2", "1/3")


def test_a_shard_that_was_cut_short_is_named_and_goes_on(made, tmp_path):
    root, _ = made
    cut = tmp_path / "cut"
    shutil.copytree(root / "1", cut)
    lines = (cut / _files.RECORDS).read_text().splitlines(keepends=True)
    (cut / _files.RECORDS).write_text("".join(lines[:-2]))
    others = folders(root, 2, 3)
    with pytest.raises(ValueError, match="`shards` .*cut, where .* missing"):
        shards.merge([cut, *others])
    evaluate(cut, "1/3", 3, [CLEAN, ("slow", PGD, "oblivious")])
    assert list(shards.merge([cut, *others])[0]) == list(
        shards.merge(folders(root, 1, 2, 3))[0]
    )
    (cut / _files.RECORDS).write_text("".join([*lines, lines[0]]))
    with pytest.raises(ValueError, match="twice"):
        shards.merge([cut, *others])
    row = {**json.loads(lines[0]), "attack_seed": 9}
    (cut / _files.RECORDS).write_text("".join([*lines, json.dumps(row), "\n"]))
    with pytest.raises(ValueError, match="of another one"):
        shards.merge([cut, *others])


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "", 1, "1/2/3"])
def test_a_shard_is_a_part_of_a_whole(shard):
    with pytest.raises(ValueError, match="`shard` must be"):
        shards.parse(shard)


def test_more_shards_than_batches(tmp_path):
    for number in range(1, 4):
        evaluate(tmp_path / str(number), f"{number}/3", 4, [CLEAN])
    merged, _ = shards.merge(folders(tmp_path, 1, 2, 3))
    assert list(merged) == list(evaluate(tmp_path / "w", None, 4, [CLEAN]))
    np.testing.assert_array_equal(
        np.unique([r.example_id for r in merged]), np.arange(4)
    )
