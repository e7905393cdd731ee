"""Names -> attacks, algorithms, defences, models and studies.

A class or function registers itself where it stands:

    @registry.register("attack", "pgd", label="PGD")
    class PGD(base.GradientAttack): ...

Names and settings are read from the source text, so that a command line can
list, suggest and refuse before TensorFlow is imported. A setting is an
argument of the constructor whose type a text can give, see
`_setting.from_annotation`: its default is the argument's, its help is what the
docstring's `Args:` says of it, its minimum is n if that begins with "int >= n"
or "float >= n". `package.module:Name` stands for anything of that kind that
was not registered, and an installed package adds names through the entry points
`keras_mixup.<kind>`.
"""

import ast
import functools
import importlib.metadata
import inspect
import typing
import warnings
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from keras_mixup import _checks
from keras_mixup import _own_modules
from keras_mixup import _plug_ins
from keras_mixup import _setting
from keras_mixup import _sources

# What the command line and the docs call a kind -> the package it lives in.
PACKAGES = {
    "model": "models",
    "algorithm": "training",
    "attack": "attacks",
    "defence": "inference",
    "study": "studies",
}
_T = typing.TypeVar("_T", bound=typing.Callable[..., typing.Any])
# (kind, name) of an entry point -> why it is left out.
_LEFT_OUT: dict = {}


class Entry(typing.NamedTuple):
    """One registered name.

    Attributes:
        kind: str, a key of `PACKAGES`.
        name: str, the name on the command line.
        path: str, `module:Name` of the class or function.
        label: str, the name in tables.
        flags: dict argument -> setting's name, where programs that choose
            several objects at once call it otherwise.
        fixed: dict, arguments that this name stands for.
        arguments: tuple of str, all arguments of the constructor.
        required: tuple of str, those without a default.
        bases: tuple of str, the names of its base classes, near and far.
        settings: tuple of `Setting`, those that a text can give.
        constants: dict, the class attributes that are written as literals.
    """

    kind: str
    name: str
    path: str
    label: str
    flags: dict
    fixed: dict
    arguments: tuple
    required: tuple
    bases: tuple
    settings: tuple
    constants: dict


def register(
    kind: str,
    name: str,
    *,
    label: str | None = None,
    flags: Mapping[str, str] | None = None,
    **fixed: typing.Any,
) -> Callable[[_T], _T]:
    """Returns a decorator that gives a class or function its name.

    Classes that have `get_config` become serialisable by Keras, too. One
    class may have several names that fix some of its arguments.

    Args:
        kind: a key of `PACKAGES`.
        name: str, the name on the command line, such as "pgd".
        label: str, the name in tables; default: `name`.
        flags: dict argument -> name of its setting in a program that chooses
            several objects of the kind. What is not listed keeps its default
            there. Without `flags`, a name has those of the same class's
            other name, apart from the arguments that it fixes.
        **fixed: arguments that the name stands for.
    """
    _checks.check_choice(kind, "kind", tuple(PACKAGES))

    def registered(target):
        if not fixed:
            target.registered_name, target.label = name, label or name
        if inspect.isclass(target) and hasattr(target, "get_config"):
            import keras

            package = target.__module__.partition(".")[0]
            keras.saving.register_keras_serializable(package)(target)
        return target

    del flags  # Read from the source text.
    return registered


def names(kind: str) -> tuple[str, ...]:
    """Returns the registered names of a kind, a tuple of str."""
    return tuple(_entries(kind))


def entry(kind: str, name: str) -> Entry:
    """Returns the `Entry` of a name or of `package.module:Name`.

    Raises:
        ValueError: for an unknown name; the text lists the known ones and
            the nearest.
    """
    check_name(kind, name)
    if ":" in name:
        return _foreign(kind, name)
    return _entries(kind)[name]


def check_name(kind: str, name: str, known: Sequence[str] | None = None) -> str:
    """Returns `name` if it is one of `kind`; imports nothing.

    Args:
        kind, name: as for `entry`.
        known: tuple of str, the names to choose from; default: all.

    Raises:
        ValueError: for an unknown name; the text lists the known ones and
            the nearest. For an entry point that was left out; the text says
            why.
    """
    if isinstance(name, str) and ":" in name:
        return name
    known = names(kind) if known is None else known
    if name not in known and (kind, name) in _LEFT_OUT:
        raise ValueError(_LEFT_OUT[kind, name])
    return _checks.check_known(name, kind, known)


def find(kind: str, name: str) -> typing.Any:
    """Returns the class or function called `name`; imports it.

    Raises:
        ValueError: as `entry`; or the module has no such name.
        ImportError: the module does not import; the text has its own error.
    """
    return _own_modules.find(entry(kind, name).path, kind)


def build(
    kind: str, name: str, *arguments: typing.Any, **options: typing.Any
) -> typing.Any:
    """Returns the object called `name`.

    Args:
        kind: a key of `PACKAGES`.
        name: str.
        *arguments: positional arguments of the constructor.
        **options: its other arguments. One that is None was not given: the
            constructor's default holds.

    Raises:
        ValueError: unknown name, or an option that is not taken; the text
            lists those that are. A class of the user's own fails; the text
            has its own error.
    """
    described = entry(kind, name)
    given = {key: value for key, value in options.items() if value is not None}
    taken = [a for a in described.arguments if a not in described.fixed]
    listed = ", ".join(taken[len(arguments) :])
    ours = described.path.startswith("keras_mixup.")
    for key in given:
        if ours:
            expected = f"one of {listed} for {name}"
            _checks.check(key in taken, "option", expected, key)
        received = f"{name}, which takes {listed or 'no more'}"
        _checks.check(key in taken, kind, f"one that takes {key}", received)
    found, given = find(kind, name), {**described.fixed, **given}
    if ours:
        return found(*arguments, **given)
    return _own_modules.call(found, kind, described.path, *arguments, **given)


def setting(kind: str, name: str, argument: str) -> _setting.Setting:
    """Returns the `Setting` of an argument of `name`."""
    return {s.name: s for s in entry(kind, name).settings}[argument]


def accepts(kind: str, name: str, argument: str) -> bool:
    """Whether the constructor of `name` takes `argument`."""
    return argument in entry(kind, name).arguments


def taking(kind: str, argument: str) -> tuple[str, ...]:
    """Returns the names whose constructor takes `argument`, a tuple of str."""
    return tuple(n for n in names(kind) if accepts(kind, n, argument))


@functools.cache
def _entries(kind):
    """Returns dict name -> `Entry`, ours and those of installed packages."""
    found = {}
    package = _sources.source("keras_mixup").members.get(PACKAGES[kind])
    if package is not None:
        for target in _sources.members(package):
            found.update(_registrations(kind, target))
    for point in importlib.metadata.entry_points(group=f"keras_mixup.{kind}"):
        try:
            theirs = _foreign(kind, point.value, point.name)
            _plug_ins.check(theirs, found)
        except Exception as error:  # Whatever is wrong with it, ours go on.
            owner = point.dist.name if point.dist else "an unknown package"
            text = f"The {kind} {point.name!r} of {owner} is left out. {error}"
            _LEFT_OUT[kind, point.name] = text
            warnings.warn(text, stacklevel=2)
        else:
            found[point.name] = theirs
    return dict(sorted(found.items(), key=lambda item: item[1].path))


def _registrations(kind, target):
    """Yields (name, `Entry`) of each `register` above a class or function."""
    found, flags = [], None
    for decorator in target.decorators:
        call = ast.parse(str(decorator.value), mode="eval").body
        if not isinstance(call, ast.Call) or "register" not in (
            getattr(call.func, "attr", None),
            getattr(call.func, "id", None),
        ):
            continue
        own, name = (ast.literal_eval(a) for a in call.args)
        options = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
        if own == kind:
            found.append((name, options))
            flags = options.get("flags") or flags
    for name, options in found:
        yield name, _entry(kind, name, target, **{"flags": flags, **options})


def _entry(kind, name, target, label=None, flags=None, **fixed):
    classes = [target, *target.mro()] if target.is_class else [target]
    constructor, help_texts = _sources.constructor(classes)
    parameters = [
        p
        for p in constructor.parameters
        if p.name != "self" and not p.kind.value.startswith("variadic")
    ]
    settings = []
    for parameter in parameters:
        if parameter.annotation is None or parameter.name in fixed:
            continue
        setting = _setting.from_annotation(
            parameter.name,
            str(parameter.annotation),
            _sources.value(parameter.default),
            help_texts.get(parameter.name, ""),
            minimum=_sources.minimum(help_texts.get(parameter.name, "")),
        )
        if setting is not None:
            settings.append(setting)
    return Entry(
        kind,
        name,
        f"{target.module.path}:{target.name}",
        label or name,
        {a: flag for a, flag in (flags or {}).items() if a not in fixed},
        fixed,
        tuple(p.name for p in parameters),
        tuple(p.name for p in parameters if p.default is None),
        tuple(base.name for base in classes[1:]),
        tuple(settings),
        _sources.constants(classes),
    )


def _target(kind, path):
    """Returns griffe's object of `package.module:Name`; imports nothing."""
    import griffe

    module, _, attribute = path.partition(":")
    package, _, rest = module.partition(".")
    try:
        found = _sources.source(package)
        found = found[rest] if rest else found
        if attribute not in found.members:
            _own_modules.unknown(kind, path, found.members)
        target = found.members[attribute]
        target = target.final_target if target.is_alias else target
    except (ImportError, KeyError, griffe.GriffeError) as error:
        hint = f"It cannot be read: {type(error).__name__}: {error}"
        expected = f"a registered name or {_own_modules.FORM}"
        _checks.check(False, kind, expected, path, hint=hint)
    expected = "the path of a class or a function, made by class or def"
    _checks.check(target.is_class or target.is_function, kind, expected, path)
    return target


def _foreign(kind, path, name=None):
    """Returns the `Entry` of `package.module:Name`, read from its source."""
    _sources.source("keras_mixup")  # Where its base classes are.
    expected = f"a registered name or {_own_modules.FORM}"
    _checks.check(_own_modules.is_path(path), kind, expected, path)
    target = _target(kind, path)
    for own, found in _registrations(kind, target):
        return found._replace(name=name or own)
    return _entry(kind, name or path, target)
