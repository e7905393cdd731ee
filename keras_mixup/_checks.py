"""Argument checks with one error form: name, what was expected, what came."""

import contextlib
import difflib
import numbers
import os
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any


@contextlib.contextmanager
def called(names: Mapping[str, str]) -> Iterator[None]:
    """Within it, errors have the names that a user knows arguments by.

    Args:
        names: dict argument -> name, such as that of a setting.

    Raises:
        ValueError: as the block does, of the other name.
    """
    try:
        yield
    except ValueError as error:
        # Keras makes an error anew, without parts, when it leaves a layer.
        parts = getattr(error, "parts", None)
        if parts is None:
            raise
        name, *rest = parts
        raise _made(names.get(name, name), *rest) from error


def first_error(error):
    """Returns the error of a check that Keras or AutoGraph has made anew.

    Both wrap an error that leaves a layer or a trace in pages of their own.
    Any other error comes back as it is.
    """
    found = error
    while found is not None:
        if getattr(found, "parts", None) is not None:
            return found
        found = found.__cause__ or found.__context__
    return error


def _made(*parts):
    name, expected, received, hint = parts
    text = f"`{name}` must be {expected}. Received: {name}={received!r}"
    # No class of its own: a trace makes errors of other classes anew.
    error = ValueError(f"{text}. {hint}" if hint else text)
    error.parts = parts
    return error


def check(
    condition: object,
    name: str,
    expected: str,
    received: object,
    hint: str = "",
) -> None:
    """Raises `ValueError` naming the argument unless `condition` holds.

    Args:
        condition: bool.
        name: str, the argument's name.
        expected: str, completes "`name` must be ...".
        received: the value that came, shown with `repr`.
        hint: str, one more sentence on the remedy.

    Raises:
        ValueError: when `condition` is false; its `parts` are the last four
            arguments.
    """
    if not condition:
        raise _made(name, expected, received, hint)


def parse_number(value: Any, name: str = "value") -> float:
    """Returns `value` as a float; `"8/255"` is read as a fraction.

    Args:
        value: a real number, or a str holding a number or `"p/q"`.
        name: str, the argument's name in the error.

    Raises:
        ValueError: for anything else.
    """
    real = isinstance(value, numbers.Real)
    if real and not isinstance(value, bool):
        return float(value)
    try:
        numerator, _, denominator = value.partition("/")
        return float(numerator) / float(denominator or "1")
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        expected = 'a number or a fraction such as "8/255"'
        raise _made(name, expected, value, "") from None


def parse_range(text: str, name: str = "value") -> list[float]:
    """Returns the numbers that "first:last:count" stands for, a list of float.

    Args:
        text: str, such as `"0.1:0.5:5"`, five evenly spaced numbers.
        name: str, the argument's name in the error.

    Raises:
        ValueError: for another form, or a count below 2.
    """
    parts = text.split(":")
    expected = "numbers, or first:last:count with a count of 2 or more"
    check(len(parts) == 3, name, expected, text)
    first, last = (parse_number(part, name) for part in parts[:2])
    count = parse_integer(parts[2], name)
    check(count >= 2, name, expected, text)
    step = (last - first) / (count - 1)
    # Without the digits of rounding, which names and tables would show.
    return [round(first + step * place, 12) for place in range(count)]


def check_number(
    value: Any,
    name: str,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
) -> float:
    """Returns `value` as a float within [low, high], or (low, high].

    Raises:
        ValueError: when it is no number, not finite, or out of the range.
    """
    number = parse_number(value, name)
    above = low is None or (number > low if low_open else number >= low)
    below = high is None or number <= high
    finite = number - number == 0.0
    left = "(-inf" if low is None else f"{'(' if low_open else '['}{low:g}"
    right = "inf)" if high is None else f"{high:g}]"
    expected = f"a number in {left}, {right}"
    check(above and below and finite, name, expected, value)
    return number


# What pixels may stand outside their range by rounding, per unit of it.
ROUNDING = 1e-5


def check_within(
    values: Any,
    name: str,
    expected: str,
    low: float = 0.0,
    high: float = 1.0,
    hint: str = "",
) -> None:
    """Raises unless all values are finite and, but for rounding, in range.

    Args:
        values: array with `min` and `max`, not empty; both pass NaN on.
        name: str, the argument's name in the error.
        expected: str, completes "`name` must be ...".
        low, high: floats, the allowed range.
        hint: str, one more sentence on the remedy.

    Raises:
        ValueError: showing the values' range, or that some are no numbers.
    """
    lowest, highest = float(values.min()), float(values.max())
    spread = highest - lowest
    slack = ROUNDING * (high - low)
    inside = lowest >= low - slack and highest <= high + slack
    # Enough digits to tell them from the ends of the range.
    received = f"values in [{lowest:.8g}, {highest:.8g}]"
    if spread - spread != 0.0:
        check(False, name, expected, "NaN or infinity", hint)
    check(inside, name, expected, received, hint)


# The largest number that a loop inside TensorFlow counts to.
LARGEST = 2**31 - 1


def check_integer(
    value: Any, name: str, minimum: int = 1, maximum: int | None = LARGEST
) -> int:
    """Returns `value` as an int of at least `minimum`.

    Raises:
        ValueError: when it is no integer, smaller than `minimum`, or larger
            than `maximum`, unless that is None.
    """
    integral = isinstance(value, numbers.Integral)
    okay = integral and not isinstance(value, bool) and value >= minimum
    check(okay, name, f"an integer >= {minimum}", value)
    okay = maximum is None or value <= maximum
    check(okay, name, f"an integer <= {maximum}", value)
    return int(value)


def check_seed(value: Any, name: str = "seed") -> int:
    """Returns `value` as an int >= 0 of any size.

    Raises:
        ValueError: for anything else.
    """
    return check_integer(value, name, 0, maximum=None)


def check_path(value: Any, name: str) -> Any:
    """Returns `value`, the path of a file or a folder.

    Raises:
        ValueError: when it is no str or path, or empty.
    """
    okay = isinstance(value, (str, os.PathLike)) and str(value) != ""
    check(okay, name, "a path", value)
    return value


def check_instance(value: Any, name: str, kind: Any, expected: str) -> Any:
    """Returns `value` if it is a `kind`.

    Args:
        value: any object.
        name: str, the argument's name in the error.
        kind: a class, or a tuple of classes.
        expected: str, completes "`name` must be ...".

    Raises:
        ValueError: otherwise.
    """
    check(isinstance(value, kind), name, expected, value)
    return value


def check_callable(value: Any, name: str) -> Any:
    """Returns `value`, a callable or None.

    Raises:
        ValueError: for anything else.
    """
    okay = value is None or callable(value)
    return value if okay else check(okay, name, "a callable or None", value)


def check_image_shape(
    shape: Any, name: str = "input_shape"
) -> tuple[int, int, int]:
    """Returns `shape` as a tuple (height, width, channels).

    Raises:
        ValueError: unless it has three positive integers.
    """
    sizes = isinstance(shape, (tuple, list)) and len(shape) == 3
    okay = sizes and all(isinstance(n, int) and 0 < n <= LARGEST for n in shape)
    expected = "three positive integers (height, width, channels)"
    check(okay, name, expected, shape)
    return tuple(shape)


def check_seeds(seeds: Any, name: str, minimum: int = 1) -> list[int]:
    """Returns `seeds` as a list of at least `minimum` different ints.

    Raises:
        ValueError: for fewer, repeated or negative ones.
    """
    check_instance(seeds, name, Sequence, "a sequence of integers")
    seeds = [check_seed(seed, name) for seed in seeds]
    unique = len(set(seeds)) == len(seeds) >= minimum
    least = f"{minimum} or more " if minimum > 1 else ""
    check(unique, name, f"{least}different integers", tuple(seeds))
    return seeds


def check_choice(value: Any, name: str, choices: Sequence[Any]) -> Any:
    """Returns `value` if it is one of `choices`.

    Raises:
        ValueError: otherwise; the text lists the choices.
    """
    listed = ", ".join(repr(choice) for choice in choices)
    try:
        # True equals 1, but is no number.
        okay = value in tuple(choices) and not isinstance(value, bool)
    except (TypeError, ValueError):  # of an array, say
        okay = False
    check(okay, name, f"one of {listed}", value)
    return value


def check_flag(value: Any, name: str) -> bool:
    """Returns `value` if it is a bool.

    Raises:
        ValueError: otherwise.
    """
    check(isinstance(value, bool), name, "True or False", value)
    return value


def parse_integer(value: Any, name: str) -> int:
    """Returns `value`, or what a text means, as an int.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            check(False, name, "a whole number", value)
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    check(whole, name, "a whole number", value)
    return int(value)


def parse_flag(value: Any, name: str) -> bool:
    """Returns `value`, or what `true`, `false`, `1` or `0` means, as a bool.

    Raises:
        ValueError: for anything else.
    """
    words = {"true": True, "1": True, "false": False, "0": False}
    value = words.get(value.lower(), value) if isinstance(value, str) else value
    return check_flag(value, name)


def check_text(value: Any, name: str) -> str:
    """Returns `value` if it is a str.

    Raises:
        ValueError: otherwise.
    """
    check(isinstance(value, str), name, "a text", value)
    return value


def check_known(name: Any, kind: str, known: Sequence[str]) -> str:
    """Returns `name` if it is one of `known`.

    Raises:
        ValueError: otherwise; the text names the nearest and lists all.
    """
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f'Did you mean "{near[0]}"?' if near else ""
    expected = f"one of {', '.join(known)}"
    check(name in known, kind, expected, name, hint=hint)
    return name


def parse_mix_weight(value: Any, name: str = "mix_weight") -> Any:
    """Reads `0.6`, `uniform:0.4:0.6`, `beta:2:1`, `learned` or `frozen`.

    Returns:
        float, a tuple such as ("uniform", 0.4, 0.6), or the word.

    Raises:
        ValueError: for a text that is none of these.
    """
    if isinstance(value, (list, tuple)):
        expected = 'a number, or parts such as ("uniform", 0.4, 0.6)'
        check(len(value) > 0, name, expected, value)
        kind, *given = value
    elif isinstance(value, str):
        kind, *given = value.split(":")
    else:
        kind, given = value, []
    if kind in ("learned", "frozen") and not given:
        return kind
    if not given:
        return check_number(kind, name)
    check_choice(kind, name, ("uniform", "beta"))
    return kind, *(check_number(n, name) for n in given)


def check_file_name(value: Any, name: str, source: str) -> str:
    """Returns `value`, a name read from data, if it stays in its folder.

    Args:
        value: str, to be joined to the path of a folder.
        name: str, the argument that gave the data.
        source: str, the file in which the name was found.

    Raises:
        ValueError: when it is empty, has a separator, or means another
            folder.
    """
    plain = isinstance(value, str) and value not in ("", ".", "..")
    okay = plain and not any(c in value for c in "/\\:\0")
    expected = f"a folder whose {source} has plain names of files"
    check(okay, name, expected, value)
    return value
