"""AVmixup against a plain transcription of its paper's algorithm."""

import numpy as np
import pytest
import references as ref
import toys

from keras_mixup import training


def smooth(targets, share):
    """phi of the paper: the true class gets `share`, the others the rest."""
    return share * targets + (1 - share) * (1 - targets) / (toys.CLASSES - 1)


def listing(model, images, targets, draws):
    """x^ and y^ of Lee et al., with NumPy and the attack's own result."""
    attacked = model.attack.perturb(
        model.attacked_model, images, targets, draws["attack_seed"]
    ).numpy()
    vertex = np.clip(images + model.vertex_scale * (attacked - images), 0, 1)
    weight = np.asarray(draws["mix_weight"])
    in_images, in_rows = weight[:, None, None, None], weight[:, None]
    labels = [smooth(targets, s) for s in (model.clean_label, 0.1)]
    return (
        in_images * images + (1 - in_images) * vertex,
        in_rows * labels[0] + (1 - in_rows) * labels[1],
    )


@pytest.mark.parametrize(("scale", "clean"), [(2.0, 1.0), (1.0, 0.5)])
def test_a_step_descends_on_the_loss_of_the_listing(scale, clean):
    classifier = ref.staged_network()
    model = training.AdversarialVertexMixup(
        classifier, toys.attack(), scale, clean, seed=5
    )
    ref.compiled(model)
    images, labels = toys.data(8)
    targets = ref.one_hot(labels)
    draws = ref.draws_of(model, 8)
    mixed, soft = listing(model, images, targets, draws)
    np.testing.assert_allclose(soft.sum(axis=-1), 1.0, atol=1e-6)
    assert np.abs(mixed - images).max() > 0.9 * 0.1 * (scale - 0.3)
    ref.check_step(
        model,
        images,
        labels,
        lambda: ref.cross_entropy(soft, classifier(mixed)),
    )


def test_lambda_is_uniform_and_each_image_has_its_own():
    model = training.AdversarialVertexMixup(toys.linear(), toys.attack())
    weight = model.draw(4000, model.step_seed())["mix_weight"].numpy()
    np.testing.assert_allclose(weight.mean(), 0.5, atol=0.02)
    np.testing.assert_allclose(weight.var(), 1 / 12, rtol=0.05)


@pytest.mark.parametrize("name", ["vertex_scale", "clean_label"])
def test_bad_settings_are_named(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a number in"):
        training.AdversarialVertexMixup(
            toys.linear(), toys.attack(), **{name: -0.1}
        )
