"""The papers' tables, figures and your own: data, and pages of our numbers."""

import importlib
from typing import TYPE_CHECKING
from typing import Any

from keras_mixup.reproduce.catalogue import Claim
from keras_mixup.reproduce.catalogue import Column
from keras_mixup.reproduce.catalogue import Comparison
from keras_mixup.reproduce.catalogue import Entry
from keras_mixup.reproduce.catalogue import Published
from keras_mixup.reproduce.catalogue import Row
from keras_mixup.reproduce.figures import Figure
from keras_mixup.reproduce.figures import Panel
from keras_mixup.reproduce.lookup import entries
from keras_mixup.reproduce.lookup import find
from keras_mixup.reproduce.scales import Scale

# On first use, since they load TensorFlow.
_HOMES = {
    "ReproduceResult": "reproducing",
    "listing": "listed",
    "reproduce": "reproducing",
    "write_pages": "reproducing",
}

__all__ = [
    "Claim",
    "Column",
    "Comparison",
    "Entry",
    "Figure",
    "Panel",
    "Published",
    "ReproduceResult",
    "Row",
    "Scale",
    "entries",
    "find",
    "listing",
    "reproduce",
    "write_pages",
]


if TYPE_CHECKING:  # For checkers, which cannot follow `__getattr__`.
    from keras_mixup.reproduce.listed import listing
    from keras_mixup.reproduce.reproducing import ReproduceResult
    from keras_mixup.reproduce.reproducing import reproduce
    from keras_mixup.reproduce.reproducing import write_pages
else:

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}"
            )
        from keras_mixup import runs  # noqa: F401
        from keras_mixup.runs import _process

        _process.import_tensorflow()
        module = importlib.import_module(
            f"keras_mixup.reproduce.{_HOMES[name]}"
        )
        return getattr(module, name)
