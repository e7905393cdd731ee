"""The robustness card: the measured robustness of one model, on one page.

It is made from records alone and can be exported with the model. The
fingerprint of the classifier identifies the model.
"""

import pathlib

from keras_mixup import _files
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import red_flags
from keras_mixup.evaluation.estimates import from_records
from keras_mixup.evaluation.records import Row
from keras_mixup.reporting import detectors
from keras_mixup.reporting import eps_curves
from keras_mixup.reporting._card_text import to_markdown
from keras_mixup.reporting.comparison import comparisons


def robustness_cards(
    records,
    *,
    classifier_fingerprint=None,
    defences=None,
    selection_seeds=(),
    versions=None,
    probed=None,
    detection=None,
):
    """Returns one card per (model, defence), in the records' order.

    Its numbers are those of `comparisons`. Attacks that know the defence's
    draws appear in the list of attacks alone. The card names red flags beside
    the number, and claims no gain then.

    Args:
        records: `Records`, or an iterable of `Record`.
        classifier_fingerprint: str, `evaluation.fingerprint` of the
            classifier, or None.
        defences: dict label -> the defence's settings, JSON values, or None.
        selection_seeds: ints, the seeds that chose the worst case.
        versions: dict package -> version, or None.
        probed: dict model name -> `Findings` of `red_flags.probe`, or None;
            for a defence, its label is the name.
        detection: dict model name -> rows of `studies.detection_curves`, or
            None; on the card of the model without a defence.

    Returns:
        list of dicts of JSON values. Accuracies are in [0, 1]; None stands for
        a number that was not measured. `"text"` is the card in Markdown.
    """
    records = records_lib.Records(records).unique()
    shown = red_flags.from_records(records)
    compared = comparisons(records, probed)
    curves = eps_curves.eps_curves(records, probed)
    cards = []
    for row, own in records.by("row").items():
        name = row.model if row.defence == "none" else row.defence
        asked = (probed or {}).get(name, red_flags.Findings())
        flags = shown.of(row)
        card = {
            "model": row.model,
            "defence": row.defence,
            "clean": _clean(own, records, row),
            "attacked": [
                _attacked(found, own) for found in compared if found.row == row
            ],
            "over_eps": [
                eps_curves.to_json(found)
                for found in curves
                if found.row == row
            ],
            "red_flags": red_flags.status(flags, asked),
            "detectors": detectors.detectors(
                (detection or {}).get(row.model, ())
                if row.defence == "none"
                else ()
            ),
            "seeds": {
                "attack": _distinct(r.attack_seed for r in own),
                "evaluation": _distinct(r.eval_seed for r in own),
                "selection": list(selection_seeds),
            },
            "pool_split": _pools(own),
            "classifier_fingerprint": classifier_fingerprint,
            "defence_settings": (defences or {}).get(row.defence),
            "versions": dict(versions or {}),
        }
        cards.append({**card, "text": to_markdown(card)})
    return cards


def write_cards(run_dir, cards):
    """Writes robustness_card.json and .md, each atomically.

    Args:
        run_dir: str, an existing folder; older cards in it are replaced.
        cards: list of dicts, from `robustness_cards`. A single card is the
            whole JSON value; several are listed under `"cards"`.

    Returns:
        path of the JSON file; None without any card.
    """
    if not cards:
        return None
    run_dir = pathlib.Path(run_dir)
    value = cards[0] if len(cards) == 1 else {"cards": cards}
    _files.write_json(run_dir / _files.CARD, value)
    text = "\n".join(card["text"] for card in cards)
    _files.write_text(run_dir / _files.CARD_TEXT, text)
    return run_dir / _files.CARD


def _distinct(values):
    return sorted({value for value in values if value is not None})


def _pools(records):
    pools = _distinct(r.pool_split for r in records)
    return pools[0] if len(pools) == 1 else (pools or None)


def _clean(own, records, row):
    own = own.where(lambda r: r.knowledge == "none")
    if not own:
        return None
    ids = set(own.by("example_id"))
    bare = records.where(
        lambda r: (
            r.row == Row(row.model, "none")
            and r.knowledge == "none"
            and r.example_id in ids
        )
    )
    found = _estimate(from_records(own))
    whole = set(bare.by("example_id")) == ids
    found["undefended"] = from_records(bare).accuracy if whole else None
    return found


def _attacked(found, own):
    """One norm and radius, as JSON values."""
    inside = own.where(lambda r: r.budget == found.budget)
    return {
        "norm": found.budget.norm,
        "eps": found.budget.eps,
        "oblivious": _standing(found.oblivious),
        "adaptive_worst_case": _standing(found.adaptive),
        "undefended": _standing(found.undefended),
        "difference": found.difference,
        "difference_error": found.error,
        "difference_p": found.p,
        "attacks": [_single(s) for s in records_lib.summarize(inside)],
        "claim": found.claim,
        "single_adaptive_attack": found.single,
        "red_flags": list(found.red_flags),
    }


def _standing(found):
    if found is None:
        return None
    return {
        "attack": found.column.attack,
        "worst_case": found.worst_case,
        **_estimate(found.estimate),
        "gradient_passes": found.gradient_passes,
        "queries": found.queries,
    }


def _estimate(found):
    return {
        "accuracy": found.accuracy,
        "interval": [found.low, found.high],
        "majority_vote": found.majority,
        "num_examples": found.num_examples,
        "num_seeds": found.num_seeds,
    }


def _single(summary):
    names = ("attack", "knowledge", "accuracy", "std", "num_examples")
    names = (*names, "num_seeds", "gradient_passes", "queries")
    return {name: getattr(summary, name) for name in names}
