"""The result of an evaluation: records, verdicts, red flags, report."""

import pathlib
from typing import NamedTuple

from keras_mixup import evaluation
from keras_mixup import reporting
from keras_mixup.evaluation import red_flags
from keras_mixup.reporting import eps_curves
from keras_mixup.reporting import tables
from keras_mixup.reporting import verdicts
from keras_mixup.reporting import worst_case_table


class EvaluateResult(NamedTuple):
    """The result of an evaluation.

    Attributes:
        run_dir: `pathlib.Path`.
        records: `Records`, all of the folder.
        probed: dict model name -> `Findings` of the models themselves.
        report: path of report.html.
    """

    run_dir: pathlib.Path
    records: evaluation.Records
    probed: dict
    report: str

    @property
    def comparisons(self) -> list[reporting.Comparison]:
        """list of `reporting.Comparison`."""
        return reporting.comparisons(self.records, self.probed)

    @property
    def curves(self) -> list[eps_curves.Curve]:
        """list of `reporting.eps_curves.Curve`: models with several radii."""
        return eps_curves.eps_curves(self.records, self.probed)

    @property
    def red_flags(self) -> list[red_flags.RedFlag]:
        """list of `RedFlag`, of the records and of the models."""
        found = list(red_flags.from_records(self.records))
        return found + [flag for own in self.probed.values() for flag in own]

    @property
    def text(self) -> str:
        """str: table, verdicts, worst case and red flags for a terminal."""
        parts = [f"\n{tables.to_text(tables.accuracy_table(self.records))}"]
        found = verdicts.verdicts(self.records, self.probed)
        parts += [""] * bool(found) + [f"- {v.sentence}" for v in found]
        worst = worst_case_table.rows(self.records, self.probed)
        if worst:
            parts.append(
                "\nWorst case over the attacks, per example (percent):"
            )
            parts.append(worst_case_table.to_text(worst))
        curves = self.curves
        if curves:
            parts.append(f"\n{eps_curves.to_text(curves)}")
        flags = self.red_flags
        status = red_flags.status(
            red_flags.from_records(self.records), *self.probed.values()
        )
        looked = sum(value != "not looked for" for value in status.values())
        if flags:
            parts.append("\nRed flags:")
            parts += [f"- {flag.name}. {flag.text}" for flag in flags]
        else:
            parts.append(
                f"\nRed flags: none; {looked} of {len(status)} checks applied."
            )
        return "\n".join([*parts, f"\nReport: {self.report}"])
