"""Signs that an evaluation flatters: what is seen, why it matters, what to do.

`from_records` reads them from the records, `probe` asks the model itself.

Sources: Athalye et al., 2018 (arXiv 1802.00420), section 3.1; Carlini et al.,
2019 (arXiv 1902.06705), section 5; the checks of AutoAttack (Croce and Hein,
2020, arXiv 2003.01690).
"""

import json
import os

from keras_mixup.evaluation.flag_rules import RULES
from keras_mixup.evaluation.flag_rules import RedFlag
from keras_mixup.evaluation.probe import probe
from keras_mixup.evaluation.record_flags import from_records

__all__ = ["NAMES", "RedFlag", "from_records", "probe", "read", "write"]

# All that are looked for.
NAMES = tuple(RULES)


def write(path, probed):
    """Writes what `probe` found, at once, for the report.

    Args:
        path: str, a .json file; an existing one is replaced.
        probed: dict model name -> list of `RedFlag`.
    """
    value = {
        name: [found._asdict() for found in flags]
        for name, flags in probed.items()
    }
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{os.getpid()}.{name}")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def read(path):
    """Returns the dict that `write` wrote, empty if there is no such file."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        value = json.load(file)
    return {
        name: [RedFlag(**fields) for fields in flags]
        for name, flags in value.items()
    }
