"""Signs that an evaluation flatters: what is seen, why it matters, what to do.

`from_records` reads them from the records, `probe` asks the model itself.

Sources: Athalye et al., 2018 (arXiv 1802.00420), section 3.1; Carlini et al.,
2019 (arXiv 1902.06705), section 5; the checks of AutoAttack (Croce and Hein,
2020, arXiv 2003.01690).
"""

import os

from keras_mixup import _files
from keras_mixup.evaluation.flag_rules import RULES
from keras_mixup.evaluation.flag_rules import Findings
from keras_mixup.evaluation.flag_rules import RedFlag
from keras_mixup.evaluation.probe import probe
from keras_mixup.evaluation.record_flags import from_records

__all__ = [
    "NAMES",
    "Findings",
    "RedFlag",
    "from_records",
    "probe",
    "read",
    "status",
    "write",
]

# All that are looked for.
NAMES = tuple(RULES)


def write(path, probed):
    """Writes what `probe` found, at once, for the report.

    Args:
        path: str, a .json file; an existing one is replaced.
        probed: dict model name -> list of `RedFlag`.
    """
    value = {
        name: {
            "found": [flag._asdict() for flag in flags],
            "looked_for": sorted(getattr(flags, "looked_for", ())),
        }
        for name, flags in probed.items()
    }
    _files.write_json(path, value)


def read(path):
    """Returns the dict that `write` wrote, empty if there is no such file."""
    if not os.path.exists(path):
        return {}
    probed = {}
    for name, value in _files.read_json(path).items():
        # Release 0.1 wrote the list alone.
        if isinstance(value, list):
            value = {"found": value, "looked_for": ()}
        flags = [RedFlag(**fields) for fields in value["found"]]
        probed[name] = Findings(flags, value["looked_for"])
    return probed


def status(*findings):
    """Returns dict rule -> "found", "not found" or "not looked for".

    Args:
        *findings: `Findings`, of records and of models that were asked.
    """
    shown = dict.fromkeys(NAMES, "not looked for")
    for part in findings:
        for name in getattr(part, "looked_for", ()):
            shown[name] = "not found"
    for flag in (flag for part in findings for flag in part):
        shown[flag.name] = "found"
    return shown
