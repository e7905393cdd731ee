"""Gradients that lead nowhere are kept with the records and flagged."""

import json
import re

import pytest
import tensorflow as tf
from evaluation_toys import CLEAN
from evaluation_toys import EPS
from evaluation_toys import PGD
from evaluation_toys import Linear
from evaluation_toys import Noisy
from evaluation_toys import data

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup.attacks import evidence
from keras_mixup.evaluation import identity
from keras_mixup.evaluation import red_flags
from keras_mixup.reporting import report

ZERO = "zero or NaN gradients"
BLIND = "black-box beats white-box"
BARE = evaluation.Row("m", "none")
warned = pytest.mark.filterwarnings(
    "ignore:On .* rows the gradient of", "ignore:.*uses no gradient"
)


class Saturated(Linear):
    """Its gradient is exactly zero where the first pixel is above 0.5."""

    def __call__(self, images):
        logits = super().__call__(images)
        dark = logits[:, 1:] < 0.0
        return tf.where(dark, logits, tf.stop_gradient(logits))


def run(models, specs, count=8, **options):
    images, labels, _ = data(count)
    settings = {"verbose": False, "batch_size": 4, **options}
    return evaluation.evaluate(models, specs, images, labels, **settings)


def flags(records, name):
    return [f for f in red_flags.from_records(records) if f.name == name]


@warned
def test_zero_gradients_are_counted_over_all_batches():
    specs = [CLEAN, ("pgd", PGD, "oblivious")]
    found = run({"m": Saturated()}, specs)
    [(place, own)] = found.evidence.items()
    assert place == (BARE, found[-1].column)
    # Eight images, four of them bright.
    assert own.gradients == (8, 4, 0)
    [flag] = flags(found, ZERO)
    assert "pgd, the gradient is exactly zero on 4 of 8 rows" in flag.seen
    assert (flag.row, flag.budget) == (BARE, ("linf", EPS))


@warned
def test_padding_weighs_nothing():
    """Nine images: the last batch has a bright one, three times repeated."""
    found = run({"m": Saturated()}, [("pgd", PGD, "oblivious")], 9)
    [own] = found.evidence.values()
    assert own.gradients == (9, 5, 0)


def test_sound_gradients_are_looked_at():
    found = run({"m": Linear()}, [("pgd", PGD, "oblivious")])
    shown = red_flags.from_records(found)
    assert red_flags.status(shown)[ZERO] == "not found"
    clean = run({"m": Linear()}, [CLEAN])
    assert red_flags.status(red_flags.from_records(clean))[ZERO] == (
        "not looked for"
    )


class Rounded(Linear):
    """No gradient reaches its images."""

    def __call__(self, images):
        return tf.stop_gradient(super().__call__(images))


SQUARE = attacks.Square(PGD.threat, num_queries=3)


@pytest.mark.parametrize(("model", "zero"), [(Saturated, 4), (Rounded, 8)])
def test_a_model_that_gradients_cannot_follow_is_named(model, zero):
    text = f"On {zero} of 8 images the gradient of m is exactly zero"
    specs = [CLEAN, ("square", SQUARE, "oblivious")]
    with pytest.warns(UserWarning, match=text):
        found = run({"m": model()}, specs, batch_size=8)
    [flag] = flags(found, ZERO)
    assert "square follows no gradient. That of the model is" in flag.seen
    assert f"exactly zero on {zero} of 8 rows" in flag.seen


def test_a_defence_that_gradients_cannot_follow_is_named():
    eot = attacks.AveragedAttack(SQUARE, num_draws=2)
    with pytest.warns(UserWarning, match="gradient of d is exactly zero"):
        found = run({"d": Noisy(Rounded())}, [("eot", eot, "adaptive")])
    assert {f.row for f in flags(found, ZERO)} == {
        evaluation.Row("classifier", "d")
    }


def test_gradients_that_an_attack_follows_are_not_asked_for_again():
    both = [("square", SQUARE, "oblivious"), ("pgd", PGD, "oblivious")]
    found = run({"m": Linear()}, both)
    assert {column.attack for _, column in found.evidence} == {"pgd"}
    assert not run({"m": Rounded()}, [CLEAN]).evidence


@warned
def test_evidence_is_of_the_model_that_was_attacked():
    base = Saturated()
    eot = attacks.AveragedAttack(PGD, num_draws=2)
    specs = [("pgd", PGD, "oblivious"), ("eot", eot, "adaptive")]
    found = run({"d": Noisy(base)}, specs, model_name="m")
    rows = {(row, column.attack) for row, column in found.evidence}
    through = evaluation.Row("m", "d")
    assert rows == {(BARE, "pgd"), (through, "eot")}
    assert {f.row for f in flags(found, ZERO)} == {BARE, through}


@warned
def test_evidence_stays_beside_the_records(tmp_path):
    path = tmp_path / "records.jsonl"
    options = {"records_path": path}
    made = run({"m": Saturated()}, [("pgd", PGD, "oblivious")], **options)
    assert evaluation.read_records(path).evidence == made.evidence
    # A run that goes on adds to it, and one with nothing to do keeps it.
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:4]))
    again = run({"m": Saturated()}, [("pgd", PGD, "oblivious")], **options)
    [own] = again.evidence.values()
    assert own.gradients.rows == 12 and own.gradients.zero == 8
    assert evaluation.read_records(path).evidence == again.evidence
    last = run({"m": Saturated()}, [("pgd", PGD, "oblivious")], **options)
    assert last.evidence == again.evidence
    # Another attack beside it leaves it alone.
    run({"m": Saturated()}, [CLEAN], **options)
    assert evaluation.read_records(path).evidence == again.evidence
    [flag] = flags(evaluation.read_records(path), ZERO)
    page = report.write_report(tmp_path)
    with open(page) as file:
        text = file.read()
    assert re.search(f">{ZERO}</th><td[^>]*>found</td>", text)
    assert flag.seen in text


def test_it_is_written_before_its_records(tmp_path, monkeypatch):
    """A run that is killed right after loses no doubt."""
    path = tmp_path / "records.jsonl"
    seen = []

    def kill(*_):
        seen.append(json.loads(identity.path_of(path).read_text()))
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation.records, "append_records", kill)
    with (
        pytest.raises(KeyboardInterrupt),
        pytest.warns(UserWarning, match="exactly zero"),
    ):
        run(
            {"m": Saturated()},
            [("pgd", PGD, "oblivious")],
            records_path=path,
            batch_size=8,
        )
    [told] = seen[0]["evidence"].values()
    assert told == {"m": {"none": [[8, 4, 0], []]}}


class Masked(Linear):
    """Correct gradients of a loss that says nothing of the prediction."""

    def __call__(self, images):
        first = tf.reshape(images, [tf.shape(images)[0], -1])[:, 0]
        teeth = tf.math.floormod(first * 64.0, 1.0)
        score = 20.0 * (tf.round(first) - 0.5) - 0.01 * teeth
        return tf.stack([tf.zeros_like(score), score], axis=-1)


@pytest.mark.filterwarnings("ignore")
def test_a_part_without_gradients_that_finds_more_is_flagged():
    threat = ThreatModel("linf", 0.25)
    attack = attacks.AutoAttack(
        threat, "cheap", num_steps=2, num_targets=1, num_queries=60
    )
    found = run({"m": Masked()}, [("aa", attack, "adaptive")], batch_size=8)
    [own] = found.evidence.values()
    [part] = own.unseen
    assert part.name == "square" and part.broken > 1
    [flag] = flags(found, BLIND)
    assert f"Inside aa, square broke {part.broken} of" in flag.seen
    [single] = flags(found, BLIND)
    assert single.row == BARE
    sound = run({"m": Linear()}, [("aa", attack, "adaptive")], batch_size=8)
    status = red_flags.status(red_flags.from_records(sound))
    assert status[BLIND] == "not found"


def test_sums_of_evidence():
    first = evidence.from_json([[4, 1, 0], [["a", True, 4, 1, None]]])
    second = evidence.from_json([None, [["a", True, 3, 2, [3, 0, 0]]]])
    both = first.plus(second)
    assert both == evidence.from_json(
        [[4, 1, 0], [["a", True, 7, 3, [3, 0, 0]]]]
    )
    assert json.loads(json.dumps(both)) == [
        [4, 1, 0],
        [["a", True, 7, 3, [3, 0, 0]]],
    ]
    assert evidence.Evidence().plus(first) == first
    assert evidence.of_result(object()) is None
