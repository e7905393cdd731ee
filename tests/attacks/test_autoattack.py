"""AutoAttack: what it runs, on whom, how it counts, and how it goes on."""

import functools
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import APGD
from keras_mixup.attacks import AutoAttack
from keras_mixup.attacks import TargetedAPGD
from keras_mixup.attacks import _progress_file
from keras_mixup.attacks import _survivors

_RNG = np.random.default_rng(0)
THREAT = ThreatModel("linf", "10/255")
IMAGES = _RNG.uniform(size=(50, 6, 6, 2)).astype("float32")
FIRST = (0.3 * _RNG.normal(size=(72, 32))).astype("float32")
SECOND = _RNG.normal(size=(32, 5)).astype("float32")


def network(images, num_classes=5):
    hidden = tf.nn.relu(tf.reshape(images, [-1, 72]) @ FIRST)
    return hidden @ SECOND[:, :num_classes]


LABELS = network(IMAGES).numpy().argmax(axis=-1)
LABELS[:4] = (LABELS[:4] + 1) % 5


@functools.cache
def small(version="standard", **options):
    """Few steps, and traced for `network` only once in all tests."""
    options = {"num_steps": 5, "num_queries": 10, "num_targets": 2, **options}
    return AutoAttack(THREAT, version, **options)


def settings(version):
    return [
        (s.name, s.num_restarts, s.attack.get_config())
        for s in small(version)._stages
    ]


def test_versions_consist_of_the_published_attacks():
    versions = ("cheap", "rand-apgd")
    names = {v: [name for name, *_ in settings(v)] for v in versions}
    assert AutoAttack(THREAT).stage_names == (
        "apgd-ce",
        "apgd-t",
        "fab-t",
        "square",
    )
    assert names["cheap"] == ["apgd-ce", "apgd-dlr", "fab", "square"]
    assert names["rand-apgd"] == ["apgd-ce", "apgd-dlr"]
    plus = AutoAttack(THREAT, "plus")
    assert plus.stage_names == (
        "apgd-ce",
        "apgd-dlr",
        "fab",
        "square",
        "apgd-t",
        "fab-t",
    )
    assert [s.num_restarts for s in plus._stages] == [5, 5, 1, 1, 1, 1]
    assert plus._stages[2].attack.num_restarts == 5


def test_settings_of_the_standard_and_the_cheap_version():
    ce, targeted, boundary, windows = AutoAttack(THREAT)._stages
    assert (ce.attack.loss, ce.attack.num_steps) == ("cross_entropy", 100)
    assert ce.num_restarts == ce.attack.num_restarts == 1
    for stage in (targeted, boundary):
        assert stage.attack.num_targets == 9
        assert stage.attack.num_steps == 100
        assert stage.attack.num_restarts == 1
    assert windows.attack.num_queries == 5000
    assert not windows.attack.rescale_schedule
    cheap = AutoAttack(THREAT, "cheap")._stages[-1].attack
    assert (cheap.num_queries, cheap.rescale_schedule) == (1000, True)


def test_report_agrees_with_the_model():
    attack = small()
    report = attack.evaluate(network, IMAGES, LABELS, verbose=False)
    wrong = network(report.images).numpy().argmax(axis=-1) != LABELS
    broken = np.array([name != "" for name in report.broken_by])
    np.testing.assert_array_equal(wrong, broken)
    assert report.robust_accuracy == pytest.approx(1.0 - wrong.mean())
    assert report.clean_accuracy == 46 / 50
    assert 0.2 < report.robust_accuracy < 0.7
    assert list(report.counts) == ["clean", *attack.stage_names]
    assert sum(report.counts.values()) == broken.sum()
    assert report.broken_by[:4] == ["clean"] * 4
    offset = report.images.astype("float64") - IMAGES
    assert np.abs(offset).max() <= THREAT.eps * (1 + 1e-5)
    # What is not broken, and what needs no attack, comes back clean.
    np.testing.assert_array_equal(offset[~broken], 0.0)
    np.testing.assert_array_equal(offset[:4], 0.0)


def test_only_survivors_are_attacked():
    report = small().evaluate(network, IMAGES, LABELS, verbose=False)
    passes = report.gradient_passes
    by = np.array(report.broken_by)
    np.testing.assert_array_equal(passes[by == "clean"], 0)
    np.testing.assert_array_equal(report.queries[by == "clean"], 0)
    assert (by == "apgd-ce").any()
    # One run of at most 6 passes; the next attack never saw them.
    assert passes[by == "apgd-ce"].max() <= 6
    np.testing.assert_array_equal(report.queries[by == "apgd-ce"], 0)
    # APGD, APGD-T on two classes of four, and then FAB.
    assert passes[by == ""].min() > 3 * 6
    assert report.queries[by == ""].min() >= 10


def test_the_stages_are_the_attacks_themselves():
    """The first stage's verdict is that of APGD on the same seed."""
    attack = small("cheap")
    report = attack.evaluate(network, IMAGES, LABELS, verbose=False)
    seed = ops.fold_in(ops.seed_pair(0), 1, 0, 0)
    single = APGD(THREAT, num_steps=5)
    # The batch that AutoAttack makes of 46 right ones, filled up to 50.
    rows = np.concatenate([np.arange(4, 50), [4] * 4])
    found = single.perturb(network, IMAGES[rows], LABELS[rows], seed)
    fooled = network(found).numpy().argmax(axis=-1) != LABELS[rows]
    by = np.array(report.broken_by)
    np.testing.assert_array_equal(fooled[:46], by[4:] == "apgd-ce")


def test_settings_of_the_fast_version():
    ce, near, nearer, boundary, windows = AutoAttack(THREAT, "fast")._stages
    assert (ce.name, ce.attack.num_steps, ce.share) == ("apgd-ce", 50, 1.0)
    assert (near.attack.num_targets, near.attack.num_steps) == (3, 50)
    assert (nearer.attack.num_targets, nearer.attack.num_steps) == (9, 100)
    assert (near.share, nearer.share) == (1.0, 0.1)
    assert (boundary.name, boundary.share) == ("fab-t", 0.05)
    assert (windows.attack.num_queries, windows.share) == (1000, 0.1)


def test_the_fast_version_spends_on_the_nearest_survivors():
    many = np.tile(IMAGES, [4, 1, 1, 1]) + 1e-3 * np.arange(200)[
        :, None, None, None
    ].astype("float32")
    many = np.clip(many, 0.0, 1.0)
    labels = network(many).numpy().argmax(axis=-1)
    attack = small("fast")
    report = attack.evaluate(network, many, labels, verbose=False)
    standing = np.array([not name for name in report.broken_by])
    asked = standing & (report.queries > 0)
    assert 8 <= asked.sum() < 0.2 * standing.sum()
    # Those that Square asked came closer than those that it did not.
    stage = [part.name for part in report.parts].index("square")
    square = report.parts[stage]
    assert 8 <= square.attacked <= 0.1 * standing.sum() + 9
    standard = small().evaluate(network, many, labels, verbose=False)
    assert report.gradient_passes.sum() < standard.gradient_passes.sum()
    assert report.robust_accuracy <= standard.robust_accuracy + 0.05


def test_a_stage_takes_the_share_that_came_closest():
    sequence = _survivors.Sequence(
        [
            _survivors.Stage("apgd-ce", APGD(THREAT)),
            _survivors.Stage("apgd-dlr", APGD(THREAT), share=0.25),
        ],
        THREAT,
        network,
        (6, 6, 2),
    )
    parts = sequence.parts(5)
    logits = network(IMAGES).numpy()
    batches = _survivors.Batches(IMAGES, LABELS, 16, None)
    progress = _survivors.start(batches, logits, 2)
    progress.broken_part[10:20] = 0
    progress.closest[:] = -np.arange(50)
    # 46 right ones, ten of them broken: a quarter of 36, the closest ones.
    expected = [4, 5, 6, 7, 8, 9, 20, 21, 22]
    np.testing.assert_array_equal(
        sequence._chosen(parts, 1, progress), expected
    )
    assert len(sequence._chosen(parts, 0, progress)) == 46
    # An interrupted stage has the same images.
    progress.broken_part[[5, 20]] = 1
    np.testing.assert_array_equal(
        sequence._chosen(parts, 1, progress), expected
    )


def test_the_closest_point_is_that_of_the_highest_dlr():
    batches = _survivors.Batches(IMAGES, LABELS, 16, None)
    progress = _survivors.start(batches, network(IMAGES).numpy(), 1)
    dlr = ops.difference_of_logits_ratio(LABELS, network(IMAGES)).numpy()
    np.testing.assert_allclose(progress.closest, dlr)
    rows, order = np.array([5, 7]), np.array([0, 1, 2, 3, 4])
    # Right by a tenth of the spread, and by all of it.
    near = np.array([[1.0, 0.9, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
    found = np.stack(
        [
            near[0][(order - LABELS[5]) % 5],
            near[1][(order - LABELS[7]) % 5],
        ]
    ).astype("float32")
    _survivors._note_closest(progress, rows, LABELS[rows], found)
    assert progress.closest[5] == pytest.approx(max(-0.1, dlr[5]))
    assert progress.closest[7] == dlr[7]


@pytest.mark.parametrize(
    "version", ["standard", "cheap", "plus", "fast", "rand", "rand-apgd"]
)
def test_as_an_attack(version):
    attack = small(version)
    result = attack(network, IMAGES, LABELS)
    wrong = network(result.images).numpy().argmax(axis=-1) != LABELS
    np.testing.assert_array_equal(result.success, wrong)
    assert result.gradient_passes.shape == result.queries.shape == [50]
    again = attack(network, IMAGES, LABELS)
    np.testing.assert_array_equal(result.images, again.images)
    report = attack.evaluate(network, IMAGES, LABELS, verbose=False)
    np.testing.assert_allclose(result.images, report.images, atol=1e-6)
    with pytest.raises(ValueError, match="`targets` must be None"):
        attack(network, IMAGES, LABELS, targets=(LABELS + 1) % 3)


def test_seeds():
    attack = small("rand-apgd", seed=3)
    given = attack(network, IMAGES, LABELS, seed=3)
    default = attack(network, IMAGES, LABELS)
    np.testing.assert_array_equal(given.images, default.images)
    other = attack(network, IMAGES, LABELS, seed=4)
    assert not np.array_equal(given.images, other.images)


def test_each_stage_is_traced_once_whatever_the_number_of_survivors():
    traces = []

    def counted(images):
        if not tf.executing_eagerly():
            traces.append(1)
        return network(images)

    attack = small("cheap", batch_size=16)
    attack.evaluate(counted, IMAGES, LABELS, verbose=False)
    before = len(traces)
    attack.evaluate(counted, IMAGES[:37], LABELS[:37], verbose=False)
    attack.evaluate(counted, IMAGES[:5], LABELS[:5], verbose=False)
    assert len(traces) == before
    assert 0 < before


@pytest.mark.parametrize(
    ("count", "batch_size", "expected"),
    [
        (1, 250, 8),
        (8, 250, 8),
        (9, 250, 12),
        (139, 250, 140),
        (249, 250, 250),
        (3, 4, 4),
    ],
)
def test_few_batch_sizes_occur(count, batch_size, expected):
    rows = np.arange(5, 5 + count)
    padded = _survivors._padded(rows, batch_size)
    assert len(padded) == expected
    np.testing.assert_array_equal(padded[:count], rows)
    np.testing.assert_array_equal(padded[count:], 5)


@pytest.mark.parametrize("num_classes", [2, 3, 12])
@pytest.mark.parametrize("version", ["standard", "cheap"])
def test_any_number_of_classes(num_classes, version):
    weights = _RNG.normal(size=(72, num_classes)).astype("float32")

    def linear(images):
        return tf.reshape(images, [-1, 72]) @ weights

    labels = linear(IMAGES).numpy().argmax(axis=-1)
    wide = ThreatModel("linf", 0.3)
    attack = AutoAttack(wide, version, num_steps=5, num_queries=10)
    report = attack.evaluate(linear, IMAGES[:9], labels[:9], verbose=False)
    assert report.clean_accuracy == 1.0
    assert report.robust_accuracy < 0.5
    parts = _survivors.Sequence(
        [_survivors.Stage("apgd-t", TargetedAPGD(THREAT), 2)],
        THREAT,
        linear,
        (6, 6, 2),
    ).parts(num_classes)
    ranks = min(9, num_classes - 1)
    assert [p.rank for p in parts] == np.repeat(range(ranks), 2).tolist()
    assert [p.restart for p in parts] == [0, 1] * ranks


class Killed(Exception):
    pass


def test_a_killed_evaluation_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(_progress_file, "SAVE_EVERY", 0.0)
    path = str(tmp_path / "progress.npz")
    attack = small(batch_size=16)
    straight = attack.evaluate(network, IMAGES, LABELS, verbose=False)
    written = []
    replace = os.replace

    def killing(*names):
        replace(*names)
        written.append(1)
        if len(written) in (2, 5, 9):
            raise Killed

    monkeypatch.setattr(os, "replace", killing)
    for _ in range(3):
        with pytest.raises(Killed):
            attack.evaluate(network, IMAGES, LABELS, path=path, verbose=False)
    report = attack.evaluate(network, IMAGES, LABELS, path=path, verbose=False)
    assert report.broken_by == straight.broken_by
    for mine, theirs in zip(report[:4], straight[:4]):
        np.testing.assert_array_equal(mine, theirs)
    # A finished file answers without an attack.
    monkeypatch.setattr(_survivors.Sequence, "_part", None)
    again = attack.evaluate(network, IMAGES, LABELS, path=path, verbose=False)
    assert again.counts == report.counts
    assert os.listdir(tmp_path) == ["progress.npz"]


def test_a_file_of_something_else_is_refused(tmp_path):
    path = str(tmp_path / "progress.npz")
    images, labels = IMAGES[:6], LABELS[:6]
    small("rand-apgd").evaluate(
        network, images, labels, path=path, verbose=False
    )
    expected = "`path` must be a file of the same attack, model, images"
    for attack, model, x, y in [
        (small("rand-apgd", num_steps=4), network, images, labels),
        (small("rand-apgd"), lambda x: -network(x), images, labels),
        (small("rand-apgd"), network, images[::-1].copy(), labels),
        (small("rand-apgd"), network, images, (labels + 1) % 5),
        # Another network with the same predictions on all of these images.
        (small("rand-apgd"), lambda x: 1.1 * network(x), images, labels),
    ]:
        with pytest.raises(ValueError, match=expected):
            attack.evaluate(model, x, y, path=path, verbose=False)
    (tmp_path / "torn.npz").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=expected):
        small().evaluate(
            network, images, labels, path=str(tmp_path / "torn.npz")
        )


def test_a_model_that_draws_by_itself_goes_on_from_its_file(tmp_path):
    path = str(tmp_path / "progress.npz")
    images, labels = IMAGES[:6], LABELS[:6]

    def drawn(images):
        noise = tf.random.normal([tf.shape(images)[0], 5], stddev=0.01)
        return 10.0 * network(images) + noise

    first, again = (
        small("rand-apgd").evaluate(
            drawn, images, labels, path=path, verbose=False
        )
        for _ in range(2)
    )
    assert again.broken_by == first.broken_by
    np.testing.assert_array_equal(again.images, first.images)


def test_the_mean_takes_all_draws_for_loss_gradient_and_decision():
    """A model that is wrong in most draws, right in the mean of them."""
    seen = tf.Variable(0)

    def lottery(images):
        seen.assign_add(1)
        noise = tf.random.normal([tf.shape(images)[0], 5], stddev=0.1)
        return network(images) + noise

    attack = small("rand-apgd", batch_size=50)
    attack.evaluate(lottery, IMAGES, LABELS, verbose=False)
    # 20 draws for: the clean pass, then 6 steps and a verdict, twice.
    assert int(seen) == 20 * (1 + 2 * 7)


def test_the_mean_counts_each_of_its_draws():
    """As AveragedAttack does for the same steps on the same mean."""
    attack = small("rand-apgd", batch_size=50)
    report = attack.evaluate(network, IMAGES, LABELS, verbose=False)
    standing = np.array(report.broken_by) == ""
    assert 0 < standing.sum() < 50
    # A pass at the start and 5 steps, of two attacks through 20 draws.
    np.testing.assert_array_equal(
        report.gradient_passes[standing], 20 * 2 * (1 + 5)
    )
    assert set(report.gradient_passes % 20) == {0}
    result = attack(network, IMAGES, LABELS)
    np.testing.assert_array_equal(
        result.gradient_passes[standing], 20 * 2 * (1 + 5)
    )

    class Looking:
        num_draws, uses_prediction = 5, True

        def draw(self, images, seed, logits=None):
            return {"none": tf.zeros([tf.shape(images)[0], 5, 1])}

        def classify(self, images):
            return network(images)

        def predict_from_draws(self, images, draws):
            return tf.nn.log_softmax(network(images))

        def __call__(self, images, seed=None):
            return self.predict_from_draws(images, None)

    looked = attack.evaluate(Looking(), IMAGES, LABELS, verbose=False)
    np.testing.assert_array_equal(looked.queries * 20, looked.gradient_passes)


@pytest.mark.parametrize("version", ["rand", "rand-apgd"])
def test_it_can_be_repeated_on_a_defence(version):
    class Noisy:
        num_draws = 3
        classifier = staticmethod(network)

        def draw(self, images, seed):
            def one(seed):
                return tf.random.stateless_normal([3, 6, 6, 2], seed)

            return {"noise": tf.map_fn(one, seed, fn_output_signature="float")}

        def predict_from_draws(self, images, draws):
            noisy = images[:, None] + 0.02 * draws["noise"]
            shape = tf.shape(noisy)
            logits = network(tf.reshape(noisy, [-1, 6, 6, 2]))
            logits = tf.reshape(logits, [shape[0], shape[1], 5])
            return ops.log_mean_probability(tf.transpose(logits, [1, 0, 2]))

        def __call__(self, images, seed=None):
            seeds = ops.row_seeds(seed, tf.shape(images)[0])
            return self.predict_from_draws(images, self.draw(images, seeds))

    defence = Noisy()
    attack = small(version)
    first = attack.evaluate(defence, IMAGES, LABELS, verbose=False)
    again = attack.evaluate(defence, IMAGES, LABELS, verbose=False)
    assert first.broken_by == again.broken_by
    np.testing.assert_array_equal(first.images, again.images)
    result = attack(defence, IMAGES, LABELS)
    assert result.success.numpy().mean() > 0.2


def test_a_randomised_model_is_pointed_to_rand():
    def noisy(images):
        noise = tf.random.normal(tf.shape(images), stddev=0.1)
        return network(images + noise)

    with pytest.warns(UserWarning, match='take "rand"'):
        small("cheap").evaluate(noisy, IMAGES[:8], LABELS[:8], verbose=False)


def test_progress_is_told(capsys):
    small("rand-apgd").evaluate(network, IMAGES, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "apgd-ce: 46 of 50 images left"
    assert [line.split(":")[0] for line in lines] == [
        "apgd-ce",
        "apgd-dlr",
        "end",
    ]
    small("rand-apgd").evaluate(network, IMAGES, LABELS, verbose=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"version": "best"}, "`version` must be one of 'standard', 'cheap'"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        ({"num_steps": 0}, "`num_steps` must be an integer >= 1"),
        ({"num_targets": 0}, "`num_targets` must be an integer >= 1"),
        ({"num_queries": 0}, "`num_queries` must be an integer >= 1"),
    ],
)
def test_bad_settings_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        AutoAttack(THREAT, **arguments)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"labels": LABELS[:5] + 9}, r"`labels` must be in 0..4"),
        ({"labels": LABELS[:4]}, "`labels` must be .*one per image"),
        ({"images": IMAGES[:5] + 2.0}, "`images` must be float in"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "at least one image"),
        ({"model_fn": lambda x: network(x) / 0.0}, "`model_fn` must"),
        ({"model_fn": 3}, "`model_fn` must be a callable"),
    ],
)
def test_bad_input_is_named_before_any_work(change, match):
    given = {"model_fn": network, "images": IMAGES[:5], "labels": LABELS[:5]}
    with pytest.raises(ValueError, match=match):
        small().evaluate(**{**given, **change}, verbose=False)


def test_eps_zero_gives_clean_accuracy():
    attack = AutoAttack(
        ThreatModel("linf", 0.0), "cheap", num_steps=2, num_queries=3
    )
    report = attack.evaluate(network, IMAGES, LABELS, verbose=False)
    assert report.robust_accuracy == report.clean_accuracy == 46 / 50


def test_config_round_trip():
    attack = AutoAttack(THREAT, "cheap", 7, 33, 12, 4, 99)
    stored = keras.saving.serialize_keras_object(attack)
    restored = keras.saving.deserialize_keras_object(stored)
    assert restored.get_config() == attack.get_config()
    assert attack.name == "autoattack-cheap"


def test_a_keras_model_that_was_never_called():
    model = keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(5, name="logits")]
    )
    report = small("rand-apgd").evaluate(model, IMAGES, LABELS, verbose=False)
    answers = model(report.images, training=False).numpy().argmax(axis=-1)
    assert np.mean(answers == LABELS) == pytest.approx(report.robust_accuracy)
