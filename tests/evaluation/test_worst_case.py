"""Models whose chance of being right is known for each image."""

import numpy as np
import pytest
import tensorflow as tf
from evaluation_toys import CLEAN
from evaluation_toys import EPS
from evaluation_toys import PGD
from evaluation_toys import Fixed
from evaluation_toys import Linear
from evaluation_toys import data

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup import ops
from keras_mixup.evaluation import scoring


class Coin:
    """Right (class 0) with the probability that the first pixel says."""

    num_draws = 1
    pool = None

    def __init__(self, classifier=None):
        self.classifier = classifier

    def draw(self, images, seed=None, logits=None):
        seeds = ops.row_seeds(seed, tf.shape(images)[0])
        uniform = tf.map_fn(
            lambda row: tf.random.stateless_uniform([1], row),
            seeds,
            fn_output_signature=tf.TensorSpec([1], tf.float32),
        )
        return {"uniform": uniform}

    def apply(self, images, draws):
        return images[None]

    def predict_from_draws(self, images, draws, logits=None):
        wrong = draws["uniform"][:, 0] > images[:, 0, 0, 0]
        return tf.one_hot(tf.cast(wrong, tf.int32), 2, 0.0, -5.0)

    def __call__(self, images, seed=None):
        return self.predict_from_draws(images, self.draw(images, seed))


def constant(value, count=40):
    return np.full((count, 1, 1, 1), value, np.float32)


def test_the_weakest_image_is_found_and_scored():
    candidates = [constant(0.9), constant(0.1), constant(0.8)]
    found = evaluation.worst_case(
        Coin(), candidates, np.zeros(40, int), batch_size=16
    )
    # Five selection draws mistake 0.1 for 0.8 or 0.9 almost never.
    assert np.mean(found.chosen == 1) > 0.9
    assert found.predictions.shape == found.losses.shape == (10, 40)
    assert found.estimate.low < 0.1 + 0.05 and found.estimate.high > 0.1
    assert found.estimate.majority < found.estimate.accuracy + 0.05


def test_choosing_among_equals_does_not_flatter_the_attacker():
    """Ten fair coins: the unluckiest on its own draws is fair again."""
    candidates = [constant(0.5, 400)] * 10
    labels = np.zeros(400, int)
    found = evaluation.worst_case(Coin(), candidates, labels, batch_size=400)
    # 4,000 fair draws: the standard deviation is 0.008.
    assert abs(found.estimate.accuracy - 0.5) < 0.05
    # Scored on the draws of the choice it would be far below (0.5 ^ ...).
    again = scoring.Scorer(Coin(), lambda f, *a: f(*a))
    ids = np.arange(400)
    own = [
        np.argmax(again(candidates[0], ids, s, scoring.SELECT), -1) == labels
        for s in range(5)
    ]
    fresh = [
        np.argmax(again(candidates[0], ids, s), -1) == labels for s in range(5)
    ]
    # Equal numbers, other draws: 2,000 pairs of coins, half of them agree.
    assert 0.4 < np.mean(np.equal(own, fresh)) < 0.6


def test_a_deterministic_model_is_broken_by_any_attack():
    model = Linear()
    images, labels, first = data()
    up, down = images.copy(), images.copy()
    up[:, 0, 0, 0] += EPS
    down[:, 0, 0, 0] -= EPS
    found = evaluation.worst_case(model, [images, up, down], labels)
    survives = np.abs(first - 0.5) > EPS
    np.testing.assert_array_equal(found.predictions[0] == labels, survives)
    assert found.estimate.num_seeds == 1
    assert found.estimate.accuracy == found.estimate.majority


def test_of_equally_strong_images_the_one_with_the_larger_loss():
    model = Linear()
    images, labels, _ = data(6)
    nearer = 0.5 + 0.5 * (images - 0.5)
    found = evaluation.worst_case(model, [images, nearer, images], labels)
    assert set(found.chosen) == {1}


def test_batches_and_ids_do_not_change_a_row():
    candidates = [constant(0.5), constant(0.4)]
    labels = np.zeros(40, int)
    whole = evaluation.worst_case(Coin(), candidates, labels)
    parts = evaluation.worst_case(Coin(), candidates, labels, batch_size=7)
    np.testing.assert_array_equal(whole.chosen, parts.chosen)
    np.testing.assert_array_equal(whole.predictions, parts.predictions)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"candidates": []}, "`candidates` must be a list of one or more"),
        ({"candidates": [np.full((4, 1, 1, 1), 2.0)]}, r"float in \[0, 1\]"),
        ({"candidates": [constant(0.1, 3)]}, "`labels` must be integers"),
        ({"eval_seeds": range(9)}, "10 or more different integers"),
        ({"selection_seeds": ()}, "`selection_seeds` must be different"),
        ({"selection_seeds": (1, 1)}, "`selection_seeds` must be different"),
        ({"batch_size": 0}, "`batch_size` must be an integer"),
        ({"labels": np.full(4, 2)}, "3 or more classes wide"),
    ],
)
def test_bad_input(change, match):
    arguments = {
        "model": Coin(),
        "candidates": [constant(0.5, 4)],
        "labels": np.zeros(4, int),
        **change,
    }
    with pytest.raises(ValueError, match=match):
        evaluation.worst_case(**arguments)


# --- inside `evaluate`


def run(models, specs, count=40, **options):
    images = constant(0.9, count)
    settings = {
        "batch_size": 16,
        "verbose": False,
        "eval_seeds": range(10),
        "selection_seeds": range(5),
        **options,
    }
    labels = np.zeros(count, int)
    return evaluation.evaluate(models, specs, images, labels, **settings)


SPECS = [
    CLEAN,
    ("weak", Fixed(0.7), "oblivious"),
    ("strong", Fixed(0.2), "adaptive"),
]


def test_records_of_the_worst_case():
    base = Linear()
    records = run({"linear": base, "coin": Coin(base)}, SPECS)
    worst = [r for r in records if r.attack == "worst-case"]
    coin = [r for r in worst if r.defence == "coin"]
    assert len(coin) == 400 and len(worst) == 440
    assert {r.knowledge for r in worst} == {"adaptive"}
    assert {r.eval_seed for r in coin} == set(range(10))
    assert {(r.norm, r.eps, r.attack_seed) for r in worst} == {("linf", 1.0, 0)}
    # Two attacks of three passes; four queries each, and the choice among
    # three candidates on five seeds (one, without draws).
    assert {r.gradient_passes for r in worst} == {6}
    assert {r.queries for r in coin} == {8 + 15}
    assert {r.queries for r in worst if r.defence == "none"} == {8 + 3}
    accuracy = np.mean([r.prediction == r.label for r in coin])
    assert abs(accuracy - 0.2) < 0.1


def test_clean_images_are_candidates_too():
    harmless = [("helps", Fixed(1.0), "adaptive")]
    records = run({"coin": Coin(Linear())}, harmless)
    worst = [r for r in records if r.attack == "worst-case"]
    accuracy = np.mean([r.prediction == r.label for r in worst])
    # Always right when "attacked", nine times of ten when left alone.
    assert 0.8 < accuracy < 0.97


def test_no_worst_case_of_a_defence_that_was_not_attacked_adaptively():
    base = Linear()
    models = {"linear": base, "coin": Coin(base)}
    records = run(models, SPECS[:2])
    worst = {r.defence for r in records if r.attack == "worst-case"}
    assert worst == {"none"}
    without = run(models, SPECS, selection_seeds=())
    assert "worst-case" not in {r.attack for r in without}


def test_each_budget_has_its_own():
    small = Fixed(0.9, ThreatModel("linf", 0.01))
    specs = [*SPECS, ("small", small, "adaptive")]
    records = run({"coin": Coin(Linear())}, specs)
    by_eps = {
        eps: np.mean(
            [
                r.prediction == r.label
                for r in records
                if r.attack == "worst-case" and r.eps == eps
            ]
        )
        for eps in (0.01, 1.0)
    }
    assert by_eps[0.01] > 0.8 > 0.4 > by_eps[1.0]


def test_resume_recomputes_what_is_missing_only(tmp_path):
    base = Linear()
    models = {"linear": base, "coin": Coin(base)}
    path = tmp_path / "records.jsonl"
    expected = run(models, SPECS, records_path=path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    # Killed in the middle of the first batch's worst case of the defence.
    first = next(i for i, line in enumerate(lines) if b"worst-case" in line)
    for keep in (first, first + 20, len(lines) - 1):
        path.write_bytes(b"".join(lines[:keep]) + lines[keep][:30])
        with pytest.warns(UserWarning, match="incomplete last line"):
            assert run(models, SPECS, records_path=path) == expected
        assert path.read_bytes() == whole


def test_linear_model_against_the_closed_form():
    model = Linear()
    images, labels, first = data()
    weak = attacks.PGD(
        ThreatModel("linf", EPS),
        step_size=0.01,
        num_steps=1,
        random_start=False,
    )
    records = evaluation.evaluate(
        {"linear": model},
        [("weak", weak, "oblivious"), ("pgd", PGD, "adaptive")],
        images,
        labels,
        eval_seeds=range(10),
        selection_seeds=(0,),
        verbose=False,
    )
    worst = [r for r in records if r.attack == "worst-case"]
    survives = np.abs(first - 0.5) > EPS
    assert [r.prediction == r.label for r in worst] == list(survives)
    assert {r.eval_seed for r in worst} == {None}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"eval_seeds": (0, 1)}, "10 or more different integers"),
        ({"selection_seeds": (0, 0)}, "`selection_seeds` must be different"),
        ({"selection_seeds": (-1,)}, "`selection_seeds` must be an integer"),
    ],
)
def test_bad_seeds(change, match):
    with pytest.raises(ValueError, match=match):
        run({"coin": Coin(Linear())}, SPECS, **change)


def test_the_name_is_taken():
    with pytest.raises(ValueError, match='other than "worst-case"'):
        run({"linear": Linear()}, [("worst-case", Fixed(0.1), "oblivious")])
