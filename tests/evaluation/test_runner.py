"""Linear models: clean and attacked accuracy are known in closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from evaluation_toys import CLEAN
from evaluation_toys import EPS
from evaluation_toys import PGD
from evaluation_toys import Fixed
from evaluation_toys import Linear
from evaluation_toys import Noisy
from evaluation_toys import data

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import ops
from keras_mixup.reporting import tables


def run(models, specs, count=7, **options):
    images, labels, _ = data(count)
    settings = {"batch_size": 4, "verbose": False, **options}
    return evaluation.evaluate(models, specs, images, labels, **settings)


def accuracy(records, **fields):
    chosen = [
        r.prediction == r.label
        for r in records
        if all(getattr(r, k) == v for k, v in fields.items())
    ]
    return np.mean(chosen), len(chosen)


def test_known_accuracy_and_exact_masking_of_the_padded_last_batch():
    model = Linear()
    specs = [CLEAN, ("pgd-4", PGD, "oblivious")]
    records = run({"linear": model}, specs)
    _, _, first = data()
    assert accuracy(records, attack="clean") == (1.0, 7)
    survives = np.abs(first - 0.5) > EPS
    assert 0 < survives.sum() < 7
    assert accuracy(records, attack="pgd-4") == (survives.mean(), 7)
    ids = [r.example_id for r in records if r.attack == "pgd-4"]
    assert ids == list(range(7))
    # Seven examples in batches of four: no shape but four is ever scored.
    assert set(model.rows_seen) == {4}


def test_record_fields_follow_model_attack_and_seed():
    model = Linear()
    defence = Noisy(model, pool="a pool")
    specs = [CLEAN, ("pgd-4", PGD, "oblivious")]
    records = run(
        {"linear": model, "noise": defence},
        specs,
        eval_seeds=(5, 6),
        attack_seed=3,
        pool_split="train",
        example_ids=np.arange(7) + 100,
    )
    plain = [r for r in records if r.defence == "none"]
    noisy = [r for r in records if r.defence == "noise"]
    assert (len(plain), len(noisy)) == (14, 28)
    assert {r.model for r in records} == {"linear"}
    assert {r.eval_seed for r in plain} == {None}
    assert {r.eval_seed for r in noisy} == {5, 6}
    assert {r.pool_split for r in plain} == {None}
    assert {r.pool_split for r in noisy} == {"train"}
    assert {r.example_id for r in records} == set(range(100, 107))
    clean = [r for r in records if r.attack == "clean"]
    assert {(r.norm, r.eps, r.attack_seed) for r in clean} == {(None,) * 3}
    attacked = [r for r in records if r.attack == "pgd-4"]
    assert {(r.norm, r.eps, r.attack_seed) for r in attacked} == {
        ("linf", EPS, 3)
    }
    assert {r.gradient_passes for r in attacked} == {4}
    images, labels, _ = data()
    expected = ops.cross_entropy(labels, model(images)).numpy()
    losses = [r.loss for r in plain if r.attack == "clean"]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


def test_records_have_the_confidence_and_so_the_calibration_error():
    model = Linear()
    specs = [CLEAN, ("pgd-4", PGD, "oblivious")]
    records = run({"linear": model}, specs)
    images, labels, _ = data()
    outputs = model(images)
    metric = metrics.ExpectedCalibrationError()
    metric.update_state(labels, outputs)
    found, attacked = evaluation.summarize(records)
    assert found.calibration_error == pytest.approx(float(metric.result()))
    assert attacked.calibration_error > found.calibration_error
    largest = tf.reduce_max(tf.nn.softmax(outputs), axis=-1)
    known = [r.confidence for r in records if r.attack == "clean"]
    np.testing.assert_allclose(known, largest, rtol=1e-6)
    text = tables.accuracy_table(records).notes
    assert any(f"linear {metric.result():.3f}" in note for note in text)


class Recorder:
    """Wraps an attack and notes what it is asked to break."""

    def __init__(self, attack):
        self.attack, self.threat, self.calls = attack, attack.threat, []

    def __call__(self, model_fn, images, labels, **options):
        self.calls.append((model_fn, images.shape[0], options))
        return self.attack(model_fn, images, labels, **options)


def test_oblivious_is_crafted_once_and_adaptive_for_each_model():
    model = Linear()
    defences = {"a": Noisy(model), "b": Noisy(model, 0.1)}
    models = {"linear": model, **defences}
    oblivious, adaptive = Recorder(PGD), Recorder(PGD)
    columns = [("pgd", oblivious, "oblivious"), ("eot", adaptive, "adaptive")]
    with pytest.warns(UserWarning, match="two answers to the same images"):
        run(models, columns, count=4)
    assert [call[0] for call in oblivious.calls] == [model]
    assert [call[0] for call in adaptive.calls] == list(models.values())


def test_oblivious_images_come_from_the_classifier_that_is_not_scored():
    model = Linear()
    attack = Recorder(PGD)
    records = run({"noise": Noisy(model)}, [("pgd", attack, "oblivious")])
    assert {id(call[0]) for call in attack.calls} == {id(model)}
    assert {r.model for r in records} == {"classifier"}


def test_adaptive_attack_on_a_model_without_draws_is_pgd_on_itself():
    threat = ThreatModel("linf", EPS)
    adaptive = attacks.MixupInferenceAttack(
        threat,
        "tramer2020",
        num_steps=5,
        num_draws=2,
        step_size=0.04,
        random_start=False,
    )
    model = Linear()
    records = run(
        {"linear": model, "noise": Noisy(model)},
        [("tramer2020", adaptive, "adaptive")],
    )
    _, _, first = data()
    survives = (np.abs(first - 0.5) > EPS).mean()
    assert accuracy(records, defence="none") == (survives, 7)
    passes = {r.defence: r.gradient_passes for r in records}
    assert passes == {"none": 5, "noise": 10}


def test_a_rows_number_does_not_depend_on_batch_size_or_neighbours():
    model = Linear()
    models = {"noise": Noisy(model)}
    whole = run(models, [CLEAN], batch_size=7)
    pairs = run(models, [CLEAN], batch_size=2)
    assert [r.prediction for r in whole] == [r.prediction for r in pairs]
    losses = [r.loss for r in whole], [r.loss for r in pairs]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    images, labels, _ = data()
    alone = evaluation.evaluate(
        models,
        [CLEAN],
        images[5:6],
        labels[5:6],
        example_ids=[5],
        verbose=False,
    )
    assert alone[0].loss == pytest.approx(whole[5].loss, rel=1e-6)


def test_equal_seeds_repeat_and_other_evaluation_seeds_differ():
    model = Linear()
    models = {"linear": model, "noise": Noisy(model)}
    specs = [CLEAN, ("pgd", PGD, "oblivious")]
    first = run(models, specs, eval_seeds=(1, 2))
    assert run(models, specs, eval_seeds=(1, 2)) == first
    by_seed = {
        seed: [r.loss for r in first if r.eval_seed == seed]
        for seed in (None, 1, 2)
    }
    assert by_seed[1] != by_seed[2]
    other = run(models, specs, eval_seeds=(3,))
    assert [r.loss for r in other if r.eval_seed == 3] != by_seed[1]


def test_evaluation_draws_are_not_the_attackers():
    """Equal numbers for both seeds, yet no seed that both would use."""
    attacker, evaluator = [], []

    def attack(model_fn, images, labels, *, targets, seed):
        attacker.append(tuple(np.asarray(seed)))
        attacker.extend(map(tuple, np.asarray(ops.row_seeds(seed, 4))))
        return attacks.AttackResult(images, None, [0] * 4, [0] * 4)

    attack.threat = ThreatModel("linf", EPS)

    class Spy(Noisy):
        def draw(self, images, seed=None, logits=None):
            tf.py_function(
                lambda s: evaluator.extend(map(tuple, s.numpy())), [seed], []
            )
            return super().draw(images, seed, logits)

    run(
        {"noise": Spy(Linear())},
        [("x", attack, "adaptive")],
        count=4,
        attack_seed=0,
        eval_seeds=(0,),
    )
    assert len(set(evaluator)) == 4 and len(set(attacker)) == 5
    assert not set(attacker) & set(evaluator)


def test_resume_after_a_cut_file_equals_the_uninterrupted_run(tmp_path):
    model = Linear()
    models = {"linear": model, "noise": Noisy(model)}
    options = {"eval_seeds": (0, 1)}
    specs = [CLEAN, ("pgd", Recorder(PGD), "oblivious")]
    path = tmp_path / "records.jsonl"
    expected = run(models, specs, records_path=path, **options)
    whole = path.read_bytes()
    assert evaluation.read_records(path) == expected
    calls = len(specs[1][1].calls)
    assert calls == 2

    # In the middle of a line of the second batch's attacked records.
    path.write_bytes(whole[: len(whole) - 1000])
    with pytest.warns(UserWarning, match="incomplete last line"):
        again = run(models, specs, records_path=path, **options)
    assert again == expected
    assert path.read_bytes() == whole
    assert len(specs[1][1].calls) == calls + 1

    # Nothing is left to do: no attack runs, nothing is written.
    assert run(models, specs, records_path=path, **options) == expected
    assert path.read_bytes() == whole
    assert len(specs[1][1].calls) == calls + 1


def test_records_of_other_examples_are_refused(tmp_path):
    images, labels, _ = data(5)
    path = tmp_path / "records.jsonl"

    def write(labels):
        return evaluation.evaluate(
            {"linear": Linear()},
            [CLEAN],
            images,
            labels,
            records_path=path,
            verbose=False,
        )

    write(labels)
    whole = path.read_bytes()
    with pytest.raises(ValueError, match="2 records with another true label"):
        write(np.where(np.arange(5) < 2, 1 - labels, labels))
    assert path.read_bytes() == whole


def test_targets_reach_the_attack_and_are_never_the_true_label():
    model = Linear()
    for targeted in ("random", "second_most_likely"):
        attack = Recorder(PGD)
        run(
            {"linear": model},
            [evaluation.AttackSpec("t", attack, "oblivious", targeted)],
            count=4,
        )
        _, labels, _ = data(4)
        # Two classes leave one other class, whatever the rule.
        targets = np.asarray(attack.calls[0][2]["targets"])
        np.testing.assert_array_equal(targets, 1 - labels)


def test_keras_defence_is_traced_once_for_a_short_last_batch():
    import keras

    traces, shapes = [], []

    class Counted(keras.layers.Layer):
        def call(self, images):
            shapes.append(images.shape)
            if not tf.executing_eagerly():
                traces.append(images.shape)
            flat = keras.ops.reshape(images, [4, -1])
            return flat[:, :2]

    run({"layer": Counted()}, [CLEAN], count=7)
    assert {shape[0] for shape in shapes} == {4} and len(traces) <= 2


class Seedless(Noisy):
    """A defence whose draws nobody can choose."""

    def __call__(self, images):
        return self.predict_from_draws(images, self.draw(images, 0))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"images": np.zeros((0, 2, 2, 1))}, "`images` must be of shape"),
        ({"images": np.full((7, 2, 2, 1), 2.0)}, r"float in \[0, 1\]"),
        ({"images": np.full((7, 2, 2, 1), np.nan)}, "NaN or infinity"),
        ({"images": np.zeros((7, 2, 2, 1), int)}, "uint8, or float"),
        ({"labels": np.zeros(6, int)}, "`labels` must be integers"),
        ({"labels": np.full(7, -1)}, "`labels` must be at least 0"),
        ({"labels": np.full(7, 2)}, "3 or more classes wide"),
        ({"example_ids": np.zeros(7, int)}, "7 different integers"),
        ({"eval_seeds": ()}, "`eval_seeds` must be different"),
        ({"batch_size": 0}, "`batch_size` must be an integer"),
        ({"models": {}}, "`models` must be a dict"),
        ({"attacks": []}, "`attacks` must be at least one"),
        ({"attacks": [CLEAN, CLEAN]}, "free of two attacks"),
        # evaluation.json would have one entry for both.
        (
            {
                "attacks": [
                    ("x", attacks.FGSM(ThreatModel("linf", eps)), "oblivious")
                    for eps in (0.1, 0.10000001)
                ]
            },
            "one name, knowledge and radius to six digits",
        ),
        ({"attacks": [("x", None, "adaptive")]}, "knowledge of x"),
        ({"attacks": [("x", PGD, "none")]}, "knowledge of x"),
        (
            {"models": {"nan": lambda x: np.full((len(x), 2), np.nan)}},
            "`output of nan under clean` must be finite",
        ),
        (
            {"models": {"flat": lambda x: np.zeros(len(x))}},
            r"`output of flat under clean` must be of shape \[7, classes\]",
        ),
        (
            {"models": {"a": Linear(), "b": lambda x: np.zeros((len(x), 3))}},
            "`output of b under clean` must be 2 classes wide",
        ),
        (
            {"models": {"d": Seedless(Linear())}},
            r"`models\[.d.\]` must be a defence whose call takes \(images, se",
        ),
        ({"num_classes": 10}, "must be 10 classes wide"),
        ({"labels": np.eye(3)[[0] * 7]}, "must be 3 classes wide"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(tmp_path, change, match):
    images, labels, _ = data()
    path = tmp_path / "records.jsonl"
    arguments = {
        "models": {"linear": Linear()},
        "attacks": [CLEAN],
        "images": images,
        "labels": labels,
        "records_path": path,
        "batch_size": 7,
        "verbose": False,
        **change,
    }
    with pytest.raises(ValueError, match=match):
        evaluation.evaluate(**arguments)
    assert not path.exists()


def test_a_bad_label_far_down_is_found_before_the_first_attack(tmp_path):
    images, labels, _ = data()
    labels[-1] = 2
    attack = Recorder(PGD)
    with pytest.raises(ValueError, match="`labels` must be below 2"):
        evaluation.evaluate(
            {"linear": Linear()},
            [("pgd", attack, "oblivious")],
            images,
            labels,
            batch_size=2,
            records_path=tmp_path / "records.jsonl",
            verbose=False,
        )
    assert not attack.calls and not list(tmp_path.iterdir())


def test_an_attack_that_leaves_its_ball_is_refused():
    class Shift:
        threat = ThreatModel("linf", EPS)

        def __init__(self, change):
            self.change = np.float32(change)

        def __call__(self, model_fn, images, labels, *, targets, seed):
            rows = [0] * len(images)
            moved = images + self.change
            return attacks.AttackResult(moved, None, rows, rows)

    for change, match in (
        (0.11, r"(0\.01|0\.0099)\d* beyond eps"),
        (0.6, "0.1 beyond the bounds"),
        ("nan", "within eps"),
    ):
        with pytest.raises(ValueError, match=match):
            run({"linear": Linear()}, [("far", Shift(change), "oblivious")])
    assert (
        len(run({"linear": Linear()}, [("ok", Shift(EPS), "oblivious")])) == 7
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_eps_zero_is_the_clean_accuracy(norm):
    threat = ThreatModel(norm, 0.0)
    model = Linear()
    models = {"linear": model, "noise": Noisy(model)}
    records = run(
        models,
        [
            CLEAN,
            ("pgd", attacks.PGD(threat, step_size=0.01), "oblivious"),
            (
                "eot",
                attacks.MixupInferenceAttack(threat, "tramer2020"),
                "adaptive",
            ),
        ],
        eval_seeds=range(10),
        selection_seeds=(0,),
    )
    for defence in ("none", "noise"):
        found = {
            attack: accuracy(records, defence=defence, attack=attack)
            for attack in ("clean", "pgd", "eot", "worst-case")
        }
        assert len(set(found.values())) == 1


class Told(Fixed):
    """Notes the seeds it is handed."""

    knows_draws = True

    def __init__(self, value):
        super().__init__(value)
        self.seeds = []

    def __call__(self, model_fn, images, labels, *, targets, seed):
        self.seeds.append(np.asarray(seed))
        return super().__call__(
            model_fn, images, labels, targets=targets, seed=seed
        )


def test_who_knows_the_draws_is_told_those_of_each_evaluation_seed():
    model, seen = Linear(), []

    class Spy(Noisy):
        def draw(self, images, seed=None, logits=None):
            if tf.executing_eagerly():
                return super().draw(images, seed)
            tf.py_function(lambda s: seen.append(s.numpy()), [seed], [])
            return super().draw(images, seed)

    attack = Told(0.4)
    records = run(
        {"linear": model, "noise": Spy(model)},
        [("known", attack, "adaptive")],
        count=4,
        eval_seeds=range(10),
        selection_seeds=(0,),
    )
    # Once for the model without draws, then for every evaluation seed.
    assert attack.seeds[0].shape == (2,)
    told = attack.seeds[1:]
    # The first answer is that to the clean images, before any attack.
    np.testing.assert_array_equal(told, seen[1:])
    assert len({r.eval_seed for r in records}) == 11
    # It is another threat model than that of the worst case.
    assert {r.attack for r in records} == {"known"}


def test_transfer_images_are_made_for_each_defence():
    model = Linear()
    defences = {"a": Noisy(model), "b": Noisy(model, 0.1)}
    attack = Recorder(PGD)
    columns = [("t", attack, "transfer")]
    with pytest.warns(UserWarning, match="two answers to the same images"):
        records = run({"linear": model, **defences}, columns, count=4)
    assert [call[0] for call in attack.calls] == [model, *defences.values()]
    assert {r.knowledge for r in records} == {"transfer"}


def test_pictures_show_the_attacked_classifier_and_one_draw():
    from keras_mixup.reporting import pictures

    model = Linear()
    images, labels, first = data(7)
    spec = evaluation.AttackSpec("pgd-4", PGD, "oblivious")
    made = pictures.make_pictures(
        {"linear": model, "noise": Noisy(model)}, spec, images, labels
    )
    np.testing.assert_array_equal(made.clean_predictions, labels)
    # The attack moves the decisive pixel by eps towards the other class.
    np.testing.assert_allclose(
        made.adversarial[:, 0, 0, 0],
        first + np.where(first > 0.5, -EPS, EPS),
        rtol=1e-6,
    )
    broken = made.adversarial_predictions != labels
    np.testing.assert_array_equal(broken, np.abs(first - 0.5) < EPS)
    assert made.mixed.shape == images.shape and made.defence == "noise"
    alone = pictures.make_pictures({"linear": model}, spec, images, labels)
    assert alone.mixed.shape == (0, 2, 2, 1) and alone.defence == "none"


def test_an_error_inside_a_defence_keeps_its_own_words():
    """Keras and TensorFlow bury it under pages of their own."""

    class Turned(inference.RandomizedInference):
        def draw_rows(self, seeds, labels, image_shape):
            return {"shift": ops.row_uniform(seeds, [self.num_draws])}

        def apply(self, images, draws):
            return draws["shift"][..., None, None, None] + images[:, None]

    layers = [keras.Input((2, 2, 1)), keras.layers.Flatten()]
    defence = Turned(keras.Sequential([*layers, keras.layers.Dense(3)]), 5)
    images, labels = np.full((7, 2, 2, 1), 0.5, "float32"), np.zeros(7, int)
    attack = attacks.MixupInferenceAttack(ThreatModel("linf", 0.1))
    columns = [("clean", None, "none")]
    for call in (
        lambda: evaluation.evaluate(
            {"mine": defence}, columns, images, labels, verbose=False
        ),
        lambda: attack(defence, images, labels, seed=0),
    ):
        with pytest.raises(ValueError, match=r"^`Turned.apply` must be"):
            call()
