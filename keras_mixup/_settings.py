"""One setting: its name, type, default, help, owner and check, once.

Flags, config.json, `--help`, tables of the docs and error messages are made
from `Setting`s. Nothing here imports TensorFlow.
"""

import ast
import dataclasses
import difflib

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


def field(default, help, minimum=None, owners=(), unset=""):
    """Returns a dataclass field that declares a `Setting`.

    Args:
        default, help, minimum, owners, unset: as in `Setting`.
    """
    metadata = {
        **{"help": help, "minimum": minimum},
        **{"owners": owners, "unset": unset},
    }
    return dataclasses.field(default=default, metadata=metadata)


def own_settings(base):
    """Returns dict name -> `Setting` of what the body of a class declares."""
    annotations = base.__dict__.get("__annotations__", {})
    return {
        name: own
        if isinstance(own, Setting)
        else from_annotation(
            name, annotations[name], own.default, **own.metadata
        )
        for name, own in vars(base).items()
        if isinstance(own, (Setting, dataclasses.Field))
    }


def complete(base, owned=()):
    """Returns `base` as a frozen dataclass with more fields.

    Args:
        base: subclass of `Settings` whose attributes are annotated `field`s,
            or `Setting`s that are declared elsewhere.
        owned: iterable of `Setting`, what registered things take. Of one that
            `base` has too, `base` chooses the default and the owners.

    Raises:
        TypeError: `base` declares again what is in `owned`.
    """
    declared = own_settings(base)
    for setting in owned:
        mine = declared.setdefault(setting.name, setting)
        if mine.meaning != setting.meaning:
            raise TypeError(f"Two declarations: {mine} and {setting}.")
    fields = [
        (s.name, s.kind, dataclasses.field(default=s.default))
        for s in declared.values()
    ]
    made = dataclasses.make_dataclass(
        base.__name__.lstrip("_"),
        fields,
        bases=(base,),
        frozen=True,
        init=False,
        repr=False,
        namespace={"__doc__": base.__doc__, "declared": declared},
    )
    made.__module__ = base.__module__
    return made


class Settings:
    """What one run is told: frozen, checked, readable and writable.

    Made with keyword arguments; what is not given has its default. A text is
    read as on the command line, so that `eps="8/255"` and
    `drops="100,150"` will do.

    Attributes:
        declared: dict name -> `Setting`, of the class.
        given: frozenset of str, the names that were given.

    Raises:
        ValueError: an unknown name (with the nearest one), a value that its
            setting does not take, or a setting without effect.
    """

    declared: dict = {}

    def __init__(self, **values):
        self._fill(values)
        self.check()

    def _fill(self, values):
        for name in values:
            self._check_name(name)
        for name, setting in self.declared.items():
            value = setting.default
            if values.get(name) is not None:
                value = setting.parse(values[name])
            object.__setattr__(self, name, value)
        given = (n for n, v in values.items() if v is not None)
        object.__setattr__(self, "given", frozenset(given))

    @classmethod
    def idle(cls, values):
        """Returns the names in `values` that have no effect, a list.

        Args:
            values: dict name -> value, as for the constructor.
        """
        made = object.__new__(cls)
        made._fill(values)
        return [name for name in sorted(made.given) if not made.in_effect(name)]

    @classmethod
    def choosers(cls):
        """Returns the names of the settings that own others, a set."""
        return {o for s in cls.declared.values() for o, _ in s.owners}

    def check(self):
        """Raises `ValueError` for settings that do not go together."""
        for name in sorted(self.given):
            if not self.in_effect(name):
                raise ValueError(self._without_effect(name))

    def value(self, name):
        """Returns what counts as the setting's value for those it owns."""
        return getattr(self, name)

    def in_effect(self, name):
        """Whether the setting `name` changes anything beside the others."""
        owners = self.declared[name].owners
        return not owners or any(
            self.in_effect(owner) and _chosen(self.value(owner), values)
            for owner, values in owners
        )

    def _without_effect(self, name):
        setting = self.declared[name]
        beside = ", ".join(
            f"{owner}={_shown(self.value(owner))}"
            for owner, _ in setting.owners
        )
        return (
            f"`{name}` has no effect with {beside}. It belongs to "
            f"{setting.owners_text}. Received: {name}="
            f"{_shown(getattr(self, name))}"
        )

    def _check_name(self, name):
        near = difflib.get_close_matches(name, self.declared, n=1, cutoff=0.6)
        hint = f'Did you mean "{near[0]}"?' if near else ""
        expected = f"a setting of {type(self).__name__}"
        _checks.check(name in self.declared, "name", expected, name, hint)

    def __repr__(self):
        shown = (
            f"{name}={getattr(self, name)!r}"
            for name, setting in self.declared.items()
            if getattr(self, name) != setting.default
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def replace(self, **changes):
        """Returns the same settings with some changed; None takes back."""
        given = {name: getattr(self, name) for name in self.given}
        return type(self)(**{**given, **changes})

    def as_dict(self):
        """Returns dict name -> JSON value of all settings, for config.json."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name in self.declared
            for value in [getattr(self, name)]
        }

    @classmethod
    def from_dict(cls, values):
        """Returns the settings that `as_dict` wrote.

        Args:
            values: dict; names that are not declared are left out, which
                config.json of an earlier release may hold.
        """
        given = {}
        for name, value in values.items():
            setting = cls.declared.get(name)
            if setting is None or value is None:
                continue
            value = setting.parse(value)
            if value != setting.default:
                given[name] = value
        return cls(**given)

    def to_flags(self):
        """Returns the text of a flag file with every setting given."""
        lines = [
            f"--{name}={self.declared[name].text(getattr(self, name))}"
            for name in self.declared
            if name in self.given
        ]
        return "\n".join(lines) + "\n"


def _chosen(value, wanted):
    if wanted is ANY:
        return value not in (None, False, (), "", 0)
    if isinstance(value, tuple):
        return any(item in wanted for item in value)
    return value in wanted


def _shown(value):
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
