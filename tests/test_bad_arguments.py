"""A bad value is refused by name, before work starts, wherever it is given."""

import inspect
import signal

import bad_arguments
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from keras_mixup import runs

FOUND = list(bad_arguments.callables())
# Cheap ones of each package, for every run of the tests.
FEW = {
    "PGD",
    "class_balanced_subset",
    "check_version",
    "corruption_accuracy",
    "detection_auc",
    "image_set",
    "make_schedule",
    "merge",
    "robust_accuracy",
    "train",
    "training_dataset",
    "BestModel",
    "Checkpoint",
    "EarlyStopping",
    "SamplePool",
    "SmallConvNet",
    "Yogi",
    "estimate",
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return bad_arguments.Parts(tmp_path_factory.mktemp("bad"))


def _too_long(*_):
    raise TimeoutError("no answer within a minute")


@pytest.fixture
def no_hang():
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def faults(parts, package, name, target):
    """Returns what was not refused by name, a list of str."""
    arguments, found = parts.of(package, name, target), []
    for parameter in inspect.signature(target).parameters.values():
        for value in bad_arguments.bad_values(name, parameter):
            fault = bad_arguments.judge(
                target, arguments, parameter.name, value
            )
            if fault is not None:
                found.append(f"{name}({parameter.name}={value!r}): {fault}")
    return found


@pytest.mark.parametrize(
    ("package", "name", "target"),
    [
        pytest.param(*row, marks=() if row[1] in FEW else pytest.mark.slow)
        for row in FOUND
    ],
    ids=[f"{package}.{name}" for package, name, _ in FOUND],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_each_argument_refuses_bad_values(
    parts, no_hang, package, name, target
):
    assert faults(parts, package, name, target) == []


def test_there_is_a_valid_call_of_each_public_callable(parts):
    """A new name needs a line in tests/bad_arguments.py."""
    for package, name, target in FOUND:
        parts.of(package, name, target)
    assert {name for _, name, _ in FOUND} >= FEW


ANY = strategies.one_of(
    strategies.integers(),
    strategies.floats(),
    strategies.booleans(),
    strategies.text(max_size=5),
    strategies.lists(strategies.floats(), max_size=2),
    strategies.just(object()),
)


@pytest.mark.parametrize(
    "kind", [runs.TrainSettings, runs.EvaluateSettings, runs.ExportSettings]
)
@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=strategies.data())
def test_a_setting_takes_a_value_or_refuses_it_by_name(kind, data):
    name = data.draw(strategies.sampled_from(sorted(kind.declared)))
    value = data.draw(ANY)
    try:
        made = kind(**{name: value})
    except ValueError as error:
        assert f"`{name}`" in str(error) or f"{name}=" in str(error), error
        return
    found = getattr(made, name)
    assert found == found, "NaN was taken"
