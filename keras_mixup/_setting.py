"""One setting: its name, type, default, help, owner and check, once.

Flags, config.json, `--help`, tables of the docs and error messages are made
from `Setting`s. Nothing here imports TensorFlow.
"""

import ast
import dataclasses

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
        unset: str, what holds if the default is None, for `--help`.
        several: bool, whether a tuple of numbers may stand for one of them:
            "0.1,0.2", or "0.1:0.5:5" for five from 0.1 to 0.5, evenly spaced.
    """

    name: str
    kind: str
    default: object = None
    help: str = ""
    many: bool = False
    choices: tuple = ()
    minimum: float | None = None
    owners: tuple = ()
    unset: str = ""
    several: bool = False

    def but(self, default=None, owners=(), unset="", several=False):
        """Returns the same setting as another kind of run declares it."""
        return dataclasses.replace(
            self,
            default=default,
            owners=owners,
            unset=unset,
            several=several,
        )

    @property
    def meaning(self):
        """tuple: what is the same in every kind of run, such as its type."""
        return (
            *(self.name, self.kind, self.many),
            *(self.choices, self.minimum, self.help),
        )

    def parse(self, value):
        """Returns `value`, or what a text of the command line means.

        Raises:
            ValueError: names the setting, what it takes and what came.
        """
        if value is None:
            return None
        if self.several:
            return self._one_or_several(value)
        if not self.many:
            return self._one(value)
        if isinstance(value, str):
            parts = (part.strip() for part in value.split(","))
            value = [part for part in parts if part]
        okay = isinstance(value, (list, tuple))
        _checks.check(okay, self.name, "a list", value)
        return tuple(self._one(item) for item in value)

    @property
    def default_text(self):
        """str: what holds where nothing is given."""
        if self.default in (None, (), ""):
            return self.unset or "none"
        return self.text(self.default)

    @property
    def owners_text(self):
        """str: the settings beside which it has an effect."""
        return "; ".join(
            owner if values is ANY else f"{owner}={'|'.join(map(str, values))}"
            for owner, values in self.owners
        )

    def text(self, value):
        """Returns what `parse` reads as `value`, a str."""
        listed = self.many or (self.several and isinstance(value, tuple))
        if listed:
            return ",".join(self._text(item) for item in value)
        return self._text(value)

    def _text(self, value):
        if isinstance(value, (list, tuple)):
            return ":".join(str(part) for part in value)
        if isinstance(value, bool):
            return str(value).lower()
        return str(value)

    def _one_or_several(self, value):
        parts = value
        if isinstance(value, str):
            parts = (
                _checks.parse_range(value, self.name) if ":" in value else None
            )
            parts = parts or [v.strip() for v in value.split(",") if v.strip()]
        if not isinstance(parts, (list, tuple)):
            return self._one(value)
        found = tuple(self._one(part) for part in parts)
        _checks.check(found, self.name, "a number or several", value)
        return found if len(found) > 1 else found[0]

    def _one(self, value):
        value = _PARSERS[self.kind](value, self.name)
        is_nan = isinstance(value, float) and value != value
        _checks.check(not is_nan, self.name, "a number", value)
        if self.choices:
            _checks.check_choice(value, self.name, self.choices)
        if self.minimum is not None:
            okay = value >= self.minimum
            expected = f"{self.minimum} or more"
            _checks.check(okay, self.name, expected, value)
        return value


_PARSERS = {
    "int": _checks.parse_integer,
    "float": _checks.parse_number,
    "bool": _checks.parse_flag,
    "str": _checks.check_text,
    "mix_weight": _checks.parse_mix_weight,
}


def from_annotation(name, annotation, default=None, help="", **options):
    """Returns the `Setting` of an annotated argument or field.

    Args:
        name: str.
        annotation: str, such as `"float | None"`, `"tuple[int, ...]"`,
            `"Literal['linf', 'l2']"` or `"MixWeight"`. Of several types the
            first one is what a text means: `"str | LossFn"`.
        default, help, **options: as in `Setting`.

    Returns:
        `Setting`, or None for an annotation that no text can give, such as
        `"Attack"`, or shall not give, such as `"PythonOnly[int]"`.
    """
    kind = annotation.replace("typing.", "").partition(" | ")[0].strip()
    many = kind.startswith("tuple[")
    if many:
        kind = kind.removeprefix("tuple[").removesuffix("]")
        kind = kind.removesuffix("...").strip().removesuffix(",").strip()
    choices = ()
    if kind.startswith("Literal["):
        listed = ast.literal_eval(kind.removeprefix("Literal"))
        kind, choices = type(listed[0]).__name__, tuple(listed)
    kind = "mix_weight" if kind.endswith("MixWeight") else kind
    if kind not in _PARSERS:
        return None
    if many and isinstance(default, list):
        default = tuple(default)
    return Setting(
        name, kind, default, help, many=many, choices=choices, **options
    )


def also_owned(setting, owner):
    """Returns `setting` with one more pair (setting, values) that owns it."""
    return dataclasses.replace(setting, owners=(*setting.owners, owner))
