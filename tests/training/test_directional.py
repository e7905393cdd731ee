"""Directional adversarial training: mixed images, labels of their own."""

import numpy as np
import references as ref
import toys

from keras_mixup import ops
from keras_mixup import training


def test_a_step_descends_on_the_loss_of_the_own_label():
    classifier = ref.staged_network()
    model = ref.compiled(
        training.DirectionalAdversarialTraining(classifier, seed=5)
    )
    images, labels = toys.data(8)
    targets = ref.one_hot(labels)
    draws = ref.draws_of(model, 8)
    weight, order = (
        np.asarray(draws[k]) for k in ("mix_weight", "permutation")
    )
    weight = weight[:, None, None, None]
    moved = weight * images + (1 - weight) * images[order]
    ref.check_step(
        model,
        images,
        labels,
        lambda: ref.cross_entropy(targets, classifier(moved)),
    )


def mean_slope(model, images, labels):
    """The mean gradient of the loss by a linear classifier's kernel."""
    targets = ref.one_hot(labels)
    kernel, bias = (w.numpy() for w in model.classifier.trainable_variables)
    draws = model.draw(len(images), ops.seed_pair(1))
    batch = model.prepare_batch(images, targets, draws)
    flat = batch["images"].numpy().reshape(len(images), -1)
    logits = flat @ kernel + bias
    soft = np.exp(logits - logits.max(-1, keepdims=True))
    soft /= soft.sum(-1, keepdims=True)
    return flat.T @ (soft - batch["targets"]) / len(images)


def test_in_expectation_it_is_mixup():
    """Mixup with Beta(a, a) is this with Beta(a + 1, a), Archambault et al."""
    images, labels = (np.concatenate([v] * 2000) for v in toys.data(12))
    classifier = toys.linear()
    # The pairs of the last one have the distribution of mixup itself.
    mixup, ours, far = (
        mean_slope(kind(classifier, 0.6, mix_weight=given), images, labels)
        for kind, given in (
            (training.Mixup, None),
            (training.DirectionalAdversarialTraining, None),
            (training.DirectionalAdversarialTraining, ("beta", 0.6, 0.6)),
        )
    )
    assert np.abs(mixup - ours).max() < 0.006
    assert np.abs(mixup - far).max() > 0.015


def test_the_weight_of_an_example_stays_its_own():
    model = ref.compiled(
        training.DirectionalAdversarialTraining(toys.linear(), seed=5)
    )
    images, labels = toys.data(4)
    own = np.array([0.0, 0.0, 0.0, 2.0], "float32")
    draws = ref.draws_of(model, 4)
    batch = model.prepare_batch(images, ref.one_hot(labels), draws)
    losses = ref.cross_entropy(
        batch["targets"], model.classifier(batch["images"])
    )
    logs = model.train_on_batch(images, labels, own, return_dict=True)
    np.testing.assert_allclose(logs["loss"], losses[3] / 2.0, rtol=1e-5)
