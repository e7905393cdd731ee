"""One sentence per defence: its accuracy under an adaptive attack."""

from typing import NamedTuple

from keras_mixup.evaluation.labels import p_text
from keras_mixup.evaluation.labels import percent
from keras_mixup.reporting.comparison import SINGLE
from keras_mixup.reporting.comparison import Comparison
from keras_mixup.reporting.comparison import comparisons


class Verdict(NamedTuple):
    """A comparison in words.

    Attributes:
        comparison: `Comparison` of a defended model.
    """

    comparison: Comparison

    @property
    def sentence(self):
        """str: the result; a gain is claimed only beyond chance."""
        found = self.comparison
        parts = []
        if found.oblivious is not None:
            left = percent(found.oblivious.accuracy)
            parts.append(f"{left} if the attacker ignores it")
        if found.adaptive is None:
            parts.append("adaptive accuracy not measured")
            text = f"{found.place}: {', '.join(parts)}."
            return f"{text} Nothing follows about its robustness."
        left = percent(found.adaptive.accuracy)
        parts.append(f"{left} if the attacker goes through it")
        text = f"{found.place}: {', '.join(parts)}"
        if found.undefended is not None:
            bare = percent(found.undefended.accuracy)
            text = f"{text}; undefended {bare}. {gain(found)}"
        else:
            text = f"{text}."
        return f"{text} {SINGLE}" if found.single else text


def gain(comparison):
    """Returns what the defence gains or loses, a sentence."""
    points = f"{100 * abs(comparison.difference):.1f} points"
    error = f"sampling error {100 * comparison.error:.1f}, "
    error += p_text(comparison.p)
    shown = f"{100 * comparison.difference:+.1f}"
    flags = "; ".join(comparison.red_flags)
    return {
        "none": f"No gain beyond chance ({shown}, {error}).",
        "unlike": f"The undefended model was attacked in fewer ways: nothing "
        f"follows from the difference ({shown}, {error}).",
        "loss": f"The defence loses {points} ({error}).",
        "doubt": f"A gain of {points} ({error}) is in doubt, since the attacks "
        f"may be weak. Red flags: {flags}.",
        "gain": f"It keeps {points} ({error}) under the attacks tried here; a "
        "stronger attack may keep less.",
    }[comparison.claim]


def verdicts(records, probed=None):
    """Returns one `Verdict` per defended model, norm and radius.

    Args:
        records, probed: as for `comparisons`.
    """
    return [
        Verdict(found)
        for found in comparisons(records, probed)
        if found.row.defence != "none"
    ]
