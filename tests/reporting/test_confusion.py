"""Which class is taken for which, against counts by hand."""

import numpy as np
from test_report import some_records

from keras_mixup import attacks
from keras_mixup.evaluation.records import Column
from keras_mixup.evaluation.records import Records
from keras_mixup.reporting import confusion


def records():
    eot = Column("eot", "adaptive", "linf", 0.1)
    facts = {eot: attacks.Facts(knows_draws=False)}
    return Records(some_records(), facts)


def test_answers_are_counted_over_all_seeds_by_true_class():
    found = {title: (c, n) for title, c, n in confusion.matrices(records())}
    classes, counts = found["m<x> + MI-OL, eot (L-inf, eps 0.1)"]
    assert classes == (1, 3)
    # All are of class 3: one of four is right, under each of two seeds.
    np.testing.assert_array_equal(counts, [[0, 0], [6, 2]])
    _, clean = found["m<x> + MI-OL, clean"]
    np.testing.assert_array_equal(clean, [[0, 0], [0, 8]])
    assert len(found) == 4


def test_a_page_shows_shares_of_the_true_class_and_names():
    text = confusion.to_html("a <b>", (1, 3), np.array([[0, 0], [6, 2]]), ["n"])
    assert "a &lt;b&gt;" in text
    assert '<td class="wrong" style="--share:0.75">75</td>' in text
    assert '<td class="right" style="--share:0.25">25</td>' in text
    named = confusion.to_html("t", (0,), np.ones((1, 1), int), ["zebra & co"])
    assert "zebra &amp; co" in named


def test_a_single_class_or_too_many_have_no_matrix():
    one = records().where(lambda r: r.prediction == r.label)
    assert confusion.matrices(one) == []
    many = Records(
        [r._replace(label=n, prediction=n) for n, r in enumerate(records())]
    )
    assert len(many) > 20 and confusion.matrices(many) == []
