"""absl flags made from settings, and settings from a command line."""

import difflib
import pathlib

from absl import flags as absl_flags

from keras_mixup import _checks
from keras_mixup import _own_modules
from keras_mixup._setting import Setting

_HERE = pathlib.Path(__file__).parent.parent
FLAGFILES = _HERE / "flagfiles"
# Where flag files lay up to release 0.1.
_FORMER = "apps/flagfiles/"
# The flags of every command.
_IMPORT = Setting(
    "import",
    "str",
    (),
    "Modules to import first, from the working directory or Python's path: "
    "those whose classes a .keras file needs.",
    many=True,
)
_COMMON = (
    _IMPORT,
    Setting("help", "bool", False, "Print this help and stop."),
    Setting("debug", "bool", False, "Show the traceback of an error."),
)


class _Parser(absl_flags.ArgumentParser):
    """Reads what a `Setting` reads."""

    def __init__(self, setting):
        self.setting = setting
        self.syntactic_help = ""

    def parse(self, argument):
        return self.setting.parse(argument)

    def flag_type(self):
        if self.setting.several:
            return f"{self.setting.kind} or list"
        return "list" if self.setting.many else self.setting.kind


class Flags:
    """The flags of one command, apart from those of all other modules.

    With a set of its own instead of absl's global one, a process can run two
    commands, and Keras' flags are left out.

    Args:
        settings: dict name -> `Setting` of the run.
        own: list of `Setting` of the command itself.
        usage: str, the text that `--help` prints above the flags.
        others: str, what arguments are that are no flags; None refuses them.

    Attributes:
        others: tuple of str, the arguments that are no flags.
    """

    def __init__(self, settings, own, usage, others=None):
        self.usage, self.others = usage, ()
        self._wanted = others
        self._settings = settings
        every = (*settings.values(), *own, *_COMMON)
        self._all = {s.name: s for s in every}
        self._values = absl_flags.FlagValues()
        self._typed = frozenset()
        for setting in self._all.values():
            _define(setting, self._values)

    def __getattr__(self, name):
        if name not in self._all:
            raise AttributeError(f"There is no flag {name!r}.")
        flag = self._values[name]
        return flag.value if flag.present else self._all[name].default

    def parse(self, argv):
        """Reads `argv`, the program's name first; returns the flags.

        Raises:
            absl.flags.Error: for an unknown flag.
            ValueError: for a bad value, and for an argument that is no flag.
            FileNotFoundError: for an unknown flag file.
        """
        self._values.unparse_flags()
        argv = [argv[0], *_with_flag_files(argv[1:])]
        self._typed = self._names(argv[1:])
        try:
            rest = self._values(argv)[1:]
        except absl_flags.IllegalFlagValueError as error:
            # absl puts the flag in front of the text, which names it already.
            raise error.__context__ from None
        if self._wanted is not None:
            _checks.check(rest or self.help, "arguments", self._wanted, rest)
            self.others = tuple(rest)
        elif rest:
            raise ValueError(
                f"Arguments are flags, --name=value. Received: {rest[0]!r}"
            )
        return self

    def import_modules(self):
        """Imports what --import names, so that Keras knows its classes.

        Raises:
            ImportError: a module does not import; the text has its own error.
        """
        for module in getattr(self, _IMPORT.name):
            _own_modules.import_module(module, _IMPORT.name)

    def settings(self, kind):
        """Returns the settings that the command line gives.

        If the command line chooses another object than a flag file, settings of
        the flag file without effect are dropped. All others are refused.
        """
        given = {
            name: self._values[name].value
            for name in self._settings
            if self._values[name].present
        }
        if self._typed & kind.choosers():
            for name in kind.idle(given):
                if name not in self._typed:
                    given.pop(name)
        return kind(**given)

    def check_read(self, mode, names):
        """Refuses the given flags that a mode of the command does not read.

        Args:
            mode: str, the flag that chooses the mode.
            names: tuple of str, the flags that it reads.

        Raises:
            ValueError: another flag is there; the text names it.
        """
        read = {mode, *names, *(setting.name for setting in _COMMON)}
        for name in self._all:
            flag = self._values[name]
            allowed = name in read or not flag.present
            expected = f"left out beside --{mode}, which does not read it"
            _checks.check(allowed, name, expected, flag.value)

    def _names(self, arguments):
        """The flags on the command line itself, apart from flag files."""
        names = set()
        for argument in arguments:
            name = argument.lstrip("-").partition("=")[0]
            if name not in self._values and name.startswith("no"):
                name = name[2:]
            names.add(name)
        return frozenset(names)

    def help_text(self):
        """Returns the usage text and every flag."""
        flagfile = (
            "  --flagfile=PATH\n      Read flags from a file: a path, or the "
            "name of one that comes with the package, such as digits/mixup."
        )
        listed = {"flagfile": flagfile}
        for name, setting in self._all.items():
            listed[name] = _help(name, setting)
        shown = "\n".join(listed[name] for name in sorted(listed))
        return f"{self.usage.strip()}\n\nFlags:\n{shown}\n"


def _define(setting, values):
    flag = absl_flags.Flag(
        *(_Parser(setting), None, setting.name, None, setting.help),
        boolean=setting.kind == "bool",
    )
    absl_flags.DEFINE_flag(flag, flag_values=values)


def _help(name, setting):
    parts = [setting.help]
    if setting.several:
        parts.append("Several by commas, or as first:last:count.")
    if setting.choices:
        parts.append(f"One of {', '.join(map(str, setting.choices))}.")
    if setting.owners:
        parts.append(f"With {setting.owners_text}.")
    parts.append(f"Default: {setting.default_text}.")
    return f"  --{name}\n      {' '.join(parts)}"


def flag_file(name):
    """Returns the path of a flag file.

    `name` is a path, or the name of a file of the package, with or without
    ".flags".

    Raises:
        FileNotFoundError: there is none; the text names the nearest.
    """
    path = pathlib.Path(name)
    if path.is_file():
        return path
    short = name.removeprefix("./").removeprefix(_FORMER)
    short = short.removesuffix(".flags")
    own = FLAGFILES / f"{short}.flags"
    if own.is_file():
        return own
    found = sorted(FLAGFILES.rglob("*.flags"))
    known = [str(f.relative_to(FLAGFILES).with_suffix("")) for f in found]
    near = difflib.get_close_matches(short, known, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise FileNotFoundError(
        f"There is no flag file {name}, and none of that name comes with the "
        f"package.{hint}"
    )


def _with_flag_files(arguments):
    """Returns the arguments with every flag file's name as a path."""
    found, following = [], False
    for argument in arguments:
        name, separator, value = argument.lstrip("-").partition("=")
        if following:
            found.append(f"--flagfile={flag_file(argument)}")
            following = False
        elif argument.startswith("-") and name == "flagfile":
            following = not separator
            if separator:
                found.append(f"--flagfile={flag_file(value)}")
        else:
            found.append(argument)
    if following:
        raise ValueError("--flagfile needs the path or name of a flag file.")
    return found
