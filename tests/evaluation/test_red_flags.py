"""For each rule something that triggers it; and nothing where all is well."""

import random

import numpy as np
import pytest
import tensorflow as tf
from evaluation_toys import EPS
from evaluation_toys import PGD
from evaluation_toys import Fixed
from evaluation_toys import Linear
from evaluation_toys import Noisy
from evaluation_toys import data

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup.evaluation import red_flags


def cell(attack, right, defence="none", knowledge="adaptive", **changes):
    """Records of 100 examples, the first `right` of them correct."""
    fields = {
        "model": "m",
        "defence": defence,
        "norm": "linf",
        "eps": 8 / 255,
        "attack_seed": 0,
        "eval_seed": None if defence == "none" else 0,
        "loss": 1.0,
        "gradient_passes": 10,
        "queries": 0,
        "pool_split": None,
        **changes,
    }
    return [
        evaluation.Record(
            example_id=i,
            label=1,
            attack=attack,
            knowledge=knowledge,
            prediction=int(i < right),
            **fields,
        )
        for i in range(100)
    ]


def sound():
    """Numbers as they should be."""
    return [
        *cell("clean", 95, knowledge="none", norm=None, eps=None),
        *cell("pgd-10", 30, knowledge="oblivious"),
        *cell("pgd-50", 28, knowledge="oblivious"),
        *cell("square-5000", 40, knowledge="oblivious", gradient_passes=0),
        *cell("pgd-10", 10, knowledge="oblivious", eps=16 / 255),
        *cell("pgd-10", 0, knowledge="oblivious", eps=1.0),
        *cell("pgd-10", 70, "MI-OL", "oblivious"),
        *cell("tramer2020-50x15", 31, "MI-OL"),
        *cell("tramer2020-100x15", 30, "MI-OL"),
        *cell("tramer2020-50x30", 30, "MI-OL"),
        *cell("worst-case", 25, "MI-OL"),
        *cell("fixed_draws-100", 5, "MI-OL"),
    ]


def names(flags):
    return [found.name for found in flags]


def test_sound_records_show_none():
    assert red_flags.from_records(sound()) == []
    assert red_flags.from_records([]) == []


@pytest.mark.parametrize(
    ("added", "name", "seen"),
    [
        (
            cell("square-5000", 10, knowledge="oblivious", gradient_passes=0),
            "black-box beats white-box",
            "10.0 % under square-5000",
        ),
        (
            cell("cleverhans-spsa-20x128", 5, "MI-OL", gradient_passes=0),
            "black-box beats white-box",
            "5.0 % under cleverhans-spsa",
        ),
        (
            cell("pgd-200", 10, "MI-OL", "oblivious"),
            "adaptive weaker than oblivious",
            "10.0 % under pgd-200 (oblivious), 30.0 %",
        ),
        (
            cell("transfer-50", 10, "MI-OL", "transfer"),
            "adaptive weaker than oblivious",
            "10.0 % under transfer-50 (transfer)",
        ),
        (
            cell("pgd-10", 45, knowledge="oblivious", eps=0.2),
            "accuracy does not fall with eps",
            "45.0 % under pgd-10 at this eps, 10.0 % at eps 0.062",
        ),
        (
            cell("tramer2020-50x15", 25, "MI-OL", eps=1.0),
            "accuracy does not fall with eps",
            "25.0 % are left",
        ),
        (
            cell("tramer2020-400x15", 15, "MI-OL"),
            "more effort still helps",
            "15.0 % under tramer2020-400x15 (adaptive), 30.0 % under tramer2020"
            "-100x15",
        ),
        (
            cell("tramer2020-50x100", 15, "MI-OL"),
            "more effort still helps",
            "under tramer2020-50x30",
        ),
        (
            [
                *cell("square-300 of 30 draws", 40, "MI-OL"),
                *cell("square-300 of 5 draws", 60, "MI-OL"),
            ],
            "more effort still helps",
            "under square-300 of 5 draws",
        ),
        (
            cell("apgd-ce-100", 60, "MI-OL"),
            "randomised model under a deterministic attack",
            "apgd-ce-100 asks it once",
        ),
        (
            cell("autoattack-standard", 60, "MI-OL"),
            "randomised model under a deterministic attack",
            "autoattack-standard",
        ),
    ],
)
def test_each_rule_of_the_records(added, name, seen):
    added_cells = {record[2:8] for record in added}
    kept = [r for r in sound() if r[2:8] not in added_cells]
    flags = red_flags.from_records([*kept, *added])
    assert name in names(flags)
    found = flags[names(flags).index(name)]
    assert seen in found.seen
    assert found.why and found.remedy and found.where.startswith("m")
    assert found.seen in found.text and found.remedy in found.text


def test_a_difference_within_chance_is_no_flag():
    near = cell("pgd-200", 28, "MI-OL", "oblivious")
    assert red_flags.from_records([*sound(), *near]) == []


@pytest.mark.parametrize(
    "attack",
    [
        "autoattack-rand",
        "autoattack-standard, rand on draws",
        "square-300 of 15 draws",
        "apgd-ce-100 of 15 draws",
    ],
)
def test_an_attack_for_randomised_models_is_no_flag(attack):
    fine = cell(attack, 30, "MI-OL")
    assert red_flags.from_records([*sound(), *fine]) == []


# --- the probe


def probe(model, **options):
    images, labels, _ = data(12)
    return red_flags.probe(model, images, labels, **options)


def test_sound_models_show_none():
    assert probe(Linear(), attack=PGD) == []


def test_a_sound_defence_shows_none():
    adaptive = attacks.MixupInferenceAttack(PGD.threat, num_steps=2)
    assert probe(Noisy(Linear()), attack=adaptive, steps=5) == []


def test_any_attack_on_the_mean_over_draws_is_sound():
    averaged = attacks.AveragedAttack(attacks.Square(PGD.threat, 5), 3)
    assert probe(Noisy(Linear()), attack=averaged, steps=0) == []


def test_randomised_under_a_deterministic_attack():
    images, labels, _ = data(12)
    apgd = attacks.PGD(ThreatModel("linf", EPS), num_steps=2)
    [found] = probe(Noisy(Linear()), attack=apgd)
    assert found.name == "randomised model under a deterministic attack"
    assert "pgd-2 would take one" in found.seen

    def undeclared(images):
        return Linear()(images) + tf.random.normal([len(images), 2])

    assert names(probe(undeclared, steps=0)) == [
        "randomised model under a deterministic attack"
    ]


@pytest.mark.parametrize("source", ["numpy", "python"])
def test_randomness_that_a_trace_freezes(source):
    def model(images):
        draw = np.random.normal() if source == "numpy" else random.random()
        return Linear()(images) * np.float32(1 + draw)

    found = names(probe(model, steps=0))
    assert "randomness frozen in a trace" in found


def test_tensorflows_randomness_is_not_frozen():
    def model(images):
        return Linear()(images) + tf.random.normal([len(images), 2])

    assert "randomness frozen in a trace" not in names(probe(model, steps=0))


def test_probabilities():
    def model(images):
        return tf.nn.softmax(Linear()(images))

    assert names(probe(model)) == ["probabilities instead of logits"]


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda logits: 0.0 * logits, "exactly zero on 100 %"),
        (tf.stop_gradient, "No gradient"),
        (lambda logits: logits * np.nan, "NaN or infinite"),
        (lambda logits: 1e4 * logits, "exactly zero on"),
        (lambda x: tf.sqrt(tf.nn.relu(x) * 0.0), "no finite number on 100 %"),
    ],
)
def test_zero_and_nan_gradients(change, seen):
    [found, *others] = probe(lambda images: change(Linear()(images)), steps=0)
    assert found.name == "zero or NaN gradients" and others == []
    assert seen in found.seen


def test_an_attack_that_leaves_the_ball():
    attack = Fixed(0.9, ThreatModel("linf", EPS))
    images, labels, _ = data(12)

    def without_targets(model_fn, images, labels, seed):
        return attack(model_fn, images, labels, targets=None, seed=seed)

    without_targets.threat = attack.threat
    [found] = probe(Linear(), attack=without_targets)
    assert found.name == "eps not respected" and "0.483" in found.seen


def test_a_model_that_hides_from_the_gradient():
    """Saw teeth: each slope leads away from the class behind the jump."""

    def model(images):
        first = tf.reshape(images, [tf.shape(images)[0], -1])[:, 0]
        teeth = tf.math.floormod(first * 64.0, 1.0)
        score = 20.0 * (tf.round(first) - 0.5) - 0.01 * teeth
        return tf.stack([tf.zeros_like(score), score], axis=-1)

    found = probe(model, steps=4)
    assert names(found) == ["accuracy does not fall with eps"]
    assert "of 12 images are still" in found[0].seen


def test_bad_input():
    images, labels, _ = data(12)
    with pytest.raises(ValueError, match="`labels` must be integers"):
        red_flags.probe(Linear(), images, labels[:3])
    with pytest.raises(ValueError, match=r"floats in \[0, 1\]"):
        red_flags.probe(Linear(), images + 1, labels)


def test_what_was_found_survives_the_file(tmp_path):
    path = tmp_path / "red_flags.json"
    assert red_flags.read(path) == {}
    flags = probe(lambda images: tf.nn.softmax(Linear()(images)))
    red_flags.write(path, {"a": flags, "b": []})
    assert red_flags.read(path) == {"a": flags, "b": []}
    assert [p.name for p in tmp_path.iterdir()] == ["red_flags.json"]
