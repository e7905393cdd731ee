"""Names, read from the source, against what the library really has."""

import importlib
import inspect
import pathlib
import re
import sys
from importlib import metadata

import pytest

import keras_mixup
from keras_mixup import _setting
from keras_mixup import _sources
from keras_mixup import attacks
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import registry
from keras_mixup import runs
from keras_mixup import studies
from keras_mixup import training

# What others are made from.
BARE = {"Algorithm", "Attack", "GradientAttack", "RandomizedInference"}
TESTS = pathlib.Path(__file__).parent
BASES = {
    "algorithm": (training, training.Algorithm),
    "attack": (attacks, attacks.Attack),
    "defence": (inference, inference.RandomizedInference),
}
EVERY = [
    (kind, name) for kind in registry.PACKAGES for name in registry.names(kind)
]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_what_is_read_is_what_the_constructor_says(kind, name):
    """Arguments, defaults, names and labels of the source and of Python."""
    entry, found = registry.entry(kind, name), registry.find(kind, name)
    assert entry.path == f"{found.__module__}:{found.__qualname__}"
    if not entry.fixed:
        assert (found.registered_name, found.label) == (name, entry.label)
    target = found.__init__ if inspect.isclass(found) else found
    if target is object.__init__:
        assert entry.arguments == ()
        return
    parameters = {
        p.name: p
        for p in inspect.signature(target).parameters.values()
        if p.name != "self" and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    assert entry.arguments == tuple(parameters)
    for setting in entry.settings:
        given = parameters[setting.name].default
        if given is not inspect.Parameter.empty:
            assert setting.default == given
        assert setting.help, f"{name}: {setting.name} is not described"
        assert set(entry.flags) <= set(entry.arguments)


@pytest.mark.parametrize("kind", BASES)
def test_every_public_class_has_a_name(kind):
    """A new class needs `@registry.register`."""
    package, base = BASES[kind]
    listed = {
        registry.entry(kind, name).path.partition(":")[2]
        for name in registry.names(kind)
    }
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isclass(value) and issubclass(value, base):
            assert name in listed | BARE, (
                f"{name} needs @registry.register above the class"
            )


def words_of_tests(package):
    files = (TESTS / package).glob("test_*.py")
    return {w for f in files for w in re.findall(r"\w+", f.read_text("utf-8"))}


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_what_is_registered_is_where_it_is_looked_for(kind, name):
    """What BUILD.md asks of every kind; the message says what lacks."""
    package = registry.PACKAGES[kind]
    own = registry.entry(kind, name).path.rpartition(":")[2]
    asked = {
        f"a test in tests/{package}/test_*.py": bool(
            words_of_tests(package) & {name, own}
        )
    }
    if kind != "study":
        public = importlib.import_module(f"keras_mixup.{package}").__all__
        line = f"a line in keras_mixup/{package}/__init__.py"
        asked[line] = own in public
    lacking = [where for where, there in asked.items() if not there]
    assert not lacking, f"{own} needs {' and '.join(lacking)}"


@pytest.mark.parametrize("kind", BASES)
def test_every_class_in_a_file_has_a_name(kind):
    """Also one that no `__init__` imports: read from the source."""
    package, base = BASES[kind]
    source = _sources.source("keras_mixup").members[registry.PACKAGES[kind]]
    entries = [registry.entry(kind, name) for name in registry.names(kind)]
    registered = {entry.path for entry in entries}
    bases = {base for entry in entries for base in entry.bases} | BARE
    for found in _sources.members(source):
        if not found.is_class or found.name.startswith("_"):
            continue
        if base.__name__ in {c.name for c in found.mro()}:
            known = f"{found.module.path}:{found.name}" in registered
            assert known or found.name in bases, (
                f"{found.name} needs @registry.register above the class, in "
                f"{found.relative_filepath}"
            )


# Apart from the tuple that holds several of them.
METRICS = sorted(set(metrics.__all__) - {"FeatureDistances"})


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_named_in_a_test(name):
    named = name in words_of_tests("metrics")
    assert named, f"{name} needs a test in tests/metrics/"


def test_every_file_of_a_metric_has_a_line_in_its_package():
    for path in (TESTS.parent / "keras_mixup/metrics").glob("[!_]*.py"):
        text = (path.parent / "__init__.py").read_text("utf-8")
        assert f"keras_mixup.metrics.{path.stem} import" in text, (
            f"{path.name} needs a line in keras_mixup/metrics/__init__.py"
        )


def test_every_registered_study_is_one():
    for name in registry.names("study"):
        assert issubclass(registry.find("study", name), studies.Study)


@pytest.mark.parametrize(
    "settings",
    [runs.TrainSettings, runs.EvaluateSettings, runs.ExportSettings],
)
def test_a_setting_is_declared_once(settings):
    """By the run itself, or by things that take it in the same way."""
    own = settings.__mro__[1].__annotations__
    for name, declared in settings.declared.items():
        assert declared.name == name
        assert declared.help
        if name in own:
            continue
        for chooser, owners in declared.owners:
            assert chooser in settings.declared
            assert owners is _setting.ANY or owners


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError) as caught:
        registry.check_name("model", "preactresnet18")
    text = str(caught.value)
    assert all(name in text for name in registry.names("model"))
    assert "Received: model='preactresnet18'" in text
    assert text.endswith('Did you mean "preact_resnet18"?')


def test_no_suggestion_where_nothing_is_near():
    with pytest.raises(ValueError) as caught:
        registry.check_name("attack", "zzz")
    assert "Did you mean" not in str(caught.value)


def test_an_option_that_is_not_taken_is_named():
    expected = "`option` must be one of stddev, num_draws, max_inputs"
    with pytest.raises(ValueError, match=expected):
        registry.build("defence", "gaussian_noise", None, degrees=20)


def test_a_fixed_argument_is_no_option():
    threat = keras_mixup.ThreatModel("linf", 0.1)
    with pytest.raises(ValueError, match="`option` must be one of"):
        registry.build("attack", "eot", threat, recipe="transfer")


def test_builders_pass_on_what_they_are_given():
    model = registry.build("model", "small_convnet", (8, 8, 1), 10)
    assert model.output_shape == (None, 10)
    threat = keras_mixup.ThreatModel("linf", 0.1)
    attack = registry.build("attack", "pgd", threat, num_steps=3, loss=None)
    assert (attack.threat, attack.num_steps) == (threat, 3)
    assert registry.build("attack", "eot", threat).recipe == "eot"
    mixup = registry.build("algorithm", "mixup", model, alpha=0.5)
    assert (mixup.classifier, mixup.alpha) == (model, 0.5)
    assert registry.accepts("attack", "pgd", "num_steps")
    assert not registry.accepts("attack", "pgd", "pool")


PLUGIN = '''
"""A package of someone else's."""

from typing import Literal

from keras_mixup import attacks
from keras_mixup import registry


@registry.register(
    "attack", "nudge", label="Nudge", flags={"size": "nudge_size"}
)
class Nudge(attacks.Attack):
    """Moves every pixel.

    Args:
        threat: `ThreatModel`.
        size: float >= 0, how far.
        way: `"up"` or `"down"`.
    """

    uses_gradients = False

    def __init__(
        self, threat, size: float = 1 / 4, way: Literal["up", "down"] = "up"
    ):
        super().__init__(threat)
        self.size, self.way = size, way

    def run(self, model_fn, images, labels, targets, seed):
        return images + self.size, 0, 0


class Other(attacks.GradientAttack):
    """Takes a setting of ours as another type."""

    def __init__(self, threat, step_size: int = 1):
        super().__init__(threat)


@registry.register("attack", "flagged", flags={"size": "fgsm_steps"})
class Flagged(attacks.Attack):
    """Has a flag of ours for another type."""

    def __init__(self, threat, size: str = "big"):
        super().__init__(threat)


def SmallNet(input_shape, num_classes, width: int = 4):
    """A network.

    Args:
        input_shape: (H, W, C).
        num_classes: int.
        width: int >= 1.
    """
    return input_shape, num_classes, width
'''


class Package(metadata.Distribution):
    """An installed package that consists of its metadata."""

    def __init__(self, files):
        self.files_ = {"METADATA": "Name: their-package\n", **files}

    def read_text(self, filename):
        return self.files_.get(filename)

    def locate_file(self, path):
        return path


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "someones_plugin.py").write_text(PLUGIN)
    (tmp_path / "a_broken_module.py").write_text("def :")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    _sources.source.cache_clear()
    yield "someones_plugin"
    sys.modules.pop("someones_plugin", None)
    _sources.source.cache_clear()


def test_a_class_of_someone_elses_by_its_path(plugin):
    path = f"{plugin}:Nudge"
    entry = registry.entry("attack", path)
    assert (entry.name, entry.label) == ("nudge", "Nudge")
    assert entry.flags == {"size": "nudge_size"}
    size, way = entry.settings
    assert (size.kind, size.default, size.help) == (
        "float",
        0.25,
        "float >= 0, how far.",
    )
    assert (way.choices, way.default) == (("up", "down"), "up")
    assert plugin not in sys.modules  # Only read so far.
    attack = registry.build(
        "attack", path, keras_mixup.ThreatModel("linf", 0.1), size=0.5
    )
    assert (attack.size, attack.way) == (0.5, "up")
    # Registered with Keras under its own package.
    assert type(attack).from_config(attack.get_config()).size == 0.5


def test_a_function_that_was_not_registered(plugin):
    path = f"{plugin}:SmallNet"
    assert registry.entry("model", path).label == path
    made = registry.build("model", path, (8, 8, 1), 10, width=2)
    assert made == ((8, 8, 1), 10, 2)


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("no_such_module:Thing", "It cannot be read"),
        ("a_broken_module:Thing", "It cannot be read.*invalid syntax"),
        ("someones_plugin:Nudje", 'Did you mean "someones_plugin:Nudge"'),
        ("someones_plugin:Nothing", "a name in the module someones_plugin"),
        (":Thing", 'a registered name or "package.module:Name"'),
    ],
)
def test_a_path_that_leads_nowhere(plugin, path, match):
    with pytest.raises(ValueError, match=match):
        registry.entry("attack", path)


@pytest.fixture
def install(monkeypatch):
    """Installs a package with one entry point for a while."""

    def install(kind, name, value):
        text = f"[keras_mixup.{kind}]\n{name} = {value}\n"
        package = Package({"entry_points.txt": text})

        def found(group):
            return [p for p in package.entry_points if p.group == group]

        monkeypatch.setattr(metadata, "entry_points", found)
        registry._entries.cache_clear()

    yield install
    registry._entries.cache_clear()
    registry._LEFT_OUT.clear()


def test_an_installed_package_adds_names(plugin, install):
    install("attack", "their_nudge", f"{plugin}:Nudge")
    assert "their_nudge" in registry.names("attack")
    assert registry.entry("attack", "their_nudge").label == "Nudge"
    assert "pgd" in registry.names("attack")


@pytest.mark.parametrize(
    ("name", "place", "reason"),
    [
        ("gone", "no_such_module:Thing", "It cannot be read"),
        ("gone", "someones_plugin:Nothing", "a name in the module"),
        ("gone", "a_broken_module:Thing", "It cannot be read|invalid syntax"),
        ("other", "someones_plugin:Other", "`step_size` must be float.*int"),
        ("flagged", "someones_plugin:Flagged", "`fgsm_steps` must be int"),
    ],
)
def test_a_bad_plug_in_is_left_out_and_named(
    plugin, install, name, place, reason
):
    install("attack", name, place)
    text = f"The attack '{name}' of their-package is left out. .*({reason})"
    with pytest.warns(UserWarning, match=text):
        known = registry.names("attack")
    assert "pgd" in known and name not in known
    for ask in (
        lambda: registry.entry("attack", name),
        lambda: runs.EvaluateSettings(attacks=(name,)),
        lambda: runs.TrainSettings(algorithm="trades", attack=name),
    ):
        with pytest.raises(ValueError, match=text):
            ask()


def test_a_plug_in_does_not_take_the_name_of_ours(plugin, install):
    install("attack", "pgd", f"{plugin}:Nudge")
    with pytest.warns(UserWarning, match="`name` must be a name that nothing"):
        registry.names("attack")
    assert registry.entry("attack", "pgd").label == "PGD"


def test_a_name_takes_the_flags_of_its_class_but_not_what_it_fixes():
    eot = registry.entry("attack", "eot").flags
    assert eot["inner"] == "adaptive_inner"
    for name, fixed in (("bpda", "inner"), ("fixed_draws", "num_draws")):
        found = registry.entry("attack", name)
        assert found.flags == {a: f for a, f in eot.items() if a != fixed}
        assert found.fixed[fixed] is None
    assert registry.entry("attack", "mixup_inference_attack").flags == {}


def test_a_class_without_a_constructor_has_that_of_its_base(
    tmp_path, monkeypatch
):
    (tmp_path / "inherits.py").write_text(
        "from keras_mixup import inference\n\n\n"
        "class Mine(inference.MixupInferenceOL):\n    strength = 2\n"
    )
    monkeypatch.chdir(tmp_path)
    own = registry.entry("defence", "inherits:Mine")
    base = registry.entry("defence", "mixup_inference_ol")
    assert own.arguments == base.arguments
    assert own.settings == base.settings
    assert own.constants["strength"] == 2
    assert runs.EvaluateSettings(defences=("inherits:Mine",)).needs_pool
