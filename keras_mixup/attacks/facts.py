"""What an evaluation must know of an attack."""

import ast
import importlib
import typing

from keras_mixup._fingerprint import describe
from keras_mixup.threat import ThreatModel


class Facts(typing.NamedTuple):
    """The facts of one attack; None where nothing is known.

    Attributes:
        uses_gradients: bool, whether it differentiates the attacked model.
        averages_draws: bool, whether it attacks the mean over several draws
            of a randomised model.
        knows_draws: bool, whether it knows the draws that score it.
        transferable: bool, whether its images may be scored on another
            model. They may if it takes all steps on every image.
        num_steps: int, its steps.
        num_draws: int, its draws at each step.
        settings: dict, class and arguments as JSON values; {} if unknown.
        worst_case: bool, whether it is the worst of several attacks.
    """

    uses_gradients: bool | None = None
    averages_draws: bool | None = None
    knows_draws: bool | None = None
    transferable: bool | None = None
    num_steps: int | None = None
    num_draws: int | None = None
    settings: dict = {}
    worst_case: bool = False


_STATED = Facts._fields[:6]


def facts_of(attack: object) -> Facts:
    """Returns the `Facts` of an attack.

    Args:
        attack: `Attack`, or any object that states some of the facts as
            attributes.
    """
    stated: dict[str, typing.Any] = {
        name: getattr(attack, name, None) for name in _STATED
    }
    return Facts(**stated, settings=describe(attack))


def facts_of_text(shown):
    """Returns the `Facts` of an attack that was written down as its `repr`.

    Args:
        shown: str, as release 0.1 wrote it. Of one that cannot be built,
            nothing is known.
    """
    try:
        return facts_of(_built(ast.parse(shown, mode="eval").body))
    except (AttributeError, SyntaxError, TypeError, ValueError):
        return Facts()


def _built(node):
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name, known = node.func.id, ThreatModel
    if name != "ThreatModel":
        known = getattr(importlib.import_module("keras_mixup.attacks"), name)
    return known(**{k.arg: _built(k.value) for k in node.keywords})
