"""Shrinking alone, against its formula."""

import numpy as np
import pytest
from evaluation_toys import CLEAN
from evaluation_toys import PGD
from evaluation_toys import Fixed
from evaluation_toys import data
from evaluation_toys import pool
from evaluation_toys import small_model as model

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup.evaluation import controls


def test_shrinkage_mixes_with_the_mean_of_all_pool_images():
    shrunk = controls.MeanImageShrinkage(model(), pool(), 0.6)
    images = np.array([0.2, 1.0], np.float32)[:, None, None, None]
    expected = 0.6 * images + 0.4 * 0.55
    np.testing.assert_allclose(shrunk.apply(images)[0], expected, rtol=1e-6)
    found = np.exp(shrunk(images)[:, 0])
    np.testing.assert_allclose(found, expected[:, 0, 0, 0], rtol=1e-5)
    assert shrunk.get_config() == {"mix_weight": 0.6}
    with pytest.raises(ValueError, match="`mix_weight` must be"):
        controls.MeanImageShrinkage(model(), pool(), 1.5)


def test_a_large_pool_counts_every_image_once():
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(2500, 1, 1, 1)).astype("float32")
    labels = np.arange(2500) % 2
    held = inference.SamplePool(images, labels, dtype="float32")
    shrunk = controls.MeanImageShrinkage(model(), held, 0.5)
    assert float(shrunk.mean_image[0, 0, 0]) == pytest.approx(
        images.mean(), rel=1e-5
    )


def test_records_call_it_a_defence_and_score_it_once():
    net = model()
    shrunk = controls.MeanImageShrinkage(net, pool(), 0.5)
    pixels = np.array([0.1, 0.3, 0.6, 0.9], np.float32)[:, None, None, None]
    attack = Fixed(0.5, ThreatModel("linf", 1.0))
    records = evaluation.evaluate(
        {"net": net, "shrinkage": shrunk},
        [CLEAN, ("o", attack, "oblivious"), ("a", attack, "adaptive")],
        pixels,
        np.array([1, 1, 0, 0]),
        eval_seeds=range(10),
        selection_seeds=(0,),
        pool_split="train",
        verbose=False,
    )
    own = [r for r in records if r.defence == "shrinkage"]
    assert {(r.model, r.eval_seed, r.pool_split) for r in own} == {
        ("net", None, "train")
    }
    assert {r.attack for r in own} == {"clean", "o", "a", "worst-case"}
    # 0.5 x + 0.5 * 0.55 > 0.5 for x > 0.45.
    clean = [r.prediction for r in own if r.attack == "clean"]
    assert clean == [1, 1, 0, 0]


def test_one_control_per_expected_lambda():
    net = model()
    kinds = inference.MixupInferenceOL, inference.MixupInferencePL
    defences = {
        "a": kinds[0](net, pool(), 0.6),
        "b": kinds[1](net, pool(), ("uniform", 0.5, 0.7)),
        "c": kinds[1](net, pool(), ("beta", 3.0, 1.0)),
        "d": inference.GaussianNoiseInference(net, 0.1),
        "e": inference.MixupInferenceCombined(net, pool(), 0.5, 0.9),
        "net": net,
    }
    found = controls.mix_weights(defences.values())
    assert list(found) == [0.6, 0.75, 0.9]
    made = controls.shrinkage_models(defences)
    assert list(made) == [f"mean-image shrinkage {w}" for w in found]


def test_reduced_attacks():
    threat = ThreatModel("l2", 0.5)
    adaptive = attacks.MixupInferenceAttack(threat, "tramer2020", num_steps=4)
    averaged = attacks.AveragedAttack(attacks.Square(threat, 9), 3)
    specs = [
        evaluation.AttackSpec(*CLEAN),
        evaluation.AttackSpec("pgd", PGD, "oblivious", "random"),
        evaluation.AttackSpec("eot", adaptive, "adaptive", undefended=PGD),
        evaluation.AttackSpec("asked", averaged, "adaptive"),
    ]
    pgd, eot, asked = controls.reduced_specs(specs, 0.5)
    assert asked.attack.num_draws == 3
    inner = asked.attack.attack
    assert (inner.num_queries, inner.threat.eps) == (9, 0.25)
    assert pgd.attack.threat.eps == PGD.threat.eps / 2
    assert pgd.attack.step_size == PGD.step_size / 2
    assert pgd.attack.num_steps == PGD.num_steps
    assert pgd.targeted == "random"
    assert eot.attack.threat == ThreatModel("l2", 0.25)
    assert eot.attack.step_size == adaptive.step_size / 2
    assert eot.undefended.threat.eps == PGD.threat.eps / 2
    # The originals are as they were.
    assert adaptive.threat.eps == 0.5
    images, labels, _ = data(4)
    assert len(eot.undefended(model_of_rows, images, labels).images) == 4


def model_of_rows(images):
    import tensorflow as tf

    first = images[:, 0, 0, 0]
    return tf.stack([tf.zeros_like(first), first - 0.5], axis=-1)
