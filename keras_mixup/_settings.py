"""The settings of one run: declared, checked, readable and writable."""

import dataclasses
import difflib
from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from keras_mixup import _checks
from keras_mixup import _types
from keras_mixup._setting import ANY
from keras_mixup._setting import Setting
from keras_mixup._setting import from_annotation

_S = TypeVar("_S", bound="Settings")


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


def complete(base: type[_S], owned: Iterable[Setting] = ()) -> type[_S]:
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

    declared: dict[str, Setting] = {}
    given: frozenset[str]
    if TYPE_CHECKING:
        # What registered things take; no checker can know it.
        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, **values: Any) -> None:
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
    def idle(cls, values: Mapping[str, Any]) -> list[str]:
        """Returns the names in `values` that have no effect, a list.

        Args:
            values: dict name -> value, as for the constructor.
        """
        made = object.__new__(cls)
        made._fill(values)
        return [name for name in sorted(made.given) if not made.in_effect(name)]

    @classmethod
    def choosers(cls) -> set[str]:
        """Returns the names of the settings that own others, a set."""
        return {o for s in cls.declared.values() for o, _ in s.owners}

    def check(self) -> None:
        """Raises `ValueError` for settings that do not go together."""
        for name in sorted(self.given):
            if not self.in_effect(name):
                raise ValueError(self._without_effect(name))

    def value(self, name: str) -> Any:
        """Returns what counts as the setting's value for those it owns."""
        return getattr(self, name)

    def in_effect(self, name: str) -> bool:
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

    def replace(self: _S, **changes: Any) -> _S:
        """Returns the same settings with some changed; None takes back."""
        given = {name: getattr(self, name) for name in self.given}
        return type(self)(**{**given, **changes})

    def as_dict(self) -> _types.Json:
        """Returns dict name -> JSON value of all settings, for config.json."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name in self.declared
            for value in [getattr(self, name)]
        }

    @classmethod
    def from_dict(cls: type[_S], values: Mapping[str, Any]) -> _S:
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

    def to_flags(self) -> str:
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
