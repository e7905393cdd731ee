"""Randomized smoothing against a linear classifier, whose radius is known."""

import keras
import numpy as np
import pytest
from scipy import stats

from keras_mixup import inference

SIGMA = 0.2


@pytest.fixture(scope="module")
def linear():
    """Two classes, apart at the plane where the mean pixel is 0.5."""
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    weights = np.stack([np.full(4, -1.0), np.full(4, 1.0)], axis=1)
    model.layers[-1].set_weights([weights, np.array([2.0, -2.0])])
    return inference.RandomizedSmoothing(model, SIGMA)


def image_at(*distances):
    """Images at L2 distances from the plane, on the side of class 1."""
    return np.stack([np.full((2, 2, 1), 0.5 + d / 2.0) for d in distances])


def test_votes_follow_the_known_probability(linear):
    distances = np.array([-0.3, 0.0, 0.1, 0.3])
    votes = linear.count_votes(image_at(*distances), 4000, seed=3)
    np.testing.assert_array_equal(votes.sum(-1), 4000)
    share = stats.norm.cdf(distances / SIGMA)
    error = np.sqrt(share * (1.0 - share) / 4000)
    assert np.all(np.abs(votes[:, 1] / 4000 - share) < 4.5 * error)


def test_the_radius_is_the_distance_to_the_plane(linear):
    distances = np.array([0.05, 0.1, 0.2, 0.3])
    found = linear.certify(image_at(*distances), 20_000, seed=1)
    np.testing.assert_array_equal(found.labels, 1)
    assert np.all(found.radii <= distances)
    # From below, and near: the bound is 3.1 deviations of the share of votes
    # below that share, which itself deviates.
    place = distances / SIGMA
    share = stats.norm.cdf(place)
    deviation = np.sqrt(share * (1.0 - share) / 20_000)
    slack = SIGMA * 7.0 * deviation / stats.norm.pdf(place)
    assert np.all(found.radii > distances - slack)
    other = linear.certify(1.0 - image_at(*distances), 2000)
    np.testing.assert_array_equal(other.labels, 0)


def test_bound_and_radius_against_scipys_own(linear, monkeypatch):
    votes = np.array([[0, 500], [30, 470], [270, 230], [500, 0]])
    monkeypatch.setattr(linear, "count_votes", lambda *_: votes)
    found = linear.certify(image_at(0, 0, 0, 0), 500, alpha=0.01)
    for row, counts in enumerate(votes):
        test = stats.binomtest(int(counts.max()), 500, alternative="greater")
        low = test.proportion_ci(0.99, "exact").low
        assert found.bounds[row] == pytest.approx(low, rel=1e-9)
        radius = SIGMA * stats.norm.ppf(low)
        assert found.radii[row] == pytest.approx(max(radius, 0.0), rel=1e-9)
    # 54 % of 500 votes bound by less than a half.
    np.testing.assert_array_equal(found.labels, [1, 1, -1, 0])
    # With all votes the bound is alpha^(1 / n).
    assert found.bounds[0] == pytest.approx(0.01 ** (1 / 500))


def test_a_class_chosen_without_a_later_vote_is_abstained(linear, monkeypatch):
    calls = [np.array([[1, 0]]), np.array([[0, 200]])]
    monkeypatch.setattr(linear, "count_votes", lambda *_: calls.pop(0))
    found = linear.certify(image_at(0.3), 200, num_selection_draws=1)
    assert (found.labels, found.bounds, found.radii) == (-1, 0.0, 0.0)


def test_the_bound_covers(linear, monkeypatch):
    """A bound above the true share is as rare as alpha says."""
    share, alpha, tries = 0.8, 0.05, 4000
    generator = np.random.default_rng(0)
    drawn = generator.binomial(300, share, tries)
    votes = np.stack([300 - drawn, drawn], axis=1)
    monkeypatch.setattr(linear, "count_votes", lambda *_: votes)
    found = linear.certify(np.zeros((tries, 2, 2, 1)), 300, alpha=alpha)
    wrong = np.mean(found.bounds > share)
    slack = 4.0 * np.sqrt(alpha * (1 - alpha) / tries)
    assert wrong <= alpha + slack
    # It is not idle: the exact bound misses nearly as often as it may.
    assert wrong > alpha / 2


def test_predict_against_the_exact_test(linear, monkeypatch):
    votes = np.array([[40, 60], [20, 80], [100, 0], [50, 50]])
    monkeypatch.setattr(linear, "count_votes", lambda *_: votes)
    found = linear.predict(image_at(0, 0, 0, 0), 100, alpha=0.05)
    # Two-sided p-values 0.0569, 1e-9, 1e-30 and 1.
    np.testing.assert_array_equal(found, [-1, 1, 0, -1])
    assert linear.predict(image_at(0), 100, alpha=0.06)[0] == 1


def test_a_vote_depends_on_its_own_image_and_seed_alone(linear):
    images = image_at(0.0, 0.05, 0.1)
    seeds = np.array([[1, 2], [3, 4], [5, 6]], np.int32)
    together = linear.count_votes(images, 1500, seeds)
    for row in (2, 0, 1):
        alone = linear.count_votes(
            images[row : row + 1], 1500, seeds[row : row + 1]
        )
        np.testing.assert_array_equal(alone[0], together[row])
    again = linear.count_votes(images, 1500, seeds[::-1])
    assert not np.array_equal(again, together)


def test_without_noise_all_votes_are_the_classifiers():
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    layer = inference.RandomizedSmoothing(model, 0.0, max_inputs=7)
    images = np.random.default_rng(0).random((5, 2, 2, 1), np.float32)
    votes = layer.count_votes(images, 20)
    np.testing.assert_array_equal(
        votes, 20 * np.eye(3)[np.argmax(model(images), -1)]
    )
    with pytest.raises(ValueError, match="`stddev` must be above 0"):
        layer.certify(images)


def test_certified_accuracy():
    found = inference.Certificates(
        np.array([1, 1, -1, 0]), np.array([0.3, 0.1, 0.0, 0.2]), np.ones(4)
    )
    labels = [1, 1, 1, 1]
    assert found.accuracy(labels) == 0.5
    assert found.accuracy(labels, 0.1) == 0.5
    assert found.accuracy(labels, 0.11) == 0.25
    with pytest.raises(ValueError, match="`radius` must be"):
        found.accuracy(labels, -1.0)
    with pytest.raises(ValueError, match=r"`labels` must be .*\[4\]"):
        found.accuracy([1, 1, 1])


@pytest.mark.parametrize("classes", [3, 5])
def test_certified_accuracy_takes_one_hot_rows(classes):
    found = inference.Certificates(
        np.array([0, 2, 1]), np.array([0.3, 0.1, 0.2]), np.ones(3)
    )
    labels = np.array([0, 2, 2])
    assert found.accuracy(labels) == 2 / 3
    assert found.accuracy(labels[:, None]) == 2 / 3
    assert found.accuracy(np.eye(classes)[labels]) == 2 / 3


@pytest.mark.parametrize(
    "method, given, match",
    [
        ("predict", {"alpha": 0.0}, "`alpha` must be"),
        ("predict", {"alpha": 1.0}, r"`alpha` must be a number in \(0, 1\)"),
        ("predict", {"num_draws": 0}, "`num_draws` must be"),
        ("certify", {"num_draws": 1.5}, "`num_draws` must be"),
        (
            "certify",
            {"num_selection_draws": 0},
            "`num_selection_draws` must be",
        ),
        ("count_votes", {"num_draws": 3, "seed": None}, "`seed` must be"),
        (
            "count_votes",
            {"num_draws": 3, "seed": np.zeros((3, 2), np.int32)},
            "`seed` must be one for each of 1 images",
        ),
    ],
)
def test_bad_arguments_are_named(linear, method, given, match):
    with pytest.raises(ValueError, match=match):
        getattr(linear, method)(image_at(0.1), **given)


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 2, 2, 1), np.uint8), 2 * image_at(0.4), image_at(0.1)[0]],
)
def test_bad_images_are_named(linear, images):
    with pytest.raises(ValueError, match="`images` must be"):
        linear.certify(images)
