"""What each red flag means, and what to do about it."""

from typing import NamedTuple

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


class Findings(list):
    """A list of `RedFlag`.

    Attributes:
        looked_for: set of str, the rules that were applied to something.
    """

    def __init__(self, flags=(), looked_for=()):
        super().__init__(flags)
        self.looked_for = set(looked_for)


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


def flag(name, place, seen, budget=None):
    """Returns the `RedFlag` of a rule in `RULES`, with the rule's texts.

    Args:
        name: str, the rule.
        place: `Row`, or a model's name.
        seen: str, the observation.
        budget: `Budget`, or None.
    """
    row, where = None, place
    if not isinstance(place, str):
        row, where = place, labels.row_label(place)
    if budget is not None:
        where = f"{where} ({labels.budget_text(budget)})"
    return RedFlag(name, where, seen, *RULES[name], row, budget)
