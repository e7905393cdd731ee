"""Types on everything public, and what a user's type checker makes of them."""

import functools
import importlib
import inspect
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing

import bad_arguments
import pytest

import keras_mixup

ROOT = pathlib.Path(__file__).parent.parent


def public_modules():
    """The package and what it lists, imported; also what comes in future."""
    yield keras_mixup
    for name in keras_mixup.__all__:
        if inspect.ismodule(getattr(keras_mixup, name)):
            yield importlib.import_module(f"keras_mixup.{name}")


def plain(value):
    """The function behind a method, a property or a decorator; or `value`."""
    if isinstance(value, functools.cached_property):
        return value.func
    value = getattr(value, "fget", None) or getattr(value, "__func__", value)
    return inspect.unwrap(value) if callable(value) else value


def functions_of(owner):
    """Yields (name, function): a class's own and what it inherits of ours."""
    for base in inspect.getmro(owner):
        if not base.__module__.startswith("keras_mixup"):
            continue
        for name, value in vars(base).items():
            if name[0] != "_" or name in ("__init__", "__call__"):
                function = plain(value)
                # A NamedTuple and a dataclass make some of Python's own.
                if inspect.isfunction(function) and written(function):
                    yield f"{base.__name__}.{name}", function


def written(function):
    return function.__module__.startswith("keras_mixup")


def public_functions():
    found = {}
    for module in public_modules():
        for name in getattr(module, "__all__", None) or dir(module):
            value = getattr(module, name)
            if name[0] == "_" or inspect.ismodule(value):
                continue
            place = module.__name__
            if inspect.isclass(value):
                for own, function in functions_of(value):
                    found[f"{place}: {own}"] = function
            elif inspect.isfunction(plain(value)) and written(plain(value)):
                found[f"{place}: {name}"] = plain(value)
    return found


def untyped(function):
    """The parameters of a function without a type, and "return"."""
    signature = inspect.signature(function)
    names = [
        p.name for p in signature.parameters.values() if p.annotation is p.empty
    ]
    first = next(iter(signature.parameters), None)
    if first in ("self", "cls") and first in names:
        names.remove(first)
    if signature.return_annotation is signature.empty:
        names.append("return")
    return names


def test_everything_public_carries_types():
    found = public_functions()
    lacking = {k: untyped(f) for k, f in found.items() if untyped(f)}
    assert lacking == {}
    assert len(found) > 500
    assert "keras_mixup.training: TrainStep.compile" in found


class Lacking:
    def __init__(self, a: int, b=0):
        pass

    @property
    def c(self):
        return 0

    def d(self, *e: int, **f) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "expected"),
    [("__init__", ["b", "return"]), ("c", ["return"]), ("d", ["f"])],
)
def test_a_lacking_type_is_found(name, expected):
    assert untyped(plain(vars(Lacking)[name])) == expected


def choices(function):
    """Yields (argument, value) of each word that a `Literal` allows."""
    for name, hint in typing.get_type_hints(function).items():
        for option in (hint, *typing.get_args(hint)):
            if typing.get_origin(option) is typing.Literal:
                yield from ((name, word) for word in typing.get_args(option))


CHOOSING = [
    (package, name, target)
    for package, name, target in bad_arguments.callables()
    if inspect.isclass(target) and list(choices(target.__init__))
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return bad_arguments.Parts(tmp_path_factory.mktemp("parts"))


@pytest.mark.parametrize(
    ("package", "name", "target"), CHOOSING, ids=[c[1] for c in CHOOSING]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_each_word_that_a_type_allows_is_taken(parts, package, name, target):
    """It may be refused beside others, but not as an unknown word."""
    arguments = parts.of(package, name, target)
    for argument, word in choices(target.__init__):
        try:
            target(**{**arguments, argument: word})
        except ValueError as error:
            assert f"`{argument}` must be one of" not in str(error)


USE = ROOT / "tests" / "typed_use.py"


@pytest.mark.slow
def test_a_users_checker_finds_what_is_wrong_and_no_more(tmp_path):
    """As `make lint` does, with the settings of nobody and in another place."""
    pytest.importorskip("mypy")
    text = USE.read_text("utf-8")
    expected = {
        (number, code)
        for number, line in enumerate(text.splitlines(), start=1)
        for code in re.findall(r"# type: ignore\[(.+)\]", line)
    }
    copy = tmp_path / "mine.py"
    copy.write_text(re.sub(r"  # type: ignore.*", "", text))
    found = checked(tmp_path, copy.name)
    assert {(int(n), code) for _, n, code in found} == expected
    assert len(expected) > 10


def checked(folder, *names):
    """Returns (file, line, code) of each error of mypy, without settings."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", *names]
        + ["--ignore-missing-imports", "--follow-imports=silent"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )
    assert done.stdout, done.stderr
    return re.findall(
        r"^(\w+)\.py:(\d+): error: .*\[(.+)\]$", done.stdout, re.M
    )


# What the pages take for given.
GIVEN = """
from keras_mixup.data import load_arrays
from keras_mixup.inference import MixupInferenceOL, SamplePool
from keras_mixup.models import SmallConvNet

few = load_arrays("digits", "test", num_examples=20)
images, labels = few.images, few.labels
classifier = SmallConvNet((8, 8, 1), 10, width=4)
pool = SamplePool(images, labels, dtype="float32")
defence = MixupInferenceOL(classifier, pool, num_draws=2)
"""


@pytest.mark.slow
def test_a_users_checker_takes_the_code_of_the_pages(tmp_path):
    pytest.importorskip("mypy")
    names = []
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]:
        text = page.read_text("utf-8")
        blocks = re.findall(r"```python\n(.*?)```", text, re.S)
        for block in blocks:
            if own := re.match(r"# (\w+\.py)\n", block):
                names.append(own[1])
                (tmp_path / own[1]).write_text(block)
        names.append(f"page_{page.stem}.py")
        blocks = [b for b in blocks if not re.match(r"# \w+\.py\n", b)]
        given = "" if page.name == "README.md" else GIVEN
        (tmp_path / names[-1]).write_text("\n".join([given, *blocks]))
    shutil.copy(ROOT / "examples" / "evaluate_own_model.py", tmp_path)
    assert checked(tmp_path, *names, "evaluate_own_model.py") == []
    assert len(names) > 20
