import json
import math

import pytest

from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup.evaluation import records as records_lib


def record(example_id=0, prediction=0, **changes):
    fields = {
        "example_id": example_id,
        "label": 0,
        "model": "mixup",
        "defence": "none",
        "attack": "pgd-10",
        "knowledge": "oblivious",
        "norm": "linf",
        "eps": 8 / 255,
        "attack_seed": 0,
        "eval_seed": None,
        "prediction": prediction,
        "loss": 0.5,
        "gradient_passes": 10,
        "queries": 0,
        "pool_split": None,
    }
    return evaluation.Record(**{**fields, **changes})


def test_a_line_holds_exactly_the_agreed_fields(tmp_path):
    path = tmp_path / "records.jsonl"
    evaluation.write_records(path, [record()])
    line = json.loads(path.read_text())
    assert (
        list(line)
        == (
            "example_id label model defence attack knowledge norm eps "
            "attack_seed eval_seed prediction loss gradient_passes queries "
            "pool_split"
        ).split()
    )


def test_a_line_without_a_confidence_is_that_of_a_former_release(tmp_path):
    path = tmp_path / "records.jsonl"
    evaluation.write_records(path, [record(confidence=0.75), record(1)])
    first, second = map(json.loads, path.read_text().splitlines())
    assert first.pop("confidence") == 0.75
    assert list(first) == list(second)
    assert [r.confidence for r in evaluation.read_records(path)] == [0.75, None]


def test_a_summary_has_the_calibration_error_of_its_answers():
    known = [record(0, 0, confidence=0.9), record(1, 1, confidence=0.8)]
    (found,) = evaluation.summarize(known)
    # Two bins of one answer each: |1 - 0.9| / 2 + |0 - 0.8| / 2.
    assert found.calibration_error == pytest.approx(0.45)
    (found,) = evaluation.summarize([*known, record(2)])
    assert found.calibration_error is None


def test_round_trip_keeps_values_and_keys(tmp_path):
    path = tmp_path / "records.jsonl"
    written = [record(i, loss=math.pi * i, eval_seed=i) for i in range(5)]
    evaluation.append_records(path, written[:2])
    evaluation.append_records(path, written[2:])
    read = evaluation.read_records(path)
    assert read == written
    assert [r.key for r in read] == [r.key for r in written]


def test_key_ignores_the_outcome_but_nothing_else():
    base = record()
    outcome = {
        *("label", "prediction", "loss", "gradient_passes", "queries"),
        "confidence",
    }
    for field in outcome:
        assert base._replace(**{field: 7}).key == base.key
    for field in set(base._fields) - outcome:
        assert base._replace(**{field: "other"}).key != base.key


def test_torn_last_line_is_dropped_once_and_then_overwritten(tmp_path):
    path = tmp_path / "records.jsonl"
    evaluation.append_records(path, [record(0), record(1)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.warns(UserWarning, match="incomplete last line") as caught:
        assert evaluation.read_records(path) == [record(0)]
    assert len(caught) == 1
    evaluation.append_records(path, [record(1)])
    assert path.read_bytes() == whole


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "records.jsonl"
    evaluation.append_records(path, [record(0)])
    with open(path, "a") as file:
        file.write('{"example_id": 3}\n')
    with pytest.raises(ValueError, match="line 2: no evaluation record"):
        evaluation.read_records(path)


def test_write_leaves_the_old_file_when_a_value_is_no_json(tmp_path):
    path = tmp_path / "records.jsonl"
    evaluation.write_records(path, [record(0)])
    with pytest.raises(ValueError):
        evaluation.write_records(path, [record(1, loss=math.nan)])
    assert evaluation.read_records(path) == [record(0)]
    assert [p.name for p in tmp_path.iterdir()] == ["records.jsonl"]


def test_summarize_counts_by_hand():
    # Seed 0: 3 of 4 right, seed 1: 1 of 4: mean 0.5, sample std 0.3535...
    rows = [record(i, prediction=int(i == 0), eval_seed=0) for i in range(4)]
    rows += [record(i, prediction=int(i > 0), eval_seed=1) for i in range(4)]
    rows += [rows[0]]  # A line that occurs twice counts once.
    rows += [record(i, attack="clean", knowledge="none") for i in range(2)]
    attacked, clean = records_lib.summarize(rows)
    assert attacked.accuracy == 0.5
    assert attacked.std == pytest.approx(math.sqrt(0.125))
    assert (attacked.num_examples, attacked.num_seeds) == (4, 2)
    assert attacked.gradient_passes == 10
    assert clean.accuracy == 1.0 and clean.std is None
    assert clean.num_examples == 2
    assert attacked.row == ("mixup", "none")
    assert attacked.column == ("pgd-10", "oblivious", "linf", 8 / 255)


def known():
    facts = {record().column: attacks.Facts(knows_draws=False, num_steps=10)}
    rows = [record(i) for i in range(4)]
    return evaluation.Records(rows, facts, {"d": {"class": "D"}})


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found[1:3],
        lambda found: found.copy(),
        lambda found: found + found,
        lambda found: found + [record(9)],
        lambda found: [record(9)] + found,
        lambda found: found[:0].__iadd__(found),
        lambda found: found.where(lambda r: r.hit),
        lambda found: found.unique(),
    ],
)
def test_facts_stay_with_slices_copies_and_sums(change):
    found = change(known())
    assert isinstance(found, evaluation.Records) and len(found)
    assert found.facts == known().facts
    assert found.defences == known().defences


def test_sums_of_different_things_under_one_name_are_refused():
    other = known()
    other.facts[record().column] = attacks.Facts(num_steps=20)
    with pytest.raises(ValueError, match="equal names have equal facts"):
        known() + other
    # What one side alone knows, the sum knows.
    second = evaluation.Records([record(attack="fgsm")])
    second.facts[second[0].column] = attacks.Facts(num_steps=1)
    assert len((known() + second).facts) == 2


def test_a_plain_list_knows_nothing():
    """Not that an adaptive attacker lacks the draws."""
    drawn = record(knowledge="adaptive", eval_seed=0, defence="d")
    fair = attacks.Facts(knows_draws=False)
    found = evaluation.Records([drawn], {drawn.column: fair})
    assert found.counts(drawn)
    assert not evaluation.Records(sorted(found)).counts(drawn)
    assert not evaluation.Records(list(found)).counts(drawn)
    # Without draws there is nothing to know.
    assert evaluation.Records([]).counts(drawn._replace(eval_seed=None))
