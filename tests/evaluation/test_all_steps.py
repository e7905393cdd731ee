"""What stops at broken examples never touches oblivious MI numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from evaluation_toys import CLEAN
from evaluation_toys import Linear
from evaluation_toys import Noisy
from evaluation_toys import data

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import models
from keras_mixup import ops
from keras_mixup.evaluation import scoring

THREAT = ThreatModel("linf", 0.1)
COUNT, STEPS, STEP_SIZE = 48, 8, 0.04


@pytest.fixture(scope="module")
def trained():
    """A small classifier, MI-OL around it, images and their labels."""
    keras.utils.set_random_seed(0)
    classifier = models.SmallConvNet((6, 6, 1), 4, width=4)
    random = np.random.default_rng(0)
    labels = np.arange(COUNT) % 4
    images = random.uniform(0.3, 0.7, (COUNT, 6, 6, 1)).astype("float32")
    # Each class is bright in another corner.
    for row, label in enumerate(labels):
        y, x = 3 * (label // 2), 3 * (label % 2)
        images[row, y : y + 3, x : x + 3] += 0.15
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(0.01), loss)
    classifier.fit(images, labels, batch_size=8, epochs=60, verbose=0)
    pool = inference.SamplePool(images, labels, dtype="float32")
    defence = inference.MixupInferenceOL(classifier, pool, num_draws=5)
    return classifier, defence, images, labels.astype("int32")


def plain_pgd(classifier, images, labels, start):
    """All steps on all rows: no early end, no best iterate."""
    point = start
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            tape.watch(point)
            loss = ops.cross_entropy(labels, classifier(point, training=False))
        slope = tape.gradient(loss, point)
        low, high = images - THREAT.eps, images + THREAT.eps
        point = tf.clip_by_value(point + STEP_SIZE * tf.sign(slope), low, high)
        point = tf.clip_by_value(point, 0.0, 1.0)
    return point


def test_oblivious_accuracy_is_that_of_all_steps(trained):
    classifier, defence, images, labels = trained
    attack = attacks.PGD(THREAT, STEP_SIZE, STEPS, random_start=False)

    def records():
        return evaluation.evaluate(
            {"net": classifier, "MI-OL": defence},
            [CLEAN, ("pgd", attack, "oblivious")],
            images,
            labels,
            batch_size=16,
            eval_seeds=(0, 1),
            verbose=False,
        )

    before = records()
    # With everything that drops broken examples at work beside it.
    dropping = attacks.AutoAttack(THREAT, "rand-apgd", num_steps=3)
    report = dropping.evaluate(classifier, images, labels, verbose=False)
    assert report.counts["apgd-ce"] > 0
    assert records() == before
    made = plain_pgd(classifier, images, labels, tf.constant(images))
    for seed in (0, 1):
        rows = scoring.row_seeds(seed, np.arange(COUNT))
        answers = defence(made, seed=rows).numpy().argmax(axis=-1)
        found = [
            r.prediction
            for r in before
            if (r.defence, r.attack, r.eval_seed) == ("MI-OL", "pgd", seed)
        ]
        np.testing.assert_array_equal(found, answers)
    passes = {r.gradient_passes for r in before if r.attack == "pgd"}
    assert passes == {STEPS}
    # The classifier alone is broken nearly everywhere: dropping would matter.
    wrong = classifier(made, training=False).numpy().argmax(-1) != labels
    assert wrong.mean() > 0.5


def test_by_default_auto_pgd_takes_all_steps_on_broken_images(trained):
    classifier, _, images, labels = trained
    every = attacks.APGD(THREAT, num_steps=STEPS)
    early = attacks.APGD(THREAT, num_steps=STEPS, early_stop=True)
    easy = images[:1], (labels[:1] + 1) % 4  # Wrong from the start.
    passes = every(classifier, *easy, seed=0).gradient_passes
    np.testing.assert_array_equal(passes, [STEPS + 1])
    passes = early(classifier, *easy, seed=0).gradient_passes
    np.testing.assert_array_equal(passes, [1])
    assert every.transferable and attacks.PGD(THREAT).transferable
    assert not early.transferable
    assert not attacks.AutoAttack(THREAT).transferable


@pytest.mark.parametrize(
    "attack",
    [
        attacks.APGD(THREAT, num_steps=2, early_stop=True),
        attacks.AutoAttack(THREAT, "rand", num_steps=2),
        attacks.SPSA(THREAT, 2, 4, early_stop=True),
        attacks.Square(THREAT, 4, early_stop=True),
        attacks.FAB(THREAT, 2),
        attacks.TargetedFAB(THREAT, 2, 2),
        attacks.CleverHansSPSA(THREAT, 2, 4, early_stop=True, verbose=0),
    ],
    ids=lambda attack: attack.name,
)
def test_oblivious_images_from_what_stops_early_are_refused(attack):
    images, labels, _ = data()
    model = Linear()

    def run(models, knowledge):
        return evaluation.evaluate(
            models,
            [("early", attack, knowledge)],
            images,
            labels,
            verbose=False,
        )

    with pytest.raises(ValueError, match="stops as soon as the attacked"):
        run({"net": model, "noise": Noisy(model)}, "oblivious")
    with pytest.raises(ValueError, match="`knowledge of early` must be"):
        run({"noise": Noisy(model)}, "transfer")
    # Without a defence, what is attacked is what is scored.
    assert len(run({"net": model}, "oblivious")) == 7
