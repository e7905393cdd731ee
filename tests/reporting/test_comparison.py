"""One answer to "what is left?": verdict, card and table never disagree."""

import random
import re

import pytest
from test_tables import cell
from test_tables import told

from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup.evaluation import red_flags
from keras_mixup.evaluation.labels import row_label
from keras_mixup.reporting import card
from keras_mixup.reporting import comparisons
from keras_mixup.reporting import verdicts
from keras_mixup.reporting import worst_case_table


def generated(seed):
    """Records of random models, defences, attacks and examples."""
    draw = random.Random(seed)
    found, facts = [], {}
    for model in ("m", "n")[: draw.randint(1, 2)]:
        for defence in ("none", "d", "e")[: draw.randint(1, 3)]:
            columns = [("pgd", "oblivious"), ("mine", "adaptive")]
            columns += [("transfer", "transfer"), ("told", "adaptive")]
            if draw.random() < 0.5:
                columns.append(("worst-case", "adaptive"))
            for attack, knowledge in columns:
                if draw.random() < 0.2:
                    continue
                count = draw.choice((6, 10, 10))
                seeds = (None,) if defence == "none" else (0, 1)
                for place in seeds:
                    hits = [draw.randint(0, 1) for _ in range(count)]
                    made = cell(model, defence, attack, knowledge, hits, place)
                    found += made
                facts[made[0].column] = attacks.Facts(
                    knows_draws=attack == "told",
                    worst_case=attack == "worst-case",
                )
    return evaluation.Records(found, facts)


def numbers(records):
    """{row: (adaptive, undefended, difference)} as each text shows them."""
    shown = {"verdict": {}, "card": {}, "table": {}}
    for found in comparisons(records):
        if found.row.defence == "none" or found.difference is None:
            continue
        [verdict] = [
            v
            for v in verdicts.verdicts(records)
            if v.comparison.row == found.row
        ]
        text = verdict.sentence
        left = re.search(r"([0-9.]+) % if the attacker goes", text)[1]
        bare = re.search(r"undefended ([0-9.]+) %", text)[1]
        shown["verdict"][found.row] = left, bare
    for made in card.robustness_cards(records):
        row = evaluation.Row(made["model"], made["defence"])
        for attacked in made["attacked"]:
            if attacked["difference"] is not None:
                shown["card"][row] = tuple(
                    f"{100 * attacked[key]['accuracy']:.1f}"
                    for key in ("adaptive_worst_case", "undefended")
                )
                gain = attacked["difference"]
                assert f"{100 * gain:+.1f} points" in made["text"]
    labels = {row_label(row): row for row in shown["card"]}
    for line in worst_case_table.rows(records):
        if line[0] in labels:
            left, bare = line[2].split(" ")[0], line[6]
            shown["table"][labels[line[0]]] = left, bare
    return shown


@pytest.mark.parametrize("seed", range(40))
def test_all_texts_show_the_same_numbers(seed):
    shown = numbers(generated(seed))
    assert shown["verdict"] == shown["card"]
    for row, pair in shown["table"].items():
        assert pair == shown["card"][row]


def test_the_generated_records_have_every_case():
    found = [numbers(generated(seed)) for seed in range(40)]
    assert sum(len(one["card"]) for one in found) > 20
    assert sum(len(one["table"]) for one in found) > 5
    assert any(not one["card"] for one in found)


def renamed(records, seed):
    """The same records under other names and in another order."""
    names = {"m": "one", "n": "two", "d": "x", "e": "y"}
    names |= {"pgd": "a", "mine": "fixed_draws", "told": "b", "transfer": "c"}

    def other(record):
        return record._replace(
            model=names[record.model],
            defence=names.get(record.defence, record.defence),
            attack=names.get(record.attack, record.attack),
        )

    facts = {}
    for record in records:
        facts[other(record).column] = records.facts_of(record.column)
    mixed = [other(record) for record in records]
    random.Random(seed).shuffle(mixed)
    return evaluation.Records(mixed, facts)


@pytest.mark.parametrize("seed", range(20))
def test_names_and_order_change_no_number(seed):
    records = generated(seed)

    def told(found):
        return sorted(
            (
                found.num_examples,
                found.partial,
                *(
                    s and (s.accuracy, s.worst_case)
                    for s in (found.oblivious, found.adaptive, found.undefended)
                ),
                *(
                    None if value is None else round(value, 9)
                    for value in (found.difference, found.error)
                ),
            ).__repr__()
            for found in found
        )

    again = comparisons(renamed(records, seed))
    assert told(again) == told(comparisons(records))


def test_an_attacker_who_is_told_the_draws_never_counts():
    """Under any name: with it alone, nothing adaptive was measured."""
    records = [
        *cell("m", "none", "pgd", "oblivious", [0, 1, 1, 1]),
        *cell("m", "d", "pgd", "oblivious", [1, 1, 1, 1], 0),
        *cell("m", "d", "anything", "adaptive", [0, 0, 0, 0], 0),
    ]
    column = records[-1].column
    facts = {column: attacks.Facts(knows_draws=True)}
    [_, found] = comparisons(evaluation.Records(records, facts))
    assert found.adaptive is None
    assert "not measured" in verdicts.Verdict(found).sentence


def test_the_worst_case_counts_where_it_was_measured():
    """Not the lower single attack: the two numbers once disagreed."""
    records = [
        *cell("m", "none", "worst-case", "adaptive", [0, 1, 1, 0]),
        *cell("m", "none", "mine", "adaptive", [0, 0, 0, 0]),
        *cell("m", "d", "worst-case", "adaptive", [1, 1, 1, 0], 0),
        *cell("m", "d", "mine", "adaptive", [1, 0, 0, 0], 0),
    ]
    [bare, found] = comparisons(records)
    assert (found.adaptive.accuracy, found.undefended.accuracy) == (0.75, 0.5)
    assert found.difference == 0.25
    assert bare.adaptive.accuracy == 0.5


def test_an_attack_on_fewer_examples_is_left_out():
    records = [
        *cell("m", "none", "pgd", "oblivious", [1, 1, 0, 0]),
        *cell("m", "d", "mine", "adaptive", [1, 1, 0, 0], 0),
        *cell("m", "d", "slow", "adaptive", [0, 0], 0),
    ]
    found = comparisons(told(records))[1]
    assert found.num_examples == 4 and not found.partial
    assert found.adaptive.column.attack == "mine"


def both(bare, defended, **facts):
    """Records of a bare model and of a defence under named attacks."""
    found = []
    for defence, columns in (("none", bare), ("d", defended)):
        seed = None if defence == "none" else 0
        for (attack, knowledge), hits in columns.items():
            found += cell("m", defence, attack, knowledge, hits, seed)
    return told(found)


PGD, EOT = ("pgd", "oblivious"), ("eot", "adaptive")


def test_an_attack_that_the_defence_never_met_is_left_out():
    """As FAB, whose images cannot be shown to another model."""
    bare = {PGD: [1] * 30 + [0] * 10, EOT: [1] * 30 + [0] * 10}
    defended = {PGD: [1] * 35 + [0] * 5, EOT: [1] * 30 + [0] * 10}
    [_, before] = comparisons(both(bare, defended))
    fab = {("fab", "oblivious"): [0] * 40}
    [alone, found] = comparisons(both({**bare, **fab}, defended))
    assert found == before
    assert (found.undefended.accuracy, found.claim) == (0.75, "none")
    # Of the bare model by itself, it counts.
    assert alone.adaptive.accuracy == 0.0


def test_no_loss_where_the_undefended_model_met_fewer_attacks():
    bare, defended = {PGD: [1] * 40}, {PGD: [1] * 40, EOT: [0] * 40}
    [_, found] = comparisons(both(bare, defended))
    assert found.unpaired and found.claim == "unlike"
    sentence = verdicts.Verdict(found).sentence
    assert "was attacked in fewer ways: nothing follows" in sentence
    assert "loses" not in sentence
    [_, paired] = comparisons(both({**bare, EOT: [1] * 40}, defended))
    assert not paired.unpaired and paired.claim == "loss"


def test_a_gain_is_in_doubt_in_every_text_alike():
    """The attack through the defence is weaker than the one that ignores it."""
    bare = {PGD: [0] * 40, EOT: [0] * 40, ("worst-case", "adaptive"): [0] * 40}
    defended = {PGD: [1] * 20 + [0] * 20, EOT: [1] * 40}
    defended["worst-case", "adaptive"] = [1] * 20 + [0] * 20
    records = both(bare, defended)
    [_, found] = comparisons(records)
    assert found.claim == "doubt"
    assert found.red_flags == ("adaptive weaker than oblivious",)
    [verdict] = verdicts.verdicts(records)
    assert "gain of 50.0 points" in verdict.sentence
    assert "in doubt" in verdict.sentence and "keeps" not in verdict.sentence
    [_, made] = card.robustness_cards(records)
    assert made["attacked"][0]["claim"] == "doubt"
    assert "this gain is in doubt" in made["text"]
    assert worst_case_table.rows(records)[1][-1] == "+50.0, in doubt"


def test_what_the_model_itself_showed_is_in_doubt_in_every_text():
    hits = {PGD: [1] * 20 + [0] * 20, EOT: [1] * 20 + [0] * 20}
    hits["worst-case", "adaptive"] = hits[EOT]
    records = both({name: [0] * 40 for name in hits}, hits)
    assert comparisons(records)[1].claim == "gain"
    frozen = red_flags.Findings()
    frozen.note("randomness frozen in a trace", "d", "Seen.")
    probed = {"d": frozen}
    assert comparisons(records, probed)[1].claim == "doubt"
    assert "in doubt" in verdicts.verdicts(records, probed)[0].sentence
    assert "in doubt" in worst_case_table.rows(records, probed)[1][-1]
    [_, made] = card.robustness_cards(records, probed=probed)
    assert made["attacked"][0]["claim"] == "doubt"


def test_a_single_adaptive_attack_says_so():
    hits = {PGD: [1] * 20 + [0] * 20, EOT: [1] * 20 + [0] * 20}
    one = both({name: [0] * 40 for name in hits}, hits)
    more = {**hits, ("tramer", "adaptive"): hits[EOT]}
    several = both({name: [0] * 40 for name in more}, more)
    text = "One adaptive attack only: the worst of several leaves less."
    assert text in verdicts.verdicts(one)[0].sentence
    assert text in card.robustness_cards(one)[1]["text"]
    assert text not in card.robustness_cards(one)[0]["text"]
    assert text not in verdicts.verdicts(several)[0].sentence
    # More steps of the same attack are no other attack.
    for column, steps in ((r.column, len(r.attack)) for r in several):
        facts = {"class": "Recipe", "num_steps": steps}
        several.facts[column] = attacks.Facts(knows_draws=False, settings=facts)
    assert text in verdicts.verdicts(several)[0].sentence
