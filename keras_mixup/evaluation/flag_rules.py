"""What each red flag means, and what to do about it."""

from typing import NamedTuple


class RedFlag(NamedTuple):
    """One sign, in words.

    Attributes:
        name: str, which rule.
        where: str, the model, and the budget where it has one.
        seen: str, the observation with its numbers.
        why: str, why it matters.
        remedy: str, what to do.
    """

    name: str
    where: str
    seen: str
    why: str
    remedy: str

    @property
    def text(self):
        """str: everything in four sentences."""
        return f"{self.where}: {self.seen} {self.why} {self.remedy}"


RULES = {
    "black-box beats white-box": (
        "Who sees the gradients can do all that who does not can do: the "
        "gradients mislead the white-box attack, which overstates robustness.",
        "Read the lower number; attack with another loss (margin), more "
        "steps and restarts, or transferred starts.",
    ),
    "adaptive weaker than oblivious": (
        "Who knows the defence may also ignore it: the adaptive attack is too "
        "weak, and its number no upper bound worth quoting.",
        "Read the lower number (the worst case does); start the adaptive "
        "attack from the transferred images (recipe eot does).",
    ),
    "accuracy does not fall with eps": (
        "A larger ball holds the smaller one, and one as wide as the pixels' "
        "range holds every image: some image is always wrong there.",
        "Mend the attack before quoting it: larger steps for larger balls, "
        "more of them, another loss, more draws.",
    ),
    "more effort still helps": (
        "The attack has not converged; whoever spends more gets lower.",
        "Double the steps or draws until the curve is flat, and quote its end.",
    ),
    "randomised model under a deterministic attack": (
        "One answer of a randomised model is no loss to climb: the attack "
        "follows the noise of single draws, decides by lucky ones, and looks "
        "weaker or stronger than it is.",
        "Average over draws: MixupInferenceAttack, "
        "ExpectationOverTransformation, or AutoAttack's version rand.",
    ),
    "probabilities instead of logits": (
        "Cross-entropy takes the softmax of the outputs again: the gradient "
        "nearly vanishes and the attack looks harmless.",
        "Remove the final softmax, or take the logarithm of a mean of "
        "probabilities.",
    ),
    "zero or NaN gradients": (
        "Where the gradient is zero or no number, an attack by gradients "
        "stays where it started, whatever the model is worth.",
        "Attack with the margin or DLR loss, replace what has no derivative "
        "(recipe bpda), and add an attack without gradients (Square).",
    ),
    "eps not respected": (
        "Images outside the ball or the bounds belong to another threat "
        "model: their accuracy says nothing about this one.",
        "Project onto ball and bounds after the last step, in the unit of "
        "the images.",
    ),
    "randomness frozen in a trace": (
        "Python's and NumPy's random numbers are drawn once, while TensorFlow "
        "traces the model: the attack meets a single fixed draw, the user "
        "another.",
        "Draw with tf.random.stateless_uniform and the like, from a seed that "
        "is an argument.",
    ),
}


def flag(name, where, seen):
    """Returns the `RedFlag` of a rule in `NAMES`, with the rule's texts."""
    return RedFlag(name, where, seen, *RULES[name])
