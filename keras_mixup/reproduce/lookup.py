"""All entries of the three papers, by name."""

from collections.abc import Sequence
from typing import Any

from keras_mixup import _checks
from keras_mixup.reproduce import adversarial_mixup
from keras_mixup.reproduce import adversarial_mixup_figures
from keras_mixup.reproduce import mixup_inference
from keras_mixup.reproduce import mixup_inference_figures
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import varmixup
from keras_mixup.reproduce import varmixup_figures
from keras_mixup.reproduce.catalogue import Entry
from keras_mixup.reproduce.figures import Figure

_PAPERS = (
    mixup_inference,
    mixup_inference_figures,
    varmixup,
    varmixup_figures,
    adversarial_mixup,
    adversarial_mixup_figures,
)


def entries() -> dict[str, Entry | Figure]:
    """Returns dict name -> `Entry` or `Figure` of the three papers.

    An `Entry` is a table, a `Figure` is a figure or a paragraph.
    """
    return {entry.name: entry for paper in _PAPERS for entry in paper.ENTRIES}


def find(name: str) -> Any:
    """Returns the `Entry` or `Figure` of a name, as "mixup_inference/table2".

    Raises:
        ValueError: there is none; the text names the nearest and lists all.

    Example:

    >>> entry = find("mixup_inference/table2")
    >>> entry.rows[-1].label, str(entry.rows[-1].published[1])
    ('Interpolated AT + MI-OL', '64.5')
    """
    known = entries()
    return known[_checks.check_known(name, "name", tuple(known))]


def is_own(entry, scale):
    """Returns whether an entry or a scale is none of the papers'."""
    return entry.name not in entries() or scale.name not in scales.SCALES


def names(entry):
    """Returns a tuple of names of entries.

    Args:
        entry: str, a name or "all", or a sequence of names.

    Raises:
        ValueError: no name, or an unknown one, as `find`.
    """
    many = isinstance(entry, (str, Sequence))
    expected = "the name of one or more, or all"
    _checks.check(many and entry, "entry", expected, entry)
    given = (entry,) if isinstance(entry, str) else tuple(entry)
    if given == ("all",):
        return tuple(entries())
    with _checks.called({"name": "entry"}):
        return tuple(find(name).name for name in given)
