"""Hand-made records against tables counted by hand."""

import re

import pytest

from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup.evaluation import labels
from keras_mixup.reporting import tables
from keras_mixup.reporting import verdicts
from keras_mixup.reporting import worst_case_table

LINF = ("linf", 8 / 255)


def cell(model, defence, attack, knowledge, hits, seed=None, budget=LINF):
    """Records of len(hits) examples; a 1 is a true label predicted."""
    norm, eps = (None, None) if knowledge == "none" else budget
    return [
        evaluation.Record(
            example_id=i,
            label=3,
            model=model,
            defence=defence,
            attack=attack,
            knowledge=knowledge,
            norm=norm,
            eps=eps,
            attack_seed=None if eps is None else 0,
            eval_seed=seed,
            prediction=3 if hit else 1,
            loss=1.0,
            gradient_passes=10,
            queries=0,
            pool_split=None,
        )
        for i, hit in enumerate(hits)
    ]


def told(records):
    """The same as `Records`, whose adaptive attacks do not know the draws."""
    columns = {r.column for r in records if r.knowledge == "adaptive"}
    fair = attacks.Facts(knows_draws=False)
    return evaluation.Records(records, dict.fromkeys(columns, fair))


def full_records():
    """Classifier 100 / 25 / 0; MI-OL 75 / 75 (± over two seeds) / 25."""
    return told(_full_records())


def _full_records():
    return [
        *cell("mixup", "none", "clean", "none", [1, 1, 1, 1]),
        *cell("mixup", "MI-OL", "clean", "none", [1, 1, 1, 0], 0),
        *cell("mixup", "MI-OL", "clean", "none", [1, 1, 0, 1], 1),
        *cell("mixup", "none", "tramer", "adaptive", [0, 0, 0, 0]),
        *cell("mixup", "MI-OL", "tramer", "adaptive", [1, 0, 0, 0], 0),
        *cell("mixup", "MI-OL", "tramer", "adaptive", [0, 1, 0, 0], 1),
        *cell("mixup", "none", "pgd-10", "oblivious", [0, 0, 0, 1]),
        *cell("mixup", "MI-OL", "pgd-10", "oblivious", [1, 1, 0, 0], 0),
        *cell("mixup", "MI-OL", "pgd-10", "oblivious", [1, 1, 1, 1], 1),
    ]


def test_rows_columns_and_cells():
    table = tables.accuracy_table(full_records())
    # Oblivious stands before adaptive, whatever the order of the records.
    assert table.header == ("model", "clean", "pgd-10", "tramer")
    assert table.rows == (
        ("mixup", "100.0", "25.0", "0.0"),
        ("mixup + MI-OL", "75.0 ± 0.0", "75.0 ± 35.4", "25.0 ± 0.0"),
    )
    assert table.knowledge == ("none", "oblivious", "adaptive")
    assert table.groups == (
        ("no attack", 1),
        ("attack ignores the defence (L-inf, eps 8/255)", 1),
        ("attack goes through the defence (L-inf, eps 8/255)", 1),
    )
    assert not any("Not measured" in note for note in table.notes)


def test_oblivious_is_never_alone():
    records = [r for r in full_records() if r.knowledge != "adaptive"]
    table = tables.accuracy_table(records)
    assert table.header == ("model", "clean", "pgd-10", "adaptive")
    assert [row[-1] for row in table.rows] == ["–", "not measured"]
    assert any("upper bound" in note for note in table.notes)
    for text in (tables.to_markdown(table), tables.to_html(table)):
        assert "not measured" in text


def test_one_defence_without_its_adaptive_number_says_so():
    records = full_records()
    records += cell("mixup", "MI-PL", "pgd-10", "oblivious", [1, 1, 1, 1], 0)
    table = tables.accuracy_table(records)
    assert table.rows[2] == (
        "mixup + MI-PL",
        "not measured",
        "100.0",
        "not measured",
    )


def test_each_radius_has_its_own_pair():
    wide = ("linf", 0.1)
    records = full_records()
    records += cell("mixup", "none", "pgd-10", "oblivious", [0] * 4, 0, wide)
    records += cell("mixup", "MI-OL", "pgd-10", "oblivious", [1] * 4, 0, wide)
    table = tables.accuracy_table(records)
    assert table.header == (
        *("model", "clean", "pgd-10", "tramer"),
        *("pgd-10", "adaptive"),
    )
    assert table.rows[1][-2:] == ("100.0", "not measured")
    assert table.groups[-1] == (
        "attack goes through the defence (L-inf, eps 0.1)",
        1,
    )


def test_a_smaller_count_is_stated_in_the_cell():
    records = full_records()
    records += cell("mixup", "none", "spsa", "oblivious", [1, 0])
    table = tables.accuracy_table(records)
    assert table.rows[0] == ("mixup", "100.0", "25.0", "50.0 (n=2)", "0.0")


def test_without_a_defence_no_adaptive_column_is_invented():
    records = [
        *cell("erm", "none", "clean", "none", [1, 1]),
        *cell("erm", "none", "pgd-10", "oblivious", [1, 0]),
    ]
    table = tables.accuracy_table(records)
    assert table.header == ("model", "clean", "pgd-10")
    assert table.rows == (("erm", "100.0", "50.0"),)


def test_markdown_text_and_html_hold_the_same_cells():
    table = tables.accuracy_table(full_records())
    markdown = tables.to_markdown(table).splitlines()
    assert markdown[0] == (
        "| model | clean | pgd-10, oblivious | tramer, adaptive |"
    )
    assert markdown[3] == (
        "| mixup + MI-OL | 75.0 ± 0.0 | 75.0 ± 35.4 | 25.0 ± 0.0 |"
    )
    text = tables.to_text(table).splitlines()
    assert text[0].split() == ["oblivious", "adaptive"]
    assert text[3].split() == ["mixup", "100.0", "25.0", "0.0"]
    html = tables.to_html(table)
    assert re.search('<td class="adaptive"[^>]*>25.0 ± 0.0</td>', html)


def test_html_escapes_names():
    records = cell("<b>&", "none", "clean", "none", [1])
    assert "<b>" not in tables.to_html(tables.accuracy_table(records))


@pytest.mark.parametrize(
    ("eps", "text"),
    [
        (8 / 255, "L-inf, eps 8/255"),
        (0.5 / 255, "L-inf, eps 0.5/255"),
        (0.1, "L-inf, eps 0.1"),
        (0.0, "L-inf, eps 0"),
    ],
)
def test_radius_is_written_as_people_write_it(eps, text):
    assert labels.budget_text(("linf", eps)) == text


def accuracies(verdict):
    found = verdict.comparison
    parts = (found.oblivious, found.adaptive, found.undefended)
    return tuple(part.accuracy for part in parts)


def test_verdict_compares_with_the_undefended_worst_case():
    (verdict,) = verdicts.verdicts(full_records())
    assert accuracies(verdict) == (0.75, 0.25, 0.0)
    # Gains of 1/2 on two of four examples have a deviation of 1 / sqrt(12):
    # 1.96 / sqrt(48) = 0.283. Of 4 signs of both two give such a sum.
    assert verdict.comparison.error == pytest.approx(0.2829, abs=1e-4)
    assert verdict.sentence == (
        "mixup + MI-OL (L-inf, eps 8/255): 75.0 % if the attacker ignores "
        "it, 25.0 % if the attacker goes through it; undefended 0.0 %. No "
        "gain beyond chance (+25.0, sampling error 28.3, p = 0.500). One "
        "adaptive attack only: the worst of several leaves less."
    )


def test_the_error_of_a_verdict_is_paired_by_example():
    # Both break the same 50 of 100; the defence saves 10 of these.
    easy = [1] * 50
    records = cell("m", "none", "a", "adaptive", [*easy, *[0] * 50])
    records += cell("m", "d", "a", "adaptive", [*easy, *[1] * 10, *[0] * 40], 0)
    (verdict,) = verdicts.verdicts(told(records))
    # Sample mean 0.1 of a 0-1 difference; unpaired it would be 0.138.
    assert verdict.comparison.error == pytest.approx(
        1.96 * (0.1 * 0.9 / 99) ** 0.5, 1e-3
    )
    # A coin's tail: 2 / 2 ** 10.
    assert verdict.comparison.p == pytest.approx(2 / 2**10)
    shown = "keeps 10.0 points (sampling error 5.9, p = 0.002)"
    assert shown in verdict.sentence


@pytest.mark.parametrize(("saved", "claim"), [(4, "none"), (6, "gain")])
@pytest.mark.parametrize("better", [True, False])
def test_a_claim_is_that_of_the_exact_test(saved, claim, better):
    """4 of 100: 0.040 ± 0.039, but p is 2 / 2 ** 4."""
    rest = [0] * (100 - saved)
    more, less = [*[1] * saved, *rest], [0] * 100
    bare, defended = (less, more) if better else (more, less)
    records = cell("m", "none", "a", "adaptive", bare)
    records += cell("m", "d", "a", "adaptive", defended, 0)
    (verdict,) = verdicts.verdicts(told(records))
    found = verdict.comparison
    assert found.difference > found.error or not better
    assert found.p == pytest.approx(2 / 2**saved)
    assert found.claim == (claim if better or claim == "none" else "loss")
    assert f"p = {found.p:.3f}" in verdict.sentence


def test_verdict_words_for_gain_loss_and_nothing_measured():
    def sentence(undefended, adaptive):
        records = cell("m", "none", "a", "adaptive", undefended)
        if adaptive is not None:
            records += cell("m", "d", "a", "adaptive", adaptive, 0)
        records += cell("m", "d", "o", "oblivious", [1] * 8, 0)
        return verdicts.verdicts(told(records))[0].sentence

    assert "loses 100.0 points" in sentence([1] * 8, [0] * 8)
    assert "keeps 100.0 points" in sentence([0] * 8, [1] * 8)
    assert "not measured" in sentence([0] * 8, None)


def test_verdict_takes_the_lower_of_adaptive_and_oblivious():
    records = cell("m", "none", "a", "adaptive", [0, 0])
    records += cell("m", "d", "a", "adaptive", [1, 1], 0)
    records += cell("m", "d", "o", "oblivious", [1, 0], 0)
    (verdict,) = verdicts.verdicts(told(records))
    assert accuracies(verdict) == (0.5, 0.5, 0.0)
    # The bare model was not attacked by the worst of them.
    assert verdict.comparison.unpaired and verdict.comparison.claim == "none"


def test_an_attacker_who_knows_the_draws_is_no_part_of_the_verdict():
    known = cell("mixup", "MI-OL", "fixed_draws-100", "adaptive", [0] * 4, 0)
    [before] = verdicts.verdicts(full_records())
    records = [*full_records(), *known]
    found = told(records)
    # The name alone says nothing.
    assert verdicts.verdicts(found) != [before]
    found.facts[known[0].column] = attacks.Facts(knows_draws=True)
    assert verdicts.verdicts(found) == [before]
    # Nor does a lack of facts say that the attacker does not know them.
    found.facts.pop(known[0].column)
    assert verdicts.verdicts(found) == [before]
    [unknown] = verdicts.verdicts(records)
    assert "adaptive accuracy not measured" in unknown.sentence


def test_the_worst_case_stands_last_and_is_explained():
    worst = [
        *cell("mixup", "none", "worst-case", "adaptive", [0, 0, 1, 0]),
        *cell("mixup", "MI-OL", "worst-case", "adaptive", [1, 1, 1, 0], 0),
        *cell("mixup", "MI-OL", "worst-case", "adaptive", [1, 0, 1, 0], 1),
    ]
    table = tables.accuracy_table([*worst, *full_records()])
    assert table.header[-2:] == ("tramer", "worst-case")
    assert any("strongest image of all attacks" in n for n in table.notes)
    header, base, defended = (
        worst_case_table.HEADER,
        *worst_case_table.rows(worst),
    )
    found = dict(zip(header, defended, strict=True))
    assert found["model"] == "mixup + MI-OL"
    assert found["budget"] == "L-inf, eps 8/255, n=4"
    assert found["P(correct), 95 % interval"].startswith("62.5 [")
    # Of two votes both are needed: the second example is a tie.
    assert found["majority vote"] == found["always right"] == "50.0"
    assert (found["undefended"], found["difference"]) == ("25.0", "+37.5")
    assert base[-2:] == ("–", "–")
    assert "62.5 [" in worst_case_table.to_text([base, defended])
    [alone] = worst_case_table.rows(worst[4:])
    assert alone[-2:] == ("not measured", "not measured")


def test_a_control_at_another_radius_is_not_missing_for_the_defences():
    control = cell(
        "mixup",
        "none",
        "pgd-10",
        "oblivious",
        [1, 1, 1, 0],
        budget=("linf", 0.02),
    )
    table = tables.accuracy_table([*full_records(), *control])
    place = [i for i, name in enumerate(table.header) if name == "pgd-10"]
    assert [table.rows[0][i] for i in place] == ["25.0", "75.0"]
    assert [table.rows[1][i] for i in place] == ["75.0 ± 35.4", "–"]
    # With two radii the heads of the columns tell them apart.
    text = tables.to_text(table)
    assert "oblivious (L-inf, eps 8/255)" in text
    assert "oblivious (L-inf, eps 0.02)" in text
    assert "(L-inf" not in tables.to_text(tables.accuracy_table(full_records()))
