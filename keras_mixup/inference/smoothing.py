"""Randomized smoothing: a vote over noisy copies that can be certified."""

import types
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from scipy import stats

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.inference import _classifier
from keras_mixup.inference import transforms

ABSTAINED = -1
# Noisy copies in one pass of the classifier.
_PASS = 1000


class Certificates(NamedTuple):
    """What `RandomizedSmoothing.certify` found, a row for each image.

    Attributes:
        labels: int64 [n], the certified class, or -1 where it abstained.
        radii: float64 [n], the L2 radius in pixel units of [0, 1]; 0 where
            it abstained.
        bounds: float64 [n], the lower bound of the class's probability.
    """

    labels: np.ndarray
    radii: np.ndarray
    bounds: np.ndarray

    def accuracy(
        self, labels: _tensors.ArrayLike, radius: float = 0.0
    ) -> float:
        """Returns the certified accuracy at a radius, a float in [0, 1].

        It is the share of images whose certified class is the true one and
        whose radius is `radius` at least. No attack of that L2 norm changes
        these answers.

        Args:
            labels: the true classes, integers [n] or [n, 1], or one-hot rows
                [n, C].
            radius: float >= 0, L2, in pixel units.

        Raises:
            ValueError: for other labels than one per image, or another radius.
        """
        radius = _checks.check_number(radius, "radius", low=0.0)
        count = len(self.labels)
        labels = _inputs.read_classes(labels, count)
        right = self.labels == labels
        return float(np.mean(right & (self.radii >= radius)))


@registry.register(
    "defence",
    "randomized_smoothing",
    label="smoothing",
    flags={"num_draws": "num_draws", "stddev": "smoothing_stddev"},
)
class RandomizedSmoothing(transforms.GaussianNoiseInference):
    """The class that most noisy copies of the image are classified as.

    The smoothed classifier g(x) is the most probable class of
    F(x + noise), noise ~ N(0, stddev^2). `predict` and `certify` estimate it
    by votes, with a stated chance of error (Cohen et al., "Certified
    Adversarial Robustness via Randomized Smoothing", 2019, section 3.2).

    A call of the layer returns the log mean probability instead of the share
    of votes: it has a gradient, so that attacks go through it (Salman et al.,
    2019, Eq. 6). Its answer is not certified.

    Args:
        classifier: `keras.Model` from images to logits, best trained on
            images with the same noise, see `training.GaussianAugmentation`.
        stddev: float >= 0, sigma in pixel units of [0, 1]; certificates need
            more than 0. Cohen et al. have 0.12, 0.25, 0.5 and 1 on CIFAR-10.
        num_draws: int, N of the layer's call, default 30.

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: for a classifier that ends in softmax, a negative stddev.
    """

    def __init__(
        self,
        classifier: keras.layers.Layer,
        stddev: float = 0.25,
        num_draws: int = 30,
        max_inputs: int | None = 4096,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, stddev, num_draws, max_inputs, **kwargs)
        # An attribute that is a graph would become a part of exports.
        self._compiled = types.SimpleNamespace(votes=None)

    def count_votes(
        self,
        images: _tensors.ArrayLike,
        num_draws: int,
        seed: _tensors.SeedLike = 0,
    ) -> np.ndarray:
        """Returns how many noisy copies each class gets, int64 [n, classes].

        Args:
            images: float [n, H, W, C] in [0, 1].
            num_draws: int, noisy copies of each image.
            seed: int, int32 [2], or int32 [n, 2]: one for each image.

        Raises:
            ValueError: when an argument is out of its range.
        """
        images = _inputs.read_images(images, "images")
        self.check_image_shape(images.shape[1:])
        num_draws = _checks.check_integer(num_draws, "num_draws")
        given = seed is not None
        _checks.check(given, "seed", "an int, int32 [2] or [n, 2]", seed)
        seeds = ops.row_seeds(seed, len(images))
        _checks.check(
            len(seeds) == len(images),
            "seed",
            f"one for each of {len(images)} images",
            f"shape {seeds.shape}",
        )
        if self._compiled.votes is None:
            self._compiled.votes = tf.function(self._votes, jit_compile=False)
        # One image at a time, so that no answer depends on the others.
        pairs = zip(tf.constant(images), seeds, strict=True)
        found = [self._compiled.votes(i, s, num_draws) for i, s in pairs]
        return np.asarray(found, np.int64)

    def predict(
        self,
        images: _tensors.ArrayLike,
        num_draws: int = 1000,
        alpha: float = 0.001,
        seed: _tensors.SeedLike = 0,
    ) -> np.ndarray:
        """Returns the smoothed class of each image, or -1, int64 [n].

        It abstains (-1) where the two classes with the most votes cannot be
        told apart: where an exact two-sided binomial test of equal chances
        has a p-value above `alpha`. A class that is returned is not g(x)
        with a probability of `alpha` at most (Cohen et al., PREDICT).

        Args:
            images: float [n, H, W, C] in [0, 1].
            num_draws: int, votes for each image.
            alpha: float in (0, 1), the chance of error for each image.
            seed: as for `count_votes`.
        """
        alpha = _check_alpha(alpha)
        votes = self.count_votes(images, num_draws, seed)
        ranked = np.sort(votes, axis=-1)
        best, second = ranked[:, -1], ranked[:, -2]
        values = [
            stats.binomtest(int(b), int(b + s), 0.5).pvalue
            for b, s in zip(best, second, strict=True)
        ]
        sure = np.asarray(values, np.float64) <= alpha
        return np.where(sure, votes.argmax(-1), ABSTAINED)

    def certify(
        self,
        images: _tensors.ArrayLike,
        num_draws: int = 10_000,
        alpha: float = 0.001,
        num_selection_draws: int = 100,
        seed: _tensors.SeedLike = 0,
    ) -> Certificates:
        """Returns the L2 radius within which g does not change.

        The first votes choose the class. Other votes, k of n for it, bound
        its probability from below by p, the exact (Clopper-Pearson)
        one-sided bound. The radius is stddev * Phi^-1(p), and it abstains at
        p <= 1/2. A radius is wrong with a probability of `alpha` at most
        (Cohen et al., Theorem 1, Proposition 2 and CERTIFY).

        Args:
            images: float [n, H, W, C] in [0, 1].
            num_draws: int, the votes that bound; they cap the radius: with
                all of n votes p is alpha^(1/n). Cohen et al. take 100,000.
            alpha: float in (0, 1), the chance of error for each image.
            num_selection_draws: int, the votes that choose the class.
            seed: as for `count_votes`.

        Returns:
            `Certificates`.

        Raises:
            ValueError: for an argument out of its range, or stddev = 0.
        """
        alpha = _check_alpha(alpha)
        expected = "above 0 for a certificate"
        _checks.check(self.stddev > 0.0, "stddev", expected, self.stddev)
        num_draws = _checks.check_integer(num_draws, "num_draws")
        num_selection_draws = _checks.check_integer(
            num_selection_draws, "num_selection_draws"
        )
        images = _inputs.read_images(images, "images")
        seeds = ops.row_seeds(seed, len(images))
        chosen, counted = (
            self.count_votes(images, count, _folded(seeds, purpose))
            for purpose, count in enumerate((num_selection_draws, num_draws))
        )
        labels = chosen.argmax(-1)
        own = counted[np.arange(len(labels)), labels]
        # The exact one-sided bound of Clopper and Pearson; 0 without a vote.
        bounds = stats.beta.ppf(alpha, own, num_draws - own + 1)
        bounds = np.where(own > 0, bounds, 0.0)
        sure = bounds > 0.5
        radii = self.stddev * stats.norm.ppf(np.where(sure, bounds, 0.5))
        return Certificates(np.where(sure, labels, ABSTAINED), radii, bounds)

    def _votes(self, image, seed, num_draws):
        """Returns the votes of one image [H, W, C], int32 [classes]."""
        classes = _classifier.num_classes(self.classifier, image.shape)
        size = min(_PASS, num_draws, self.max_inputs or _PASS)
        shape = [size, *image.shape]

        def body(start, votes):
            noise_seed = ops.fold_in(seed, start)
            noise = tf.random.stateless_normal(shape, noise_seed)
            logits = self.classify(image + self.stddev * noise)
            found = tf.argmax(logits, -1, tf.int32)
            # The last pass may have more copies than are asked for.
            found = found[: num_draws - start]
            found = tf.math.bincount(found, None, classes, classes)
            return start + size, votes + tf.ensure_shape(found, [classes])

        _, votes = tf.while_loop(
            lambda start, votes: start < num_draws,
            body,
            (tf.constant(0), tf.zeros([classes], tf.int32)),
            parallel_iterations=1,
        )
        return votes


def _check_alpha(alpha):
    alpha = _checks.check_number(alpha, "alpha", 0.0, 1.0, low_open=True)
    _checks.check(alpha < 1.0, "alpha", "a number in (0, 1)", alpha)
    return alpha


def _folded(seeds, purpose):
    return tf.map_fn(lambda seed: ops.fold_in(seed, purpose), seeds)
