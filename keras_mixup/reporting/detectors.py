"""What detectors find, on the card: never without the attack on the score."""

from keras_mixup.evaluation.labels import percent
from keras_mixup.studies.detection import ON_THE_SCORE

HEADER = (
    "detector",
    "attack that ignores it",
    "its AUC",
    "AUC, attack on the score",
    "detected",
    "detected, attack on the score",
    "wrong and undetected, attack on the score",
    "false positives",
)
_NAMES = (
    *("detector", "attack", "num_examples", "false_positive_rate"),
    *("auc", "detected"),
)
_BOTH = ("auc", "detected", "undetected")
_NOT_SHOWN = "not shown: its score was not attacked"


def detectors(rows):
    """Returns what the study fig3a says of each detector, as JSON values.

    A detector's numbers under attacks that ignore it are None unless its score
    was attacked as well.

    Args:
        rows: list of dicts, of `studies.detection.detection_curves`.

    Returns:
        list of dicts, one for each detector and oblivious attack: `detector`,
        `attack`, `num_examples`, `false_positive_rate`; `auc` and `detected`;
        and the same with `undetected` under `on_the_score`, or None.
    """
    attacked = {r["detector"]: r for r in rows if r["attack"] == ON_THE_SCORE}
    found = []
    for row in rows:
        if row["knowledge"] != "oblivious":
            continue
        strong = attacked.get(row["detector"])
        one = {name: row.get(name) for name in _NAMES}
        if strong is None:
            one.update(auc=None, detected=None, on_the_score=None)
        else:
            one["on_the_score"] = {name: strong[name] for name in _BOTH}
        found.append(one)
    return found


def lines(found):
    """Returns `HEADER` and a line for each of `detectors`, tuples of str."""
    return [HEADER, *map(_line, found)]


def _line(one):
    strong = one["on_the_score"]
    if strong is None:
        cells = (_NOT_SHOWN, "", "", "", "")
    else:
        cells = (
            f"{one['auc']:.3f}",
            f"{strong['auc']:.3f}",
            percent(one["detected"]),
            percent(strong["detected"]),
            percent(strong["undetected"]),
        )
    rate = one["false_positive_rate"]
    rate = "" if rate is None else percent(rate)
    return (one["detector"], one["attack"], *cells, rate)
