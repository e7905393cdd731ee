"""Tables 4 and 5 of the Mixup Inference paper."""

import pytest

from keras_mixup import inference
from keras_mixup import registry


@pytest.mark.parametrize(
    ("dataset", "training", "name", "expected"),
    [
        ("cifar10", "mixup", "gaussian_noise", {"stddev": 0.02}),
        ("cifar10", "iat", "gaussian_noise", {"stddev": 0.0375}),
        ("cifar100", "mixup", "gaussian_noise", {"stddev": 0.0125}),
        ("cifar100", "iat", "gaussian_noise", {"stddev": 0.03}),
        (
            "cifar10",
            "mixup",
            "random_rotation",
            {"degrees": 40.0, "interpolation": "nearest"},
        ),
        ("cifar100", "iat", "random_crop_pad", {"size_range": (22, 30)}),
        (
            "cifar10",
            "iat",
            "random_resize_pad",
            {"size_range": (20, 28)},
        ),
        ("cifar10", "at", "mixup_inference_ol", {"mix_weight": 0.8}),
        (
            "cifar100",
            "mixup",
            "random_crop_resize",
            {"size_range": (24, 32)},
        ),
        (
            "cifar100",
            "mixup",
            "mixup_inference_combined",
            {"pl_weight": 0.5, "ol_weight": 0.4, "threshold": 0.2},
        ),
        ("cifar100", "iat", "mixup_inference_ol", {"mix_weight": 0.6}),
    ],
)
def test_has_the_numbers_of_the_tables(dataset, training, name, expected):
    settings = inference.paper_settings(dataset, training)
    assert settings[name] == {**expected, "num_draws": 30}


@pytest.mark.parametrize(
    ("side", "sizes"), [(8, (4, 6)), (32, (16, 24)), (64, (32, 48))]
)
def test_sizes_follow_the_image(side, sizes):
    settings = inference.paper_settings("cifar10", "mixup", side)
    assert settings["random_resize_pad"]["size_range"] == sizes
    assert settings["random_rotation"]["degrees"] == 40.0


def test_every_entry_is_a_constructor_call(classifier, pool):
    settings = inference.paper_settings("cifar10", "mixup", image_size=6)
    for name, arguments in settings.items():
        given = {"classifier": classifier, **arguments}
        if registry.accepts("defence", name, "pool"):
            given["pool"] = pool
        defence = registry.find("defence", name)(**given)
        assert defence.num_draws == 30


def test_other_pairs_are_refused():
    with pytest.raises(ValueError, match="must be one of .*'cifar100', 'iat'"):
        inference.paper_settings("svhn", "mixup")


def test_the_names_of_release_0_1_still_lead_to_them():
    settings = inference.paper_settings("cifar10", "mixup")
    with pytest.warns(DeprecationWarning, match='use "random_rotation"'):
        assert settings["RandomRotationInference"]["degrees"] == 40.0
    with pytest.raises(KeyError):
        settings["RandomRotations"]
