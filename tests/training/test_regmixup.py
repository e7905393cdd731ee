"""RegMixup: the clean loss and eta times that of mixup."""

import numpy as np
import references as ref
import toys

from keras_mixup import training


def test_a_step_descends_on_both_losses():
    classifier = ref.staged_network()
    model = ref.compiled(
        training.RegMixup(classifier, mixup_weight=0.7, seed=5)
    )
    images, labels = toys.data(8)
    targets = ref.one_hot(labels)
    draws = ref.draws_of(model, 8)
    weight, order = (
        np.asarray(draws[k]) for k in ("mix_weight", "permutation")
    )
    in_images, in_rows = weight[:, None, None, None], weight[:, None]
    mixed = in_images * images + (1 - in_images) * images[order]
    soft = in_rows * targets + (1 - in_rows) * targets[order]

    def loss():
        clean = ref.cross_entropy(targets, classifier(images))
        return clean + 0.7 * ref.cross_entropy(soft, classifier(mixed))

    ref.check_step(model, images, labels, loss)


def test_lambda_stays_near_one_half():
    """Beta(10, 10) has the deviation 1 / sqrt(84)."""
    model = training.RegMixup(toys.linear())
    weight = model.draw(4000, model.step_seed())["mix_weight"].numpy()
    np.testing.assert_allclose(weight.mean(), 0.5, atol=0.01)
    np.testing.assert_allclose(weight.std(), 84**-0.5, rtol=0.05)


def test_the_weights_of_examples_are_mixed_in_the_mixed_half_alone():
    images, labels = toys.data(6)
    targets = ref.one_hot(labels)
    own = np.array([0.0, 1.0, 2.0, 0.5, 3.0, 1.0], "float32")
    classifier = ref.staged_network()
    model = ref.compiled(training.RegMixup(classifier, seed=5))
    draws = ref.draws_of(model, 6)
    batch = model.prepare_batch(images, targets, draws)
    weight, order = (
        np.asarray(draws[k]) for k in ("mix_weight", "permutation")
    )
    clean = ref.cross_entropy(targets, classifier(images))
    mixed = ref.cross_entropy(
        batch["mixed_targets"], classifier(batch["mixed_images"])
    )
    pairs = weight * own + (1 - weight) * own[order]
    expected = np.mean(own * clean + pairs * mixed)
    logs = model.train_on_batch(images, labels, own, return_dict=True)
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)
