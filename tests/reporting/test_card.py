"""Hand-made records against the numbers that their card must show."""

import pytest
from test_tables import cell
from test_tables import told

from keras_mixup import _files
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup.evaluation import red_flags
from keras_mixup.reporting import card as card_lib
from keras_mixup.studies import detection


def records(worst_case=True):
    """Bare model 75 clean, 25 worst; MI-OL 50 oblivious, 37.5 worst."""
    found = [
        *cell("mixup", "none", "clean", "none", [1, 1, 1, 0]),
        *cell("mixup", "MI-OL", "clean", "none", [1, 1, 0, 0], 0),
        *cell("mixup", "none", "pgd-10", "oblivious", [1, 1, 0, 0]),
        *cell("mixup", "MI-OL", "pgd-10", "oblivious", [1, 1, 0, 0], 0),
        *cell("mixup", "none", "tramer", "adaptive", [1, 0, 0, 0]),
        *cell("mixup", "MI-OL", "tramer", "adaptive", [1, 0, 1, 0], 0),
        *cell("mixup", "MI-OL", "tramer", "adaptive", [1, 0, 0, 0], 1),
        *cell("mixup", "MI-OL", "fixed_draws-9", "adaptive", [0, 0, 0, 0], 0),
    ]
    if worst_case:
        found += [
            *cell("mixup", "none", "worst-case", "adaptive", [1, 0, 0, 0]),
            *cell("mixup", "MI-OL", "worst-case", "adaptive", [1, 0, 1, 0], 0),
            *cell("mixup", "MI-OL", "worst-case", "adaptive", [1, 0, 0, 0], 1),
        ]
    found = [r._replace(pool_split="train") for r in found]
    column = next(r.column for r in found if r.attack == "fixed_draws-9")
    found = told(found)
    found.facts[column] = attacks.Facts(knows_draws=True)
    return found


def joined(records, more):
    return evaluation.Records([*records, *more], records.facts)


def card_of(records, defence="MI-OL", **options):
    cards = card_lib.robustness_cards(records, **options)
    return {card["defence"]: card for card in cards}[defence]


def test_numbers_of_the_worst_case():
    card = card_of(
        records(),
        classifier_fingerprint="abc",
        defences={"MI-OL": {"class": "MixupInferenceOL", "num_draws": 30}},
        selection_seeds=(5, 6),
        versions={"tensorflow": "2.21.0"},
    )
    assert (card["model"], card["classifier_fingerprint"]) == ("mixup", "abc")
    assert card["clean"]["accuracy"] == 0.5
    assert card["clean"]["undefended"] == 0.75
    [attacked] = card["attacked"]
    assert (attacked["norm"], attacked["eps"]) == ("linf", 8 / 255)
    assert attacked["oblivious"]["accuracy"] == 0.5
    worst = attacked["adaptive_worst_case"]
    assert (worst["attack"], worst["accuracy"]) == ("worst-case", 0.375)
    assert (worst["num_examples"], worst["num_seeds"]) == (4, 2)
    assert worst["gradient_passes"] == 10
    # The third example has one vote of two.
    assert worst["majority_vote"] == 0.25
    assert attacked["undefended"]["accuracy"] == 0.25
    assert attacked["difference"] == pytest.approx(0.125)
    assert card["seeds"] == {
        "attack": [0],
        "evaluation": [0, 1],
        "selection": [5, 6],
    }
    assert card["pool_split"] == "train"
    listed = {a["attack"] for a in attacked["attacks"]}
    assert listed == {"pgd-10", "tramer", "worst-case", "fixed_draws-9"}
    text = card["text"]
    assert "37.5 % accuracy in the worst case over all attacks" in text
    assert "+12.5 points" in text and "no gain beyond chance" in text
    assert "num_draws | 30" in text and "2.21.0" in text and "abc" in text
    assert "re-evaluation" in text


def test_without_a_worst_case_the_lowest_single_attack():
    [attacked] = card_of(records(worst_case=False))["attacked"]
    worst = attacked["adaptive_worst_case"]
    # Not the attacker who knows the draws.
    assert (worst["attack"], worst["accuracy"]) == ("tramer", 0.375)
    assert attacked["undefended"]["accuracy"] == 0.25
    text = card_of(records(worst_case=False))["text"]
    assert "under tramer, the worst single attack" in text


def test_an_oblivious_number_never_stands_as_the_adaptive_one():
    plain = [r for r in records(False) if r.knowledge != "adaptive"]
    card = card_of(plain)
    [attacked] = card["attacked"]
    assert attacked["adaptive_worst_case"] is None
    assert attacked["difference"] is None
    assert "Robustness was not measured" in card["text"]


def test_the_lower_oblivious_number_counts_against_the_defence():
    lower = cell("mixup", "MI-OL", "pgd-50", "oblivious", [0, 0, 0, 0], 0)
    [attacked] = card_of(joined(records(False), lower))["attacked"]
    assert attacked["adaptive_worst_case"]["accuracy"] == 0.0
    assert attacked["adaptive_worst_case"]["attack"] == "pgd-50"


def test_what_is_compared_is_of_the_same_examples():
    few = records().where(
        lambda r: (
            r.attack != "worst-case" or r.defence == "none" or r.example_id < 2
        )
    )
    [attacked] = card_of(few)["attacked"]
    # Of the first two examples.
    assert attacked["adaptive_worst_case"]["accuracy"] == 0.5
    assert attacked["adaptive_worst_case"]["num_examples"] == 2
    assert attacked["undefended"]["accuracy"] == 0.5
    assert attacked["oblivious"]["accuracy"] == 1.0
    assert attacked["difference"] == 0.0


def test_the_bare_model_has_a_card_of_its_own():
    card = card_of(records(), "none")
    [attacked] = card["attacked"]
    assert attacked["adaptive_worst_case"]["accuracy"] == 0.25
    assert attacked["undefended"] is None
    assert "25.0 % accuracy" in card["text"]
    assert "without the defence" not in card["text"]


def weak_attack(hits):
    """MI-OL gains 100 points; its adaptive attack breaks all but `hits`."""
    found = [
        *cell("mixup", "none", "pgd-10", "oblivious", [0] * 20),
        *cell("mixup", "none", "tramer", "adaptive", [0] * 20),
        *cell("mixup", "MI-OL", "pgd-10", "oblivious", [1] * 10 + [0] * 10, 0),
        *cell("mixup", "MI-OL", "tramer", "adaptive", hits, 0),
    ]
    return told(found)


def test_no_gain_is_claimed_where_the_attacks_raise_a_red_flag():
    sound = card_of(weak_attack([1] * 10 + [0] * 10))
    assert sound["attacked"][0]["red_flags"] == []
    assert "under the attacks tried here." in sound["text"]
    assert "Red flags" not in sound["text"]
    rules = sound["red_flags"]
    assert rules["adaptive weaker than oblivious"] == "not found"
    assert rules["eps not respected"] == "not looked for"
    assert "eps not respected | not looked for" in sound["text"]

    card = card_of(weak_attack([1] * 20))
    assert card["attacked"][0]["red_flags"] == [
        "adaptive weaker than oblivious"
    ]
    assert "tried here" not in card["text"]
    assert (
        "this gain is in doubt, since the attacks may be weak. Red flags: "
        in (card["text"])
    )
    # The flag is that of the defence: the bare model's card has none.
    bare = card_of(weak_attack([1] * 20), "none")
    assert bare["attacked"][0]["red_flags"] == []
    # It has no defence that an attack could ignore.
    assert bare["red_flags"]["adaptive weaker than oblivious"] == (
        "not looked for"
    )


def test_what_the_model_itself_showed_counts_too():
    frozen, zero = red_flags.Findings(), red_flags.Findings()
    frozen.note("randomness frozen in a trace", "MI-OL", "Seen.")
    zero.note("zero or NaN gradients", "mixup", "Seen.")
    bare, defended = card_lib.robustness_cards(
        weak_attack([1] * 10 + [0] * 10),
        probed={"MI-OL": frozen, "mixup": zero},
    )
    assert bare["attacked"][0]["red_flags"] == ["zero or NaN gradients"]
    assert defended["attacked"][0]["red_flags"] == [
        "randomness frozen in a trace"
    ]
    assert "this gain is in doubt" in defended["text"]


def curve(detector, attack, knowledge, auc):
    """A row of the study fig3a."""
    return {
        **{"detector": detector, "attack": attack, "knowledge": knowledge},
        **{"auc": auc, "num_examples": 4, "false_positive_rate": 0.05},
        **{"detected": auc, "undetected": 1.0 - auc},
    }


def test_no_auc_without_the_attack_on_the_score():
    rows = [
        curve("MI-PL", "pgd-10", "oblivious", 0.875),
        curve("MI-Combined", "pgd-10", "oblivious", 0.9375),
        curve("MI-PL", detection.ON_THE_SCORE, "adaptive", 0.125),
    ]
    made = card_of(records(), "none", detection={"mixup": rows})
    pl, combined = made["detectors"]
    assert pl["auc"] == 0.875 and pl["on_the_score"]["auc"] == 0.125
    assert combined["auc"] is combined["detected"] is None
    assert combined["on_the_score"] is None
    assert (
        "| MI-PL | pgd-10 | 0.875 | 0.125 | 87.5 % | 12.5 % | 87.5 % | 5.0 % |"
        in made["text"]
    )
    assert "not shown: its score was not attacked" in made["text"]
    assert "0.938" not in made["text"]
    # They stand on the card of the classifier alone.
    assert card_of(records(), detection={"mixup": rows})["detectors"] == []
    assert "detector" not in card_of(records(), "none")["text"]


def test_files(tmp_path):
    assert card_lib.write_cards(tmp_path, []) is None
    cards = card_lib.robustness_cards(records())
    path = card_lib.write_cards(tmp_path, cards)
    assert _files.read_json(path) == {"cards": cards}
    markdown = (tmp_path / "robustness_card.md").read_text()
    assert markdown.count("# Robustness card: mixup") == 2
    card_lib.write_cards(tmp_path, cards[:1])
    assert _files.read_json(path) == cards[0]
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"robustness_card.json", "robustness_card.md"}


def test_a_failing_write_leaves_the_old_card(tmp_path):
    path = card_lib.write_cards(tmp_path, [{"text": "old"}])
    with pytest.raises(ValueError, match="JSON compliant"):
        card_lib.write_cards(tmp_path, [{"text": "new", "x": float("nan")}])
    assert _files.read_json(path) == {"text": "old"}


def test_several_budgets_and_none_at_all():
    wide = [
        r._replace(eps=16 / 255) for r in records() if r.knowledge != "none"
    ]
    card = card_of([*records(), *wide])
    assert [a["eps"] for a in card["attacked"]] == [8 / 255, 16 / 255]
    clean = [r for r in records() if r.knowledge == "none"]
    assert card_of(clean)["attacked"] == []
    assert card_lib.robustness_cards([]) == []
    with pytest.warns(DeprecationWarning, match="keras_mixup.reporting"):
        assert evaluation.card is card_lib
