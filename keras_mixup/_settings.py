"""One setting: its name, type, default, help, owner and check, once.

Flags, config.json, `--help`, tables of the docs and error messages are made
from `Setting`s. Nothing here imports TensorFlow.
"""

import ast
import dataclasses
import numbers

from keras_mixup import _checks

ANY = "any"


@dataclasses.dataclass(frozen=True)
class Setting:
    """A value that a user chooses.

    Attributes:
        name: str.
        kind: `"int"`, `"float"` (also "8/255"), `"bool"`, `"str"` or
            `"mix_weight"` ("0.6", "uniform:0.4:0.6", "beta:2:1").
        default: its value where none is given; None leaves the choice to
            what it is for.
        help: str, one sentence.
        many: bool, whether it is a tuple of such values.
        choices: tuple of the allowed values, empty for all.
        minimum: int or float, the smallest allowed one, or None.
        owners: tuple of (setting, values): it has an effect where one of
            these other settings has one of the values. `ANY` means any value
            but None, False and empty. Empty: it always has an effect.
    """

    name: str
    kind: str
    default: object = None
    help: str = ""
    many: bool = False
    choices: tuple = ()
    minimum: float | None = None
    owners: tuple = ()

    def parse(self, value):
        """Returns `value`, or what a text of the command line means.

        Raises:
            ValueError: names the setting, what it takes and what came.
        """
        if value is None:
            return None
        if not self.many:
            return self._one(value)
        if isinstance(value, str):
            parts = (part.strip() for part in value.split(","))
            value = [part for part in parts if part]
        okay = isinstance(value, (list, tuple))
        _checks.check(okay, self.name, "a list", value)
        return tuple(self._one(item) for item in value)

    def text(self, value):
        """Returns what `parse` reads as `value`, a str."""
        if self.many:
            return ",".join(self._text(item) for item in value)
        return self._text(value)

    def _text(self, value):
        if isinstance(value, (list, tuple)):
            return ":".join(str(part) for part in value)
        if isinstance(value, bool):
            return str(value).lower()
        return str(value)

    def _one(self, value):
        value = _PARSERS[self.kind](value, self.name)
        if self.choices:
            _checks.check_choice(value, self.name, self.choices)
        if self.minimum is not None:
            okay = value >= self.minimum
            expected = f"{self.minimum} or more"
            _checks.check(okay, self.name, expected, value)
        return value


def _integer(value, name):
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            _checks.check(False, name, "a whole number", value)
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    _checks.check(whole, name, "a whole number", value)
    return int(value)


def _switch(value, name):
    words = {"true": True, "1": True, "false": False, "0": False}
    value = words.get(value.lower(), value) if isinstance(value, str) else value
    return _checks.check_flag(value, name)


def _string(value, name):
    _checks.check(isinstance(value, str), name, "a text", value)
    return value


def parse_mix_weight(value, name="mix_weight"):
    """Reads `0.6`, `uniform:0.4:0.6`, `beta:2:1`, `learned` or `frozen`.

    Returns:
        float, a tuple such as ("uniform", 0.4, 0.6), or the word.

    Raises:
        ValueError: for a text that is none of these.
    """
    if isinstance(value, (list, tuple)):
        kind, *given = value
    elif isinstance(value, str):
        kind, *given = value.split(":")
    else:
        kind, given = value, ()
    if kind in ("learned", "frozen") and not given:
        return kind
    if not given:
        return _checks.parse_number(kind, name)
    _checks.check_choice(kind, name, ("uniform", "beta"))
    return kind, *(_checks.parse_number(n, name) for n in given)


_PARSERS = {
    "int": _integer,
    "float": _checks.parse_number,
    "bool": _switch,
    "str": _string,
    "mix_weight": parse_mix_weight,
}


def from_annotation(name, annotation, default=None, help="", **options):
    """Returns the `Setting` of an annotated argument or field.

    Args:
        name: str.
        annotation: str, such as `"float | None"`, `"tuple[int, ...]"`,
            `"Literal['linf', 'l2']"` or `"MixWeight"`.
        default, help, **options: as in `Setting`.

    Returns:
        `Setting`, or None for an annotation that no text can give, such as
        `"Attack"`.
    """
    kind = annotation.replace("typing.", "").removesuffix("| None").strip()
    many = kind.startswith("tuple[")
    if many:
        kind = kind.removeprefix("tuple[").removesuffix("]")
        kind = kind.removesuffix("...").strip().removesuffix(",").strip()
    choices = ()
    if kind.startswith("Literal["):
        listed = ast.literal_eval(kind.removeprefix("Literal"))
        kind, choices = type(listed[0]).__name__, tuple(listed)
    kind = {"MixWeight": "mix_weight"}.get(kind, kind)
    if kind not in _PARSERS:
        return None
    if many and isinstance(default, list):
        default = tuple(default)
    return Setting(
        name, kind, default, help, many=many, choices=choices, **options
    )
