"""What each red flag means, what to do about it, and which were raised."""

import os
from typing import NamedTuple

from keras_mixup import _files
from keras_mixup.evaluation import identity
from keras_mixup.evaluation import labels


class RedFlag(NamedTuple):
    """One sign, in words.

    Attributes:
        name: str, which rule.
        where: str, the model, and the budget where it has one.
        seen: str, the observation with its numbers.
        why: str, why it matters.
        remedy: str, what to do.
        row: `Row` of the model, or None where a model was asked itself.
        budget: `Budget`, or None.
    """

    name: str
    where: str
    seen: str
    why: str
    remedy: str
    row: tuple | None = None
    budget: tuple | None = None

    @property
    def text(self):
        """str: everything in four sentences."""
        return f"{self.where}: {self.seen} {self.why} {self.remedy}"


RULES = {
    "black-box beats white-box": (
        "An attack with gradients can do all that one without them does. "
        "These gradients mislead it, and its number overstates robustness.",
        "Read the lower number. Attack with another loss (margin), more "
        "steps and restarts, or transferred starts.",
    ),
    "adaptive weaker than oblivious": (
        "An attacker who knows the defence may also ignore it. The adaptive "
        "attack is too weak, and its number is no useful upper bound.",
        "Read the lower number, as the worst case does. Start the adaptive "
        "attack from the transferred images, as recipe eot does.",
    ),
    "accuracy does not fall with eps": (
        "A larger ball holds the smaller one, and one as wide as the pixels' "
        "range holds every image. Some image is always wrong there.",
        "Mend the attack before quoting it: larger steps for larger balls, "
        "more of them, another loss, more draws.",
    ),
    "more effort still helps": (
        "The attack has not converged. More steps or draws lower the number.",
        "Double the steps or draws until the curve is flat. Quote its end.",
    ),
    "randomised model under a deterministic attack": (
        "A single answer of a randomised model is noise around its loss. The "
        "attack follows that noise, and looks weaker or stronger than it is.",
        "Average over draws: MixupInferenceAttack, AveragedAttack, "
        "ExpectationOverTransformation, or AutoAttack's version rand.",
    ),
    "probabilities instead of logits": (
        "Cross-entropy takes the softmax of the outputs again. The gradient "
        "nearly vanishes, and the attack looks harmless.",
        "Remove the final softmax, or take the logarithm of a mean of "
        "probabilities.",
    ),
    "zero or NaN gradients": (
        "Where the gradient is zero or no number, an attack by gradients "
        "stays where it started. Its accuracy says nothing of the model.",
        "Attack with the margin or DLR loss, replace what has no derivative "
        "(recipe bpda), and add an attack without gradients (Square).",
    ),
    "eps not respected": (
        "Images outside the ball or the bounds belong to another threat "
        "model. Their accuracy says nothing about this one.",
        "Project onto ball and bounds after the last step, in the unit of "
        "the images.",
    ),
    "randomness frozen in a trace": (
        "Python's and NumPy's random numbers are drawn once, while TensorFlow "
        "traces the model. The attack meets that one draw, the user another.",
        "Draw with tf.random.stateless_uniform and the like, from a seed that "
        "is an argument.",
    ),
}


class Findings(list):
    """A list of `RedFlag` that knows what was looked for.

    Args:
        flags: iterable of `RedFlag`.
        looked_for: iterable of str, the rules that were applied to a model.

    Attributes:
        looked_at: set of (rule, `Row` or None) that were applied.
    """

    def __init__(self, flags=(), looked_for=()):
        super().__init__(flags)
        self.looked_at = {(name, None) for name in looked_for}

    @property
    def looked_for(self):
        """set of str: the rules that were applied to something."""
        return {name for name, _ in self.looked_at}

    def note(self, name, place, seen, budget=None):
        """Notes that a rule was applied, and what it saw.

        Args:
            name: str, the rule, a key of `RULES`.
            place: `Row`, or the name of a model that was asked itself.
            seen: str, the observation; None if all is well.
            budget: `Budget`, or None.
        """
        row, where = None, place
        if not isinstance(place, str):
            row, where = place, labels.row_label(place)
        self.looked_at.add((name, row))
        if seen is not None:
            if budget is not None:
                where = f"{where} ({labels.budget_text(budget)})"
            texts = where, seen, *RULES[name]
            self.append(RedFlag(name, *texts, row, budget))

    def of(self, row):
        """Returns the `Findings` of one `Row`."""
        found = Findings(flag for flag in self if flag.row == row)
        found.looked_at = {at for at in self.looked_at if at[1] == row}
        return found


def status(*findings):
    """Returns dict rule -> "found", "not found" or "not looked for".

    Args:
        *findings: `Findings`, of records and of models that were asked.
    """
    shown = dict.fromkeys(RULES, "not looked for")
    for part in findings:
        looked_for = getattr(part, "looked_for", ())
        shown.update(dict.fromkeys(looked_for, "not found"))
    shown.update((flag.name, "found") for part in findings for flag in part)
    return shown


def write(path, probed):
    """Writes what `probe` found, at once, for the report.

    Each entry has a digest of the model, from the evaluation.json beside it.

    Args:
        path: str, a .json file; an existing one is replaced.
        probed: dict model name -> list of `RedFlag`.
    """
    value, marks = {}, identity.marks_beside(path)
    for name, flags in probed.items():
        looked_for = sorted(getattr(flags, "looked_for", ()))
        found = [flag._asdict() for flag in flags]
        value[name] = {"found": found, "looked_for": looked_for}
        value[name]["model"] = marks.get(name)
    _files.write_json(path, value)


def read(path):
    """Returns the dict that `write` wrote, empty if there is no such file.

    Entries of other models than those in the evaluation.json beside it are
    left out.
    """
    probed, marks = {}, identity.marks_beside(path)
    found = _files.read_json(path) if os.path.exists(path) else {}
    for name, value in found.items():
        # Release 0.1 wrote the list alone.
        if isinstance(value, list):
            value = {"found": value, "looked_for": ()}
        if marks and value.get("model") != marks.get(name, ""):
            continue
        flags = [RedFlag(**fields) for fields in value["found"]]
        probed[name] = Findings(flags, value["looked_for"])
    return probed
