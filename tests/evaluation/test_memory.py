"""Memory that is short: the batch halves, goes on, and is said once."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from evaluation_toys import CLEAN
from evaluation_toys import PGD
from evaluation_toys import Linear
from evaluation_toys import Noisy
from evaluation_toys import data

from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup.data import pieces as memory


def refuse_above(limit, seen):
    def function(rows, others):
        seen.append(len(rows))
        if len(rows) > limit:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return tf.constant(rows) * 2, others + 1

    return function


def test_whole_batches_while_there_is_memory():
    seen = []
    rows = np.arange(7.0)
    pieces = memory.Pieces(7)
    doubled, added = pieces(refuse_above(7, seen), rows, rows)
    np.testing.assert_array_equal(doubled, rows * 2)
    np.testing.assert_array_equal(added, rows + 1)
    assert seen == [7]


def test_halves_until_it_fits_and_says_so_once():
    seen = []
    rows = np.arange(7.0)
    pieces = memory.Pieces(7)
    with pytest.warns(UserWarning, match="Out of memory with 7") as said:
        doubled, added = pieces(refuse_above(2, seen), rows, rows)
    assert len(said) == 1
    np.testing.assert_array_equal(doubled, rows * 2)
    np.testing.assert_array_equal(added, rows + 1)
    # Four rows at once, then two; the last piece is padded to two.
    assert seen == [7, 4, 2, 2, 2, 2]
    seen.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pieces(refuse_above(2, seen), rows, rows)
        pieces(refuse_above(1, seen), rows, rows)
    assert seen[:4] == [2, 2, 2, 2]


def test_one_row_that_does_not_fit_is_an_error():
    pieces = memory.Pieces(2)
    with (
        pytest.warns(UserWarning, match="Out of memory"),
        pytest.raises(tf.errors.ResourceExhaustedError),
    ):
        pieces(refuse_above(0, []), np.zeros(2), np.zeros(2))


class ShortOfMemory:
    """A model, or an attack, that cannot take more than two rows."""

    def __init__(self, inner):
        self.inner = inner
        self.threat = getattr(inner, "threat", None)

    def __call__(self, *arguments, **options):
        images = [a for a in arguments if hasattr(a, "shape")][0]
        if len(images) > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return self.inner(*arguments, **options)


def test_an_evaluation_goes_on():
    images, labels, _ = data()
    expected = evaluation.evaluate(
        {"linear": Linear()},
        [CLEAN, ("pgd", PGD, "oblivious")],
        images,
        labels,
        batch_size=4,
        verbose=False,
    )
    for model, attack in (
        (ShortOfMemory(Linear()), PGD),
        (Linear(), ShortOfMemory(PGD)),
    ):
        # As a model the attack sees it without its limit.
        specs = [CLEAN, ("pgd", attack, "oblivious")]
        if attack is PGD:
            specs = specs[:1]
        with pytest.warns(UserWarning, match="Out of memory with 4") as said:
            found = evaluation.evaluate(
                {"linear": model},
                specs,
                images,
                labels,
                batch_size=4,
                verbose=False,
            )
        assert len([w for w in said if "memory" in str(w.message)]) == 1
        columns = {spec[0] for spec in specs}
        assert found == [r for r in expected if r.attack in columns]


def test_a_defences_draws_do_not_depend_on_the_pieces():
    model = Linear()
    images, labels, _ = data()

    class Short(Noisy):
        def draw(self, images, seed=None, logits=None):
            if images.shape[0] > 2:
                raise tf.errors.ResourceExhaustedError(None, None, "no")
            return super().draw(images, seed)

    adaptive = attacks.MixupInferenceAttack(
        PGD.threat, "tramer2020", num_steps=2, num_draws=2
    )
    options = {"batch_size": 4, "verbose": False, "eval_seeds": (1, 2)}
    whole = evaluation.evaluate(
        {"n": Noisy(model)}, [CLEAN], images, labels, **options
    )
    with pytest.warns(UserWarning, match="Out of memory"):
        found = evaluation.evaluate(
            {"n": Short(model)},
            [CLEAN, ("eot", adaptive, "adaptive")],
            images,
            labels,
            **options,
        )
    clean = [r for r in found if r.attack == "clean"]
    # Losses and confidences round as the sizes of the pieces have it.
    plain = {"loss": 0.0, "confidence": 0.0}
    assert [r._replace(**plain) for r in clean] == [
        r._replace(**plain) for r in whole
    ]
    np.testing.assert_allclose(
        [r.confidence for r in clean],
        [r.confidence for r in whole],
        rtol=1e-6,
    )
    assert len(found) == 2 * len(whole)
