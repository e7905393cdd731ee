"""Class-balanced, reproducible choices of examples."""

import hashlib

import numpy as np

from keras_mixup import _checks
from keras_mixup.data.specs import ImageSet
from keras_mixup.data.specs import check_set


def take(image_set, indices):
    """Returns the examples at `indices` as a new `ImageSet`."""
    return ImageSet(*(field[indices] for field in image_set))


def class_balanced_subset(
    image_set: ImageSet, num_examples: int, seed: int = 0
) -> ImageSet:
    """Chooses examples so that the classes keep their proportions.

    With the same seed, a smaller subset is a part of a larger one as far as the
    class counts allow. The choice depends on the example ids, the labels and
    the seed alone.

    Args:
        image_set: `ImageSet`.
        num_examples: int in 1..n.
        seed: int.

    Returns:
        An `ImageSet` of `num_examples` examples, in the original order.

    Raises:
        ValueError: for fewer than one or more than n examples.
    """
    seed = _checks.check_seed(seed)
    chosen = stratified_choice(
        check_set(image_set).labels,
        image_set.example_ids,
        num_examples,
        f"subset/{seed}",
    )
    return take(image_set, np.flatnonzero(chosen))


def stratified_choice(labels, example_ids, num_examples, key):
    """Marks `num_examples` examples, each class in proportion to its size.

    Within a class those with the smallest keyed hash of their id are chosen.
    The choice is the same on every platform and with every version of NumPy,
    which the generators of NumPy and scikit-learn do not promise.

    Args:
        labels: int [n].
        example_ids: int [n].
        num_examples: int in 1..n.
        key: str, different choices for different keys.

    Returns:
        bool [n].
    """
    num_examples = _checks.check_integer(num_examples, "num_examples")
    expected = f"at most {len(labels)}, the number of examples"
    okay = num_examples <= len(labels)
    _checks.check(okay, "num_examples", expected, num_examples)
    ranks = np.array([_hash(key, example) for example in example_ids.tolist()])
    _, classes, counts = np.unique(
        labels, return_inverse=True, return_counts=True
    )
    chosen = np.zeros(len(labels), bool)
    for number, quota in enumerate(_quotas(counts, num_examples)):
        members = np.flatnonzero(classes == number)
        chosen[members[np.argsort(ranks[members])[:quota]]] = True
    return chosen


def _hash(key, example):
    digest = hashlib.blake2b(f"{key}/{example}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def _quotas(counts, num_examples):
    # Largest remainder method: floors, then one more to the largest fractions.
    shares = counts * num_examples
    quotas = shares // counts.sum()
    left = num_examples - quotas.sum()
    by_remainder = np.argsort(-(shares % counts.sum()), kind="stable")
    quotas[by_remainder[:left]] += 1
    return quotas
