"""CutMix inside adversarial training: the box first, then the attack."""

import numpy as np
import references as ref
import tensorflow as tf
import test_cutmix
import toys

from keras_mixup import training
from keras_mixup.training import cutmix


def cut(model, images, targets, draws):
    """The listing's images and labels, and the share that is left."""
    numbers = test_cutmix.numbers(draws)
    return test_cutmix.listing(images, targets, *numbers)


def test_a_step_descends_on_the_attacked_box():
    classifier = ref.staged_network()
    attack = toys.attack(eps=0.2)
    model = training.CutMixAdversarialTraining(classifier, attack, seed=5)
    ref.compiled(model)
    images, labels = toys.data(8)
    draws = ref.draws_of(model, 8)
    mixed, targets, kept = cut(model, images, ref.one_hot(labels), draws)
    assert 0.2 < kept < 0.9  # else the step says little
    start = attack.perturb(classifier, mixed, targets, draws["attack_seed"])
    ref.check_step(
        model,
        images,
        labels,
        lambda: ref.cross_entropy(targets, classifier(start, training=True)),
    )
    assert np.abs(start - mixed).max() <= 0.2 + 1e-6


def test_trades_descends_on_both_terms_at_the_box():
    classifier = ref.staged_network()
    attack = toys.attack(2)
    model = training.CutMixTRADES(classifier, attack, beta=2.0, seed=5)
    ref.compiled(model)
    images, labels = toys.data(8)
    draws = ref.draws_of(model, 8)
    mixed, targets, _ = cut(model, images, ref.one_hot(labels), draws)
    seed = draws["attack_seed"]
    noise = tf.random.stateless_normal(mixed.shape, seed).numpy()
    soft = tf.nn.softmax(classifier(mixed))
    around = attack.perturb(
        classifier, mixed, soft, seed, start=mixed + 0.001 * noise
    )

    def loss():
        logits = classifier(mixed, training=True)
        clean = ref.cross_entropy(targets, logits)
        return clean + 2.0 * ref.kl(logits, classifier(around, training=True))

    ref.check_step(model, images, labels, loss)


def test_a_fixed_weight_gives_boxes_of_one_size():
    """0.61 leaves a window of 20 in 32 pixels, when it is not cut off."""
    model = training.CutMixAdversarialTraining(
        toys.linear(), toys.attack(), mix_weight=1 - (20 / 32) ** 2
    )
    draws = model.draw(2, model.step_seed())
    draws["centre"] = tf.constant([[0.5, 0.5]] * 2)
    draws["permutation"] = tf.constant([1, 0])
    images = np.zeros((2, 32, 32, 1), "float32")
    images[1] = 1.0
    found = cutmix.paste_boxes(images, np.eye(2, dtype="float32"), draws)
    inside = found["images"][0, :, :, 0].numpy()
    assert inside.sum() == 400 and inside[6:26, 6:26].all()
