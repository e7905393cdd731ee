"""The paper's settings of every defence (Mixup Inference, Tables 4 and 5)."""

import warnings
from typing import Any

from keras_mixup import _checks
from keras_mixup import registry

# The tables' noise is in the units of the released code's images.
_PER_UNIT = 2.0  # The length of their range, [-1, 1].


def _settings(stddev, degrees, crop_pad, crop_resize, ol, combined=None):
    settings = {
        "gaussian_noise": {"stddev": stddev / _PER_UNIT},
        "random_rotation": {"degrees": degrees, "interpolation": "nearest"},
        "random_crop_pad": {"size_range": crop_pad},
        "random_resize_pad": {"size_range": crop_pad},
        "random_crop_resize": {"size_range": crop_resize},
        "mixup_inference_ol": {"mix_weight": ol},
    }
    if combined is not None:
        names = ("pl_weight", "ol_weight", "threshold")
        values = dict(zip(names, combined, strict=True))
        settings["mixup_inference_combined"] = values
    return settings


# (data set, training) -> registered name -> arguments, for 32 x 32 images.
_PAPER = {
    ("cifar10", "mixup"): _settings(
        0.04, 40.0, (16, 24), (22, 30), 0.5, (0.5, 0.4, 0.2)
    ),
    ("cifar10", "iat"): _settings(0.075, 30.0, (20, 28), (20, 28), 0.6),
    ("cifar10", "erm"): {"mixup_inference_ol": {"mix_weight": 0.6}},
    ("cifar10", "at"): {"mixup_inference_ol": {"mix_weight": 0.8}},
    ("cifar100", "mixup"): _settings(
        0.025, 20.0, (18, 26), (24, 32), 0.5, (0.5, 0.4, 0.2)
    ),
    ("cifar100", "iat"): _settings(0.06, 20.0, (22, 30), (24, 32), 0.6),
}
PAPER_ROWS = tuple(_PAPER)
_PAPER_SIDE = 32


class _Settings(dict):
    """Also takes the names of the classes, as release 0.1 did."""

    def __missing__(self, key):
        for name in self:
            entry = registry.entry("defence", name)
            if entry.path.endswith(f":{key}"):
                warnings.warn(
                    f'"{key}" is deprecated: use "{name}".',
                    DeprecationWarning,
                    stacklevel=2,
                )
                return self[name]
        raise KeyError(key)


_PAPER_DRAWS = 30


def paper_settings(
    dataset: str, training: str, image_size: int = _PAPER_SIDE
) -> dict[str, dict[str, Any]]:
    """Returns the arguments of each defence as the paper sets them.

    Args:
        dataset: `"cifar10"` (Table 4) or `"cifar100"` (Table 5).
        training: `"mixup"`, `"iat"` (interpolated adversarial training), or
            on cifar10 `"erm"` or `"at"`, the ablations.
        image_size: int, the images' side. The sizes of the crops are scaled
            from the paper's 32 pixels, and rounded.

    Returns:
        dict from a defence's registered name to a dict of its arguments,
        `num_draws` = 30 among them. Noise is in units of [0, 1]: the tables
        print twice as much, since the released code adds it to images in
        [-1, 1]. The row "Xie et al. (2018)" is `"random_crop_pad"`.
        `"random_resize_pad"`, which the tables do not have, takes its sizes.

    Raises:
        ValueError: for a pair that is not in the tables.

    Example:

    >>> paper_settings("cifar10", "mixup", 64)["random_crop_pad"]
    {'size_range': (32, 48), 'num_draws': 30}
    """
    _checks.check_integer(image_size, "image_size")
    pair = (dataset, training)
    _checks.check_choice(pair, "(dataset, training)", PAPER_ROWS)
    result = _Settings()
    for name, arguments in _PAPER[pair].items():
        result[name] = {**arguments, "num_draws": _PAPER_DRAWS}
        if "size_range" in arguments:
            result[name]["size_range"] = tuple(
                max(1, round(size * image_size / _PAPER_SIDE))
                for size in arguments["size_range"]
            )
    return result
