"""What public signatures have in common, without TensorFlow."""

import os
from collections.abc import Callable
from typing import Annotated
from typing import Any
from typing import TypeAlias
from typing import TypeVar

_T = TypeVar("_T")

# An argument of a constructor that Python code gives, and no flag: of every
# other plain type `registry` makes a setting.
PythonOnly = Annotated[_T, "no setting"]

# The source of an object's random draws, >= 0.
Seed: TypeAlias = PythonOnly[int]
# What Keras calls the object.
Name: TypeAlias = PythonOnly[str | None]

# A file or a folder.
Path: TypeAlias = str | os.PathLike[str]
# What a mixing weight may be: lambda, ("uniform", low, high), ("beta", a, b),
# or a word that an algorithm knows.
MixWeight: TypeAlias = float | tuple[str, float, float] | str
# A number, or a text that holds one or a fraction such as "8/255".
Number: TypeAlias = float | str
# A JSON object.
Json: TypeAlias = dict[str, Any]
# Is told each step.
Progress: TypeAlias = Callable[[str], object]
# Is asked between two steps; returns the reason to stop, or something false.
AskStop: TypeAlias = Callable[[], object]
