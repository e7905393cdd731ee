"""The robustness card: what is known of one defended model, on one page.

It is made from records alone and can travel with the exported model: the
sha256 of the classifier's file says whose it is.
"""

import json
import os

import numpy as np

from keras_mixup.evaluation import estimates
from keras_mixup.evaluation import record_flags
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import specs
from keras_mixup.evaluation import tables
from keras_mixup.evaluation._card_text import to_markdown

JSON_FILE = "robustness_card.json"
MARKDOWN_FILE = "robustness_card.md"


def robustness_cards(
    records,
    *,
    classifier_sha256=None,
    defences=None,
    selection_seeds=(),
    versions=None,
    probed=None,
):
    """Returns one card per (model, defence), the bare models first to last.

    The adaptive number of a card is the per-example worst case where it was
    measured, else the lowest of the single attacks; an attacker who knows
    the draws stands in the list alone. All numbers of one norm and radius
    that are compared are of the same examples. Where the records show a red
    flag it is named beside the number, and no gain is claimed.

    Args:
        records: iterable of `Record`.
        classifier_sha256: str, of the classifier file's bytes, or None.
        defences: dict label -> the defence's settings, JSON values, or None.
        selection_seeds: ints with which the worst case was chosen.
        versions: dict package -> version, or None.
        probed: dict model name -> list of `RedFlag`, from `red_flags.probe`,
            or None; a defence's flags count under its label.

    Returns:
        list of dicts of JSON values. Accuracies are in [0, 1]; what was not
        measured is None. `"text"` is the card in Markdown.
    """
    unique = list({record.key: record for record in records}.values())
    rows = dict.fromkeys(record[2:4] for record in unique)
    flags = record_flags.from_records(unique)
    cards = []
    for model, defence in rows:
        card = _card(unique, model, defence)
        asked = (probed or {}).get(model if defence == "none" else defence, ())
        for attacked in card["attacked"]:
            shown = _flagged(flags, card, attacked)
            shown |= {flag.name for flag in asked}
            attacked["red_flags"] = sorted(shown)
        card["seeds"]["selection"] = list(selection_seeds)
        card.update(
            classifier_sha256=classifier_sha256,
            defence_settings=(defences or {}).get(defence),
            versions=dict(versions or {}),
        )
        cards.append({**card, "text": to_markdown(card)})
    return cards


def write_cards(run_dir, cards):
    """Writes robustness_card.json and .md, each at once.

    Args:
        run_dir: str, an existing folder; older cards in it are replaced.
        cards: list of dicts, from `robustness_cards`. A single one is the
            whole JSON value; several are listed under `"cards"`.

    Returns:
        str, the path of the JSON file; None without any card.
    """
    if not cards:
        return None
    value = cards[0] if len(cards) == 1 else {"cards": cards}
    texts = {
        MARKDOWN_FILE: "\n".join(card["text"] for card in cards),
        JSON_FILE: json.dumps(value, indent=2, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        _write(os.path.join(run_dir, name), text)
    return os.path.join(run_dir, JSON_FILE)


def _write(path, text):
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{os.getpid()}.{name}")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _card(records, model, defence):
    own = [r for r in records if r[2:4] == (model, defence)]
    base = [r for r in records if r[2:4] == (model, "none")]
    budgets = dict.fromkeys(r[6:8] for r in own if r.knowledge != "none")
    pools = sorted({r.pool_split for r in own if r.pool_split is not None})
    return {
        "model": model,
        "defence": defence,
        "clean": _clean(own, base),
        "attacked": [_attacked(own, base, budget) for budget in budgets],
        "seeds": {
            "attack": _seeds(r.attack_seed for r in own),
            "evaluation": _seeds(r.eval_seed for r in own),
        },
        "pool_split": pools[0] if len(pools) == 1 else (pools or None),
    }


def _flagged(flags, card, attacked):
    """The names of the red flags of this model at this norm and radius."""
    row = tables.row_label((card["model"], card["defence"]))
    budget = attacked["norm"], attacked["eps"]
    where = record_flags.place(row, budget)
    return {flag.name for flag in flags if flag.where == where}


def _seeds(seeds):
    return sorted({seed for seed in seeds if seed is not None})


def _clean(own, base):
    own, base = (
        [r for r in part if r.knowledge == "none"] for part in (own, base)
    )
    if not own:
        return None
    found = _estimate(own)
    ids = {r.example_id for r in own}
    beside = _on(base, ids)
    found["undefended"] = _estimate(beside)["accuracy"] if beside else None
    return found


def _attacked(own, base, budget):
    """One norm and radius: ignored, gone through, and the bare model."""
    own, base = ([r for r in part if r[6:8] == budget] for part in (own, base))
    worst = _worst(own, ("adaptive",))
    ids = {r.example_id for r in worst or own}
    oblivious = _worst(
        [r for r in own if r.attack != specs.WORST_CASE],
        ("oblivious", "transfer"),
        ids,
    )
    found = {
        "norm": budget[0],
        "eps": budget[1],
        "oblivious": _estimate(oblivious),
        "adaptive_worst_case": _estimate(worst),
        "undefended": None,
        "difference": None,
        "difference_error": None,
        "attacks": [_single(s) for s in records_lib.summarize(own)],
    }
    if worst and worst[0].defence != "none":
        plain = _worst(base, ("oblivious", "transfer", "adaptive"), ids)
        found["undefended"] = _estimate(plain)
        if plain:
            gain, error = estimates.paired_difference(worst, plain)
            found.update(difference=gain, difference_error=error)
    return found


def _worst(records, knowledge, ids=None):
    """The records of the worst case, or of the single worst attack, or [].

    Args:
        records: of one model and budget.
        knowledge: kinds of which one at least must be there.
        ids: the examples; None takes those that most attacks of the kind saw.
    """
    cells = {}
    for record in records:
        if not record.attack.startswith(specs.KNOWS_DRAWS):
            cells.setdefault(record[4:6], []).append(record)
    of_kind = [cell for cell in cells if cell[1] in knowledge]
    if not of_kind:
        return []
    for cell in of_kind:
        if cell[0] == specs.WORST_CASE and (
            ids is None or _on(cells[cell], ids)
        ):
            return cells[cell] if ids is None else _on(cells[cell], ids)
    if ids is None:
        seen = [{r.example_id for r in cells[cell]} for cell in of_kind]
        ids = max(seen, key=len)
    # Ignoring the defence is open to the adaptive attacker as well.
    usable = cells if "adaptive" in knowledge else of_kind
    kept = [_on(cells[cell], ids) for cell in usable]
    return min(filter(None, kept), key=_accuracy, default=[])


def _on(records, ids):
    """The records of these examples; none if one example is missing."""
    kept = [r for r in records if r.example_id in ids]
    return kept if {r.example_id for r in kept} == ids else []


def _accuracy(records):
    return float(np.mean([r.prediction == r.label for r in records]))


def _estimate(records):
    if not records:
        return None
    found = estimates.from_records(records)
    return {
        "attack": records[0].attack,
        "accuracy": found.accuracy,
        "interval": [found.low, found.high],
        "majority_vote": found.majority,
        "num_examples": found.num_examples,
        "num_seeds": found.num_seeds,
        "gradient_passes": float(np.mean([r.gradient_passes for r in records])),
        "queries": float(np.mean([r.queries for r in records])),
    }


def _single(summary):
    names = ("attack", "knowledge", "accuracy", "std", "num_examples")
    names = (*names, "num_seeds", "gradient_passes", "queries")
    return {name: getattr(summary, name) for name in names}
