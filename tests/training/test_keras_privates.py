"""What the package takes from Keras beyond its public names: one list.

A release of Keras that renames or reshapes one of these fails here, with the
reason for which it is needed.
"""

import ast
import importlib
import inspect
import pathlib
import pkgutil

import keras
import pytest

import keras_mixup
from keras_mixup import training

ROOT = pathlib.Path(keras_mixup.__file__).parent

# Overridden: name -> (owner, the arguments that Keras gives, the reason).
OVERRIDDEN = {
    "_maybe_symbolic_build": (
        keras.Model,
        ("self", "iterator", "data_batch"),
        "Keras takes a mean of the first batch over workers, which fails.",
    ),
}
# Called or read: name -> (owner, arguments or None for a value, the reason).
READ = {
    "_compile_metrics": (
        keras.Model,
        None,
        "Where stock callbacks with mode auto look for a metric's direction.",
    ),
    "_loss_tracker": (
        keras.Model,
        None,
        "The mean of the loss, which Keras makes without a loss too.",
    ),
    "_flatten_layers": (
        keras.layers.Layer,
        ("self", "include_self", "recursive"),
        "Every BatchNormalization of a model, also inside of layers.",
    ),
    "_get_variable_index": (
        keras.Optimizer,
        ("self", "variable"),
        "The place of a weight's moments in Yogi, as in Keras' Adam.",
    ),
}
# Not Keras': namedtuples', and CleverHans' own.
OTHERS = {
    "_replace",
    "_fields",
    "_field_defaults",
    "_asdict",
    "_apply_gradients",
    "_compute_gradients",
}


def modules():
    found = pkgutil.walk_packages([str(ROOT)], "keras_mixup.")
    names = [m.name for m in found if not m.name.endswith("__main__")]
    return [importlib.import_module(name) for name in names]


def private(name):
    return name.startswith("_") and not name.startswith("__")


def test_every_override_is_listed():
    found = {
        name
        for module in modules()
        for kind in vars(module).values()
        if inspect.isclass(kind) and kind.__module__ == module.__name__
        for name in filter(private, vars(kind))
        if any(
            name in vars(base) and base.__module__.startswith("keras.")
            for base in kind.__mro__
        )
    }
    assert found == set(OVERRIDDEN)


def test_every_private_name_that_is_not_ours_is_listed():
    used, ours = set(), set()
    for path in ROOT.rglob("*.py"):
        ours.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                ours.add(node.name)
            elif isinstance(node, ast.Name):
                ours.add(node.id)
            elif isinstance(node, ast.Attribute):
                stored = isinstance(node.ctx, ast.Store)
                (ours if stored else used).add(node.attr)
    assert set(filter(private, used - ours)) - OTHERS == set(READ)


@pytest.mark.parametrize("name", [*OVERRIDDEN, *READ])
def test_keras_still_has_it(name):
    owner, arguments, reason = {**OVERRIDDEN, **READ}[name]
    if arguments is None:
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", metrics=[keras.metrics.Mean()])
        assert isinstance(getattr(model, name), keras.metrics.Metric), reason
        return
    assert callable(getattr(owner, name, None)), reason
    found = tuple(inspect.signature(getattr(owner, name)).parameters)
    assert found == arguments, reason


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_the_override_takes_what_keras_gives(name):
    arguments = OVERRIDDEN[name][1]
    own = inspect.signature(getattr(training.Algorithm, name)).parameters
    assert tuple(own) == arguments
    values = list(own.values())[1:]
    assert all(value.default is None for value in values)
