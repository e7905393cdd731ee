"""Signs that an evaluation flatters: what is seen, why it matters, what to do.

`from_records` reads them from the records, `probe` asks the model itself.

Sources: Athalye et al., 2018 (arXiv 1802.00420), section 3.1; Carlini et al.,
2019 (arXiv 1902.06705), section 5; the checks of AutoAttack (Croce and Hein,
2020, arXiv 2003.01690).
"""

from keras_mixup.evaluation.flag_rules import RULES
from keras_mixup.evaluation.flag_rules import Findings
from keras_mixup.evaluation.flag_rules import RedFlag
from keras_mixup.evaluation.flag_rules import read
from keras_mixup.evaluation.flag_rules import status
from keras_mixup.evaluation.flag_rules import write
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
