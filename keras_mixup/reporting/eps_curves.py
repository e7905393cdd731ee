"""Accuracy over the radius: a curve, its table and the area under it."""

import collections
from typing import NamedTuple

import numpy as np

from keras_mixup import _tables
from keras_mixup.evaluation import estimates
from keras_mixup.evaluation.labels import row_label
from keras_mixup.evaluation.records import Records
from keras_mixup.evaluation.records import Row
from keras_mixup.metrics.estimates import Estimate
from keras_mixup.reporting import tables
from keras_mixup.reporting.comparison import Standing
from keras_mixup.reporting.comparison import comparisons

CAPTION = (
    "Solid: the worst of all attacks on a model, with its 95 % interval. "
    "Dashed: the worst of those that ignore the defence. Area: the mean "
    "accuracy from radius 0 to the largest one, by straight lines between the "
    "points. A model's points are of the same examples."
)
RULE = "accuracy does not fall with eps"
# The numbers of a `Point`.
KINDS = ("oblivious", "adaptive")
# A ball of this L-infinity radius around any image holds the grey one.
_ALL_IMAGES = 0.5
_ABOUT_ZERO = 0.1


class Point(NamedTuple):
    """One radius.

    Attributes:
        eps: float.
        oblivious: `Standing` under the worst attack that ignores the defence,
            or None.
        adaptive: `Standing` under the worst attack of all, or None.
    """

    eps: float
    oblivious: Standing | None
    adaptive: Standing | None


class Curve(NamedTuple):
    """A model's accuracy over the radius, all of it on the same examples.

    Attributes:
        row: `Row` of the model.
        norm: `"linf"` or `"l2"`.
        clean: `Estimate` without an attack, or None.
        points: tuple of `Point`, two or more, by radius.
        num_examples: int.
        left_out: tuple of float, radii that were measured on other examples.
        flagged: bool, whether the accuracy rises with the radius, or a ball
            that holds every image leaves some.
    """

    row: Row
    norm: str
    clean: Estimate | None
    points: tuple
    num_examples: int
    left_out: tuple
    flagged: bool

    def accuracies(self, kind):
        """Returns (radii, accuracies) of what was measured, two float arrays.

        Args:
            kind: `"oblivious"` or `"adaptive"`. The clean accuracy stands at
                radius 0.
        """
        found = {p.eps: getattr(p, kind) for p in self.points}
        known = {eps: s.accuracy for eps, s in found.items() if s is not None}
        if known and self.clean is not None:
            known.setdefault(0.0, self.clean.accuracy)
        radii = sorted(known)
        return np.array(radii), np.array([known[eps] for eps in radii])

    def area(self, kind="adaptive"):
        """Returns the mean accuracy from radius 0 to the largest, or None.

        It is the area under the straight lines between the points, over the
        largest radius. None without the clean accuracy, or if a radius was
        not measured.

        Args:
            kind: `"oblivious"` or `"adaptive"`.
        """
        radii, accuracies = self.accuracies(kind)
        whole = all(getattr(p, kind) is not None for p in self.points)
        if not whole or radii[0] != 0.0:
            return None
        widths, sums = np.diff(radii), accuracies[1:] + accuracies[:-1]
        return float(np.sum(widths * sums) / 2 / radii[-1])

    @property
    def note(self):
        """str: that the end of the curve says little; "" where it does."""
        last = self.points[-1]
        left = _accuracy(last, "adaptive")
        if left is None or left <= _ABOUT_ZERO:
            return ""
        if self.norm == "linf" and last.eps >= _ALL_IMAGES:
            return ""  # The red flag says so.
        return (
            f"{row_label(self.row)}: {100 * left:.1f} % are left at the "
            f"largest radius, {last.eps:.4g}. Whether the attack ever reaches "
            "zero is not shown: add a radius that should leave nothing (0.5 in "
            "linf)."
        )


def eps_curves(records, probed=None):
    """Returns a `Curve` for each model and norm with two radii or more.

    The numbers are those of `comparisons`.

    Args:
        records: `Records`, or an iterable of `Record`.
        probed: dict model name -> `Findings` of `red_flags.probe`, or None.
    """
    records = Records(records).unique()
    groups = {}
    for found in comparisons(records, probed):
        groups.setdefault((found.row, found.budget.norm), []).append(found)
    curves = []
    for (row, norm), own in groups.items():
        counts = collections.Counter(found.example_ids for found in own)
        ids = counts.most_common(1)[0][0]
        same = [found for found in own if found.example_ids == ids]
        if len(same) < 2:
            continue
        same.sort(key=lambda found: found.budget.eps)
        others = sorted(f.budget.eps for f in own if f.example_ids != ids)
        points = (
            Point(found.budget.eps, found.oblivious, found.adaptive)
            for found in same
        )
        curves.append(
            Curve(
                row,
                norm,
                _clean(records, row, ids),
                tuple(points),
                len(ids),
                tuple(others),
                any(RULE in found.red_flags for found in same),
            )
        )
    return curves


def _clean(records, row, ids):
    own = records.where(
        lambda r: r.row == row and r.knowledge == "none" and r.example_id in ids
    )
    whole = set(own.by("example_id")) == set(ids)
    return estimates.from_records(own) if whole else None


def blocks(curves):
    """Returns [(norm, header, lines, notes)], a table for each norm.

    Lines and header are tuples of str, in percent; a model without a defence
    has one line, others one for each attacker.

    Args:
        curves: list of `Curve`.
    """
    found = []
    for norm in dict.fromkeys(curve.norm for curve in curves):
        own = [curve for curve in curves if curve.norm == norm]
        radii = sorted({p.eps for curve in own for p in curve.points})
        header = ("model", "attack", "clean", *(f"{eps:.4g}" for eps in radii))
        lines = [
            _line(curve, kind, radii)
            for curve in own
            for kind in KINDS
            if kind == "adaptive" or curve.row.defence != "none"
        ]
        notes = [curve.note for curve in own if curve.note]
        notes += [
            f"{row_label(curve.row)}: left out, on other examples: eps "
            f"{', '.join(f'{eps:.4g}' for eps in curve.left_out)}."
            for curve in own
            if curve.left_out
        ]
        found.append((norm, (*header, "area", "falls"), lines, notes))
    return found


def _line(curve, kind, radii):
    points = {p.eps: getattr(p, kind) for p in curve.points}
    shown = "-" if curve.clean is None else _percent(curve.clean.accuracy)
    cells = [
        tables.NOT_APPLICABLE
        if eps not in points
        else tables.NOT_MEASURED
        if points[eps] is None
        else _percent(points[eps].accuracy)
        for eps in radii
    ]
    area = curve.area(kind)
    return (
        row_label(curve.row),
        "white-box" if curve.row.defence == "none" else kind,
        shown,
        *cells,
        tables.NOT_MEASURED if area is None else _percent(area),
        "no: red flag" if curve.flagged else "yes",
    )


def _percent(share):
    return f"{100 * share:.1f}"


def to_text(curves):
    """Returns the tables and their notes for a terminal.

    Args:
        curves: list of `Curve`.
    """
    parts = []
    for norm, header, lines, notes in blocks(curves):
        parts.append(f"Accuracy over eps, {norm} (percent; area: the mean):")
        parts.append("\n".join(_tables.to_columns([header, *lines])))
        parts += notes
    return "\n".join(parts)


def to_json(curve):
    """Returns a `Curve` as JSON values, for the card.

    Args:
        curve: `Curve`.
    """
    return {
        "norm": curve.norm,
        "examples": curve.num_examples,
        "clean": None if curve.clean is None else curve.clean.accuracy,
        "points": [
            {
                "eps": point.eps,
                **{kind: _accuracy(point, kind) for kind in KINDS},
            }
            for point in curve.points
        ],
        "area": {kind: curve.area(kind) for kind in KINDS},
        "falls": not curve.flagged,
    }


def _accuracy(point, kind):
    standing = getattr(point, kind)
    return None if standing is None else standing.accuracy
