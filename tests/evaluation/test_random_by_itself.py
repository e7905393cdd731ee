"""A user's model with noise inside is never judged by a single draw."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from evaluation_toys import CLEAN
from evaluation_toys import PGD
from evaluation_toys import Linear
from evaluation_toys import data

from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup.evaluation import red_flags
from keras_mixup.studies import corruption_accuracies

LEVEL = 0.2


class NoisyLayer(keras.layers.Layer):
    """`Linear` behind a shift in [-LEVEL, LEVEL] for each call and row."""

    def call(self, images):
        shift = tf.random.uniform([tf.shape(images)[0], 1, 1, 1], -1.0, 1.0)
        return Linear()(images + LEVEL * shift)


def with_numpy(images):
    shift = np.random.uniform(-LEVEL, LEVEL)
    return Linear()(images + np.float32(shift))


class NumpyLayer(keras.layers.Layer):
    def call(self, images):
        return with_numpy(images)


def run(model, specs=(CLEAN,), count=200, **options):
    images, labels, _ = data(count)
    settings = {"verbose": False, "batch_size": 100, **options}
    return evaluation.evaluate(
        {"net": model}, specs, images, labels, **settings
    )


def expected(first):
    """P(right) of each image: the share of shifts that leave its side."""
    return np.minimum(1.0, 0.5 + np.abs(first - 0.5) / (2 * LEVEL))


@pytest.mark.parametrize("model", [NoisyLayer(), lambda x: NoisyLayer()(x)])
def test_one_seed_is_refused_before_the_first_attack(model, tmp_path):
    match = "`eval_seeds` must be two or more seeds, since net gives two answ"
    with pytest.raises(ValueError, match=match) as caught:
        run(model, eval_seeds=(7,), records_path=tmp_path / "records.jsonl")
    assert "RandomizedInference" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_several_seeds_average():
    found = run(NoisyLayer(), eval_seeds=range(20))
    assert {r.eval_seed for r in found} == set(range(20))
    assert {(r.model, r.defence) for r in found} == {("net", "none")}
    accuracy = np.mean([r.hit for r in found])
    # 4,000 answers scatter by less than 0.008.
    assert accuracy == pytest.approx(expected(data(200)[2]).mean(), abs=0.04)
    [summary] = evaluation.summarize(found)
    assert summary.num_seeds == 20 and summary.std > 0.0


@pytest.mark.parametrize("model", [NumpyLayer(), with_numpy])
def test_draws_that_a_trace_freezes_are_refused(model):
    with pytest.raises(ValueError, match="`net` must be a model that draws by"):
        run(model, eval_seeds=(0, 1))


def test_what_answers_equally_is_scored_once():
    for model in (Linear(), keras.Sequential([keras.layers.Flatten()])):
        assert {r.eval_seed for r in run(model, eval_seeds=(0, 1))} == {None}


def test_an_attack_on_the_mean_stays_one_and_a_single_answer_is_flagged():
    averaged = attacks.AveragedAttack(PGD, num_draws=3)
    specs = [("mean", averaged, "adaptive"), ("one", PGD, "oblivious")]
    with pytest.warns(UserWarning, match="pgd-4 takes one of them"):
        found = run(NoisyLayer(), specs, 20, eval_seeds=(0, 1))
    passes = {r.attack: r.gradient_passes for r in found}
    assert passes == {"mean": 4 * 3, "one": 4}
    [flag] = [
        flag
        for flag in red_flags.from_records(found)
        if flag.name == "randomised model under a deterministic attack"
    ]
    assert "one asks it for one draw" in flag.seen


def test_the_worst_case_is_chosen_and_scored_on_several_draws():
    images, labels, first = data(200)
    away = images + np.where(first > 0.5, -0.1, 0.1)[:, None, None, None]
    found = evaluation.worst_case(
        NoisyLayer(), [images, away.astype("float32")], labels
    )
    assert found.predictions.shape == (10, 200)
    assert np.mean(found.chosen) > 0.5
    with pytest.warns(UserWarning, match="pgd-4 takes one of them"):
        inside = run(
            NoisyLayer(),
            [("pgd", PGD, "adaptive")],
            20,
            eval_seeds=range(10),
            selection_seeds=(0, 1, 2),
        )
    worst = [r for r in inside if r.attack == "worst-case"]
    assert {r.eval_seed for r in worst} == set(range(10))
    # One query of PGD for each of its parts, then two candidates on 3 seeds.
    asked = {r.queries - p.queries for r, p in zip(worst, inside)}
    assert asked == {2 * 3}


def test_corrupted_images_need_several_seeds_as_well():
    def make_set(kind, severity):
        images, labels, _ = data(50)
        return images, labels, np.arange(50)

    models = {"net": NoisyLayer()}
    with pytest.raises(ValueError, match="`eval_seeds` must be two or more"):
        corruption_accuracies(models, make_set, kinds=("fog",))
    found = corruption_accuracies(
        models, make_set, kinds=("fog",), eval_seeds=range(40)
    )
    mean = expected(data(50)[2]).mean()
    assert found["net"]["fog", 1] == pytest.approx(mean, abs=0.05)
