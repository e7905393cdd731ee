"""One plain sentence per defence: what is left when the attacker adapts."""

from typing import NamedTuple

from keras_mixup.evaluation import estimates
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import specs
from keras_mixup.evaluation import tables


class Verdict(NamedTuple):
    """A defence beside the classifier it defends, at one radius.

    Accuracies are the lowest over the attacks of that kind, in [0, 1], all
    on the same examples; None where nothing was measured.

    Attributes:
        name: str, the defended model.
        budget: str, norm and radius, and the number of examples where it is
            not all of them.
        oblivious: float, attack crafted on the undefended classifier.
        adaptive: float, attack crafted through the defence.
        undefended: float, the classifier itself under its worst attack.
        error: float, 95 % sampling error of adaptive - undefended, paired by
            example.
    """

    name: str
    budget: str
    oblivious: float | None
    adaptive: float | None
    undefended: float | None
    error: float | None

    @property
    def sentence(self):
        """str: the finding in words; a gain is claimed only if there is one."""
        start = f"{self.name} ({self.budget}): "
        if self.oblivious is not None:
            start += f"{_percent(self.oblivious)} if the attacker ignores it, "
        if self.adaptive is None:
            return (
                start + "adaptive accuracy not measured. Nothing follows "
                "about its robustness."
            )
        start += f"{_percent(self.adaptive)} if the attacker goes through it"
        if self.undefended is None:
            return start + "."
        start += f"; undefended {_percent(self.undefended)}. "
        return start + self._comparison()

    def _comparison(self):
        gain = self.adaptive - self.undefended
        points = f"{100 * abs(gain):.1f} points"
        error = f"sampling error {100 * self.error:.1f}"
        if abs(gain) <= self.error:
            return f"No gain beyond chance ({100 * gain:+.1f}, {error})."
        if gain < 0:
            return f"The defence loses {points} ({error})."
        return (
            f"It keeps {points} ({error}) under the attacks tried here; a "
            "stronger attack may keep less."
        )


def verdicts(records):
    """Returns one `Verdict` per defended model and radius.

    An attacker who knows the defence's draws is another threat model and
    left out.

    Args:
        records: iterable of `Record`.
    """
    records = list(records)
    attacked = [
        r
        for r in records
        if r.knowledge != "none" and not r.attack.startswith(specs.KNOWS_DRAWS)
    ]
    budgets = dict.fromkeys((r.norm, r.eps) for r in attacked)
    defended = dict.fromkeys(
        (r.model, r.defence) for r in attacked if r.defence != "none"
    )
    total = len({r.example_id for r in records})
    found = []
    for budget in budgets:
        for row in defended:
            rows = (row, (row[0], "none"))
            chosen = [
                r
                for r in attacked
                if (r.norm, r.eps) == budget and (r.model, r.defence) in rows
            ]
            if any((r.model, r.defence) == row for r in chosen):
                found.append(_compared(chosen, row, budget, total))
    return found


def _compared(records, row, budget, total):
    """The verdict on the examples that the adaptive attack saw.

    A minimum over different subsets of examples would compare nothing: what
    saw fewer examples than the adaptive attack (SPSA, say) is left out, and
    what saw more is cut.
    """
    cells = {}
    for record in records:
        cells.setdefault(record[2:8], set()).add(record.example_id)
    own = [ids for cell, ids in cells.items() if cell[:2] == row]
    adaptive = [
        ids
        for cell, ids in cells.items()
        if cell[:2] == row and cell[3] == "adaptive"
    ]
    common = max(adaptive or own, key=len)
    kept = [
        r for r in records if r.example_id in common and cells[r[2:8]] >= common
    ]
    summaries = records_lib.summarize(kept)
    verdict = _verdict(summaries, kept, row, budget)
    if len(common) == total:
        return verdict
    text = f"{verdict.budget}, {len(common)} examples"
    return verdict._replace(budget=text)


def _verdict(summaries, records, row, budget):
    def worst(chosen, kinds):
        found = [
            s
            for s in summaries
            if s.row == chosen
            and (s.norm, s.eps) == budget
            and s.knowledge in kinds
        ]
        return min(found, key=lambda s: s.accuracy, default=None)

    every = ("oblivious", "transfer", "adaptive")
    oblivious = worst(row, ("oblivious", "transfer"))
    adaptive = worst(row, ("adaptive",))
    if adaptive is not None:
        # Ignoring the defence is open to the adaptive attacker as well.
        adaptive = worst(row, every)
    undefended = worst((row[0], "none"), every)
    error = None
    if adaptive is not None and undefended is not None:
        compared = [
            [r for r in records if r[2:8] == summary[:6]]
            for summary in (adaptive, undefended)
        ]
        _, error = estimates.paired_difference(*compared)
    accuracies = (
        None if found is None else found.accuracy
        for found in (oblivious, adaptive, undefended)
    )
    name = tables.row_label(row)
    text = tables.radius_text(*budget)
    return Verdict(name, text, *accuracies, error)


def _percent(share):
    return f"{100 * share:.1f} %"
