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


def known(uses_gradients, averages, steps, draws=None, **settings):
    """Facts of an attack."""
    return attacks.Facts(
        uses_gradients=uses_gradients,
        averages_draws=averages,
        knows_draws=settings.get("recipe") == "fixed_draws",
        transferable=True,
        num_steps=steps,
        num_draws=draws,
        settings={**settings, "num_steps": steps, "num_draws": draws},
    )


# What the attacks of these tests are; their names say nothing.
FACTS = {
    "pgd-10": known(True, False, 10, kind="pgd"),
    "pgd-50": known(True, False, 50, kind="pgd"),
    "pgd-200": known(True, False, 200, kind="pgd"),
    "square-5000": known(False, False, None, kind="square"),
    "square-300 of 5 draws": known(False, True, 300, 5, kind="mean"),
    "square-300 of 30 draws": known(False, True, 300, 30, kind="mean"),
    "square-300 of 15 draws": known(False, True, 300, 15, kind="mean"),
    "cleverhans-spsa-20x128": known(False, True, 20, kind="spsa"),
    "transfer-50": known(True, False, 50, kind="transfer"),
    "tramer2020-50x15": known(True, True, 50, 15, recipe="tramer"),
    "tramer2020-50x30": known(True, True, 50, 30, recipe="tramer"),
    "tramer2020-50x100": known(True, True, 50, 100, recipe="tramer"),
    "tramer2020-100x15": known(True, True, 100, 15, recipe="tramer"),
    "tramer2020-400x15": known(True, True, 400, 15, recipe="tramer"),
    "fixed_draws-100": known(True, True, 100, recipe="fixed_draws"),
    "apgd-ce-100": known(True, False, 100, kind="apgd"),
    "apgd-ce-100 of 15 draws": known(True, True, 100, 15, kind="apgd"),
    "autoattack-standard": known(True, False, 100, kind="standard"),
    "autoattack-rand": known(True, True, 100, 20, kind="rand"),
    "autoattack-standard, rand on draws": known(
        True, True, 100, 20, kind="both"
    ),
    "worst-case": attacks.Facts(knows_draws=False, worst_case=True),
}


def from_records(records, rename=lambda name: name):
    """The red flags of records whose attacks are known."""
    renamed = [r._replace(attack=rename(r.attack)) for r in records]
    facts = {
        new.column: FACTS[old.attack]
        for new, old in zip(renamed, records, strict=True)
        if old.attack in FACTS
    }
    return red_flags.from_records(evaluation.Records(renamed, facts))


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
    found = from_records(sound())
    assert found == []
    assert found.looked_for == {
        "black-box beats white-box",
        "adaptive weaker than oblivious",
        "accuracy does not fall with eps",
        "more effort still helps",
        "randomised model under a deterministic attack",
    }
    assert red_flags.from_records([]) == []
    assert red_flags.from_records([]).looked_for == set()


def test_what_needs_unknown_facts_is_not_looked_for():
    found = red_flags.from_records(sound())
    status = red_flags.status(found)
    assert status["more effort still helps"] == "not looked for"
    name = "randomised model under a deterministic attack"
    assert status[name] == "not looked for"
    assert status["accuracy does not fall with eps"] == "not found"


def test_attacks_without_a_common_example_are_not_compared():
    moved = [r._replace(example_id=r.example_id + 100) for r in sound()]
    records = [
        *(r for r in sound() if r.knowledge == "oblivious"),
        *(r for r in moved if r.knowledge == "adaptive"),
    ]
    found = from_records(records)
    assert "adaptive weaker than oblivious" not in found.looked_for
    assert "black-box beats white-box" in found.looked_for


def test_findings_of_one_row_know_what_was_looked_for_there():
    found = from_records(sound())
    bare, defended = (
        found.of(evaluation.Row("m", defence)) for defence in ("none", "MI-OL")
    )
    assert bare.looked_for == {
        "black-box beats white-box",
        "more effort still helps",
        "accuracy does not fall with eps",
    }
    assert defended.looked_for == {
        "adaptive weaker than oblivious",
        "more effort still helps",
        "randomised model under a deterministic attack",
    }


def test_status_tells_found_from_not_found():
    weak = cell("pgd-200", 10, "MI-OL", "oblivious")
    status = red_flags.status(from_records([*sound(), *weak]))
    assert status["adaptive weaker than oblivious"] == "found"
    assert status["black-box beats white-box"] == "not found"
    assert status["zero or NaN gradients"] == "not looked for"
    assert set(status) == set(red_flags.NAMES)


@pytest.mark.parametrize("seed", range(3))
def test_names_and_order_change_no_flag(seed):
    """Four rules at once, under other names and in another order."""
    records = [
        *(r for r in sound() if r.attack != "worst-case"),
        *cell("pgd-200", 10, "MI-OL", "oblivious"),
        *cell("tramer2020-400x15", 15, "MI-OL"),
        *cell("apgd-ce-100", 60, "MI-OL"),
        *cell("pgd-10", 45, knowledge="oblivious", eps=0.2),
        *cell("cleverhans-spsa-20x128", 5, "MI-OL", gradient_passes=0),
    ]
    before = from_records(records)
    assert len(set(names(before))) == 4
    attack = {name: f"attack {i}" for i, name in enumerate(FACTS)}
    renamed = [
        r._replace(model="other", defence={"MI-OL": "d"}.get(r.defence, "none"))
        for r in records
    ]
    random.Random(seed).shuffle(renamed)
    after = from_records(renamed, lambda name: attack.get(name, name))

    def seen(flags, words=()):
        shown = []
        for flag in flags:
            text = flag.seen
            for old, new in sorted(words, key=lambda w: -len(w[0])):
                text = text.replace(f"under {old} ", f"under {new} ")
                text = text.replace(f"under {old}.", f"under {new}.")
                text = text.replace(f"and {old} asks", f"and {new} asks")
            shown.append((flag.name, flag.budget, text))
        return sorted(shown)

    assert seen(after) == seen(before, attack.items())
    assert {f.row.model for f in after} == {"other"}


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
            "apgd-ce-100 asks it for one draw",
        ),
        (
            cell("autoattack-standard", 60, "MI-OL"),
            "randomised model under a deterministic attack",
            "autoattack-standard",
        ),
    ],
)
def test_each_rule_of_the_records(added, name, seen):
    added_cells = {(r.row, r.column) for r in added}
    kept = [r for r in sound() if (r.row, r.column) not in added_cells]
    flags = from_records([*kept, *added])
    assert name in names(flags)
    found = flags[names(flags).index(name)]
    assert seen in found.seen
    assert found.why and found.remedy and found.where.startswith("m")
    assert found.seen in found.text and found.remedy in found.text


@pytest.mark.parametrize("first", [0, 1])
def test_two_step_sizes_are_no_flag_in_any_order(first):
    """They are neither two radii nor two efforts."""
    facts, cells = {}, []
    for name, right in (("short steps", 90), ("long steps", 10)):
        cells.append(cell(name, right, knowledge="oblivious"))
        settings = {"kind": "pgd", "step_size": right / 1000}
        facts[cells[-1][0].column] = known(True, False, 10, **settings)
    records = [*cells[first], *cells[1 - first]]
    assert red_flags.from_records(evaluation.Records(records, facts)) == []


def test_a_difference_within_chance_is_no_flag():
    near = cell("pgd-200", 28, "MI-OL", "oblivious")
    assert from_records([*sound(), *near]) == []


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
    assert from_records([*sound(), *fine]) == []


# --- the probe


def probe(model, **options):
    images, labels, _ = data(12)
    return red_flags.probe(model, images, labels, **options)


def test_sound_models_show_none():
    assert probe(Linear(), attack=PGD) == []


def test_a_sound_defence_shows_none():
    adaptive = attacks.MixupInferenceAttack(
        PGD.threat, "tramer2020", num_steps=2
    )
    assert probe(Noisy(Linear()), attack=adaptive, steps=5) == []


def test_any_attack_on_the_mean_over_draws_is_sound():
    averaged = attacks.AveragedAttack(attacks.Square(PGD.threat, 5), 3)
    assert probe(Noisy(Linear()), attack=averaged, steps=0) == []


def test_randomised_under_a_deterministic_attack():
    images, labels, _ = data(12)
    apgd = attacks.PGD(ThreatModel("linf", EPS), num_steps=2)
    with pytest.warns(UserWarning, match="two answers to the same images"):
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
    with pytest.raises(ValueError, match=r"float in \[0, 1\]"):
        red_flags.probe(Linear(), images + 1, labels)


def test_what_was_found_survives_the_file(tmp_path):
    path = tmp_path / "red_flags.json"
    assert red_flags.read(path) == {}
    flags = probe(lambda images: tf.nn.softmax(Linear()(images)))
    red_flags.write(path, {"a": flags, "b": []})
    assert red_flags.read(path) == {"a": flags, "b": []}
    assert [p.name for p in tmp_path.iterdir()] == ["red_flags.json"]


def evaluated(folder, models):
    """Records of models in a folder, replacing those that were there."""
    path = folder / "records.jsonl"
    path.unlink(missing_ok=True)
    images, labels, _ = data(4)
    evaluation.evaluate(
        models,
        [("clean", None, "none")],
        images,
        labels,
        records_path=path,
        verbose=False,
    )


def test_what_a_former_model_showed_is_left_out(tmp_path):
    path = tmp_path / "red_flags.json"
    model = Linear()
    evaluated(tmp_path, {"m": model, "d": Noisy(model)})
    flags = probe(lambda images: tf.nn.softmax(Linear()(images)))
    red_flags.write(path, {"m": flags, "d": [], "unknown": []})
    assert red_flags.read(path) == {"m": flags, "d": []}
    # Another defence of this name, around the same model.
    evaluated(tmp_path, {"m": model, "d": Noisy(model, 0.3)})
    assert red_flags.read(path) == {"m": flags}
    # A defence around another classifier.
    red_flags.write(path, {"m": flags, "d": []})
    other = tf.keras.Sequential([tf.keras.layers.Flatten()])
    evaluated(tmp_path, {"m": other, "d": Noisy(other, 0.3)})
    assert red_flags.read(path) == {}
