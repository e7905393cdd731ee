"""Accuracy over eps: the area by hand, and a model that only looks robust."""

import pytest
from test_tables import cell
from test_tables import told

from keras_mixup.evaluation import red_flags
from keras_mixup.reporting import card
from keras_mixup.reporting import eps_curves

CLEAN = [1] * 10


def hits(right, of=10):
    return [1] * right + [0] * (of - right)


def records(*rights, defence="none", attack="pgd", norm="linf"):
    """Clean 100 %, then (eps, right of ten images) under one attack."""
    seed = None if defence == "none" else 0
    found = cell("m", defence, "clean", "none", CLEAN, seed)
    for eps, right in rights:
        found += cell(
            *("m", defence, attack, "adaptive", hits(right), seed),
            budget=(norm, eps),
        )
    return found


def only(found):
    [curve] = eps_curves.eps_curves(told(found))
    return curve


def test_the_area_is_the_trapezoids_by_hand():
    curve = only(records((0.4, 2), (0.1, 6)))
    radii, shares = curve.accuracies("adaptive")
    assert radii.tolist() == [0.0, 0.1, 0.4]
    assert shares.tolist() == pytest.approx([1.0, 0.6, 0.2])
    # 0.1 * 0.8 + 0.3 * 0.4, over 0.4.
    assert curve.area() == pytest.approx(0.5)
    assert not curve.flagged


def test_no_area_without_the_clean_accuracy():
    attacked = [r for r in records((0.1, 6), (0.4, 2)) if r.eps]
    assert only(attacked).area() is None
    assert only(attacked).clean is None


def test_a_single_radius_is_no_curve():
    assert eps_curves.eps_curves(told(records((0.1, 6)))) == []


def test_each_norm_has_a_curve_and_a_table_of_its_own():
    found = records((0.1, 6), (0.2, 5)) + records((0.5, 6), (1.0, 0), norm="l2")
    blocks = eps_curves.blocks(eps_curves.eps_curves(told(found)))
    assert [norm for norm, *_ in blocks] == ["linf", "l2"]
    assert blocks[1][1] == (
        *("model", "attack", "clean", "0.5", "1"),
        *("area", "falls"),
    )
    assert blocks[1][2][0][2:] == ("100.0", "60.0", "0.0", "55.0", "yes")


def test_radii_on_other_examples_are_left_out_and_named():
    found = records((0.1, 6), (0.2, 4))
    found += cell("m", "none", "pgd", "adaptive", [0] * 4, budget=("linf", 0.3))
    curve = only(found)
    assert [point.eps for point in curve.points] == [0.1, 0.2]
    assert curve.left_out == (0.3,)
    [(_, _, _, notes)] = eps_curves.blocks([curve])
    assert any("on other examples: eps 0.3" in note for note in notes)


def test_a_curve_that_rises_slowly_is_flagged():
    """No neighbours differ by more than chance, but the ends do."""
    rising = [(0.1, 20), (0.2, 23), (0.3, 26), (0.4, 29)]
    found = []
    for eps, right in rising:
        found += cell(
            *("m", "none", "pgd", "adaptive", hits(right, 60)),
            budget=("linf", eps),
        )
    curve = only(found)
    assert curve.flagged
    flags = red_flags.from_records(told(found))
    assert "at eps 0.1." in flags[0].seen
    assert eps_curves.blocks([curve])[0][2][0][-1] == "no: red flag"


def test_a_ball_of_all_images_that_leaves_some_is_flagged():
    assert only(records((0.1, 6), (0.5, 3))).flagged
    assert not only(records((0.1, 6), (0.5, 0))).flagged
    # In L2 no radius is known to hold all images: the end is only noted.
    assert not only(records((0.1, 6), (0.5, 3), norm="l2")).flagged
    assert (
        "30.0 % are left" in only(records((0.1, 6), (0.5, 3), norm="l2")).note
    )
    assert only(records((0.1, 6), (0.5, 1), norm="l2")).note == ""


def test_the_card_and_the_text_have_the_numbers():
    found = records((0.1, 6), (0.4, 2))
    found += records((0.1, 8), (0.4, 2), defence="MI-OL")
    made = card.robustness_cards(told(found))
    [curve] = made[1]["over_eps"]
    assert curve["area"] == {
        "oblivious": None,
        "adaptive": pytest.approx(0.6),
    }
    assert [p["adaptive"] for p in curve["points"]] == [0.8, 0.2]
    assert (
        "| adaptive | 100.0 % | 80.0 % | 20.0 % | 60.0 % |" in made[1]["text"]
    )
    text = eps_curves.to_text(eps_curves.eps_curves(told(found)))
    assert "Accuracy over eps, linf" in text and "60.0" in text


def test_the_figure_has_a_line_for_each_model():
    pytest.importorskip("matplotlib")
    from keras_mixup.reporting import figures

    found = records((0.1, 6), (0.4, 2))
    found += records((0.1, 8), (0.4, 3), defence="MI-OL")
    curves = eps_curves.eps_curves(told(found))
    [axis] = figures.eps_curves(curves, theme="light").axes
    named = {
        line.get_label(): line.get_ydata()
        for line in axis.lines
        if not line.get_label().startswith("_")
    }
    assert list(named) == ["m", "m + MI-OL"]
    assert list(named["m + MI-OL"]) == pytest.approx([100.0, 80.0, 30.0])
