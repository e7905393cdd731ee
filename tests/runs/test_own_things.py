"""Whole runs on a user's own model, data, attack, defence and algorithm."""

import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from calls import call
from calls import check_error
from calls import train

from keras_mixup import _files
from keras_mixup import _sources
from keras_mixup import registry
from keras_mixup import runs
from keras_mixup.runs import _attacks
from keras_mixup.runs import source

MODULE = '''
"""Things of a user's own."""

import keras
import numpy as np

from keras_mixup import attacks
from keras_mixup import inference
from keras_mixup import training


@keras.saving.register_keras_serializable("own_things")
class Twice(keras.layers.Layer):
    """Doubles."""

    def call(self, images):
        return 2 * images


def Net(input_shape, num_classes):
    """A network."""
    layers = [Twice(), keras.layers.Flatten(), keras.layers.Dense(num_classes)]
    return keras.Sequential([keras.Input(input_shape), *layers])


def digits():
    """Three classes of the digits."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = np.round(images.reshape(-1, 8, 8, 1) * 255 / 16).astype("uint8")
    rows = np.flatnonzero(labels < 3)[:200]
    return images[rows], labels[rows]


class Half(training.Mixup):
    """Mixup with another weight."""


class Patient(attacks.PGD):
    """PGD of three steps."""

    def __init__(self, threat):
        super().__init__(threat, step_size=threat.eps / 2, num_steps=3)


class Short(attacks.PGD):
    """PGD that keeps its 10 steps of 2/255 at any radius."""


class Through(attacks.MixupInferenceAttack):
    """One step through the defence."""

    def __init__(self, threat):
        super().__init__(threat, num_steps=1)


class Mine(inference.MixupInferenceOL):
    """Mixup Inference."""


def linear(images):
    """Logits of no Keras model."""
    return images[:, :3, 0, 0] - 0.5


kept = 3


def no_arguments():
    return 3


def fails(*arguments, seed=None, **options):
    raise TypeError("of its own")


def number(*arguments, seed=None, **options):
    return 3


def OneClass(input_shape, num_classes):
    """As many outputs as a binary classifier with a sigmoid."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input(input_shape), *layers])


def Soft(input_shape, num_classes):
    """Probabilities."""
    out = keras.layers.Dense(num_classes, activation="softmax")
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Flatten(), out]
    )


class Undrawn:
    """A defence without draws."""

    def __init__(self, classifier):
        self.classifier = classifier


class Steady(inference.MixupInferenceOL):
    """It chooses its draws itself."""

    def __init__(self, classifier, pool):
        super().__init__(classifier, pool, num_draws=2)
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder with the module own_things and own.npz."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "own_things.py").write_text(MODULE)
    (folder / "raises.py").write_text("nothing = 1 / 0\n")
    (folder / "script.py").write_text("import sys\n\nsys.exit('usage')\n")
    return folder


@pytest.fixture(autouse=True)
def _inside(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [*sys.path])
    _sources.source.cache_clear()
    yield
    _sources.source.cache_clear()


@pytest.fixture(scope="module")
def run(place):
    """A trained and evaluated run on the user's own things."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(sys, "path", [str(place), *sys.path])
        settings = runs.TrainSettings(
            dataset="own_things:digits",
            class_names="nought,one,two",
            model="own_things:Net",
            algorithm="own_things:Half",
            batch_size=16,
            epochs=2,
        )
        runs.train(settings, "run")
        settings = runs.EvaluateSettings(
            attacks="clean,own_things:Patient,own_things:Through",
            defences="own_things:Mine",
            num_examples=12,
            num_draws=2,
            eps=0.1,
            eval_seeds="0",
            probe=False,
        )
        return runs.evaluate(settings, "run")


def test_own_things_are_trained_attacked_and_defended(run):
    columns = {c.attack: c.knowledge for c in run.records.by("column")}
    assert columns == {
        "clean": "none",
        "Patient": "oblivious",
        "Through": "adaptive",
    }
    assert {r.defence for r in run.records} == {"none", "Mine x2"}
    assert {r.label for r in run.records} == {0, 1, 2}


def test_class_names_reach_the_report_and_the_export(run, place):
    found = _files.read_json(place / "run" / "evaluation.json")
    assert found["about"]["class_names"] == ["nought", "one", "two"]
    page = (place / "run" / "report.html").read_text("utf-8")
    assert "nought" in page
    settings = runs.ExportSettings(run_dir="run", num_draws=2, warmup=False)
    path = runs.export(settings).path
    card = _files.read_json(path / "assets.extra" / "model_card.json")
    assert card["class_names"] == ["nought", "one", "two"]
    assert len(card["pool"]["rows_per_class"]) == 3


@pytest.mark.parametrize(("eps", "told"), [(0.1, 1), (20 / 255, 0)])
def test_an_attack_whose_steps_end_before_eps_is_told(place, eps, told):
    settings = runs.EvaluateSettings(
        attacks="clean,own_things:Short", eps=eps, defences=()
    )
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        _attacks.build_specs(settings)
    said = [
        str(w.message) for w in found if "own_things:Short" in str(w.message)
    ]
    assert len(said) == told
    assert all("10 steps of 0.00784, which end before" in s for s in said)


def test_a_file_with_an_unknown_class_names_the_flag(run, place, capsys):
    objects = keras.saving.get_custom_objects()
    kept = {k: objects.pop(k) for k in list(objects) if "own_things" in k}
    sys.modules.pop("own_things")
    asked = {"classifier": "run/classifier.keras", "defence": "none"}
    asked |= {"warmup": False}
    assert call("export", **asked) == 2
    error = capsys.readouterr().err
    assert "the class Twice of the module own_things" in error
    assert "Give --import=own_things" in error
    asked["import"] = "own_things"
    # A user's own .keras, without our config.json beside it.
    assert call("export", **asked) == 0
    assert "saved_models/classifier/1 (" in capsys.readouterr().out
    assert set(kept) <= set(objects)


def test_training_starts_from_a_trained_classifier(run, place, capsys):
    keras_model = source.load_classifier(place / "run" / "classifier.keras")
    before = keras_model.get_weights()
    settings = runs.TrainSettings(
        dataset="own_things:digits",
        start_from="run",
        learning_rate=1e-9,
        epochs=1,
        batch_size=16,
    )
    result = runs.train(settings, "further")
    after = source.load_classifier(result.best_file).get_weights()
    for one, two in zip(before, after, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    for name, value in (("model", "resnet34"), ("width", 4)):
        with pytest.raises(ValueError, match=f"`{name}` must be left out"):
            settings.replace(**{name: value})
    wrong = runs.TrainSettings(start_from="run", epochs=1)  # the digits
    with pytest.raises(ValueError, match="`start_from` must be a classifier"):
        runs.train(wrong, "wrong")
    with pytest.raises(
        ValueError, match="`start_from` must be.*that can be re"
    ):
        broken_saved_model(place)
        runs.train(wrong.replace(start_from="broken"), "wrong")
    for nowhere in ("nowhere", "nowhere.keras", "."):
        with pytest.raises(
            FileNotFoundError, match="`start_from`: there is no"
        ):
            runs.train(wrong.replace(start_from=nowhere), "wrong")
    assert not (place / "wrong").exists()


def broken_saved_model(place):
    (place / "broken").mkdir(exist_ok=True)
    (place / "broken" / "saved_model.pb").write_text("no graph")


ATTACKED = {
    "dataset": "own_things:digits",
    "attacks": "clean,fgsm",
    "num_examples": 6,
    "num_draws": 2,
    "eps": 0.1,
    "adaptive_steps": 1,
    "eval_seeds": "0",
    "probe": False,
}


def test_a_saved_model_is_evaluated(run, place):
    keras_model = source.load_classifier(place / "run" / "classifier.keras")
    keras_model.export("saved", verbose=False)
    found = [
        runs.evaluate(
            runs.EvaluateSettings(classifier=name, model_name="m", **ATTACKED),
            folder,
        ).records
        for name, folder in (("saved", "s"), ("run/classifier.keras", "k"))
    ]
    one, two = ([(r.key, r.prediction) for r in own] for own in found)
    assert one == two
    assert any(r.gradient_passes for r in found[0])


def test_a_function_is_evaluated(place):
    settings = runs.EvaluateSettings(classifier="own_things:linear", **ATTACKED)
    records = runs.evaluate(settings, "function").records
    assert {r.model for r in records} == {"linear"}
    images, labels = sys.modules["own_things"].digits()
    clean = [r for r in records if r.column.attack == "clean"]
    for record in (r for r in clean if r.defence == "none"):
        pixels = images[record.example_id, :3, 0, 0]
        assert record.prediction == np.argmax(pixels)
        assert record.label == labels[record.example_id]


FAILS = ("own_things:fails fails. TypeError: of its own (", "own_things.py")


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ({"model": "raises:Net"}, ("`model`", "a name in the module raises")),
        ({"dataset": "raises:x"}, ("`dataset`", "ZeroDivisionError", "line 1")),
        ({"import": "raises"}, ("`import`", "ZeroDivisionError")),
        ({"import": "script"}, ("`import`", "script does not", "usage", "3)")),
        ({"dataset": "cifra10"}, ("`dataset`", 'Did you mean "cifar10"?')),
        ({"dataset": "fotos"}, ("`dataset`", "a folder of images")),
        ({"dataset": "own_things:fails"}, FAILS),
        ({"model": "own_things:fails", "width": None}, FAILS),
        ({"model": "own_things:no_arguments", "width": None}, ("TypeError",)),
        ({"model": "own_things:number", "width": None}, ("`model`", "int")),
        (
            {"model": "own_things:OneClass", "width": None},
            ("`model`", "(1, 1)"),
        ),
        ({"model": "own_things:Soft", "width": None}, ("`model`", "softmax")),
        ({"algorithm": "own_things:fails"}, FAILS),
        ({"algorithm": "own_things:linear"}, ("`algorithm`", "takes seed")),
        ({"algorithm": "own_things:number"}, ("`algorithm`", "int")),
        ({"dataset": "none.npz"}, ("`dataset`", "no file none.npz")),
        ({"dataset": "own_things:kept"}, ("`dataset`", "a function")),
        ({"dataset": "own_things:digit"}, ('"own_things:digits"',)),
        ({"image_size": 4}, ("`image_size` has no effect", "npz|folder")),
        ({"channels": 2, "dataset": "a.npz"}, ("`channels`", "one of 1, 3")),
        ({"start_from": "nowhere.keras"}, ("`width` must be left out",)),
    ],
)
def test_what_is_wrong_is_one_line(place, capsys, flags, parts):
    code = train(place / "refused", **flags)
    check_error(capsys, code, *parts)
    assert not (place / "refused").exists()


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ({"attacks": "own_things:fails"}, FAILS),
        ({"attacks": "own_things:number"}, ("`attacks`", "own_things:number")),
        ({"defences": "own_things:fails"}, FAILS),
        ({"defences": "own_things:Undrawn"}, ("`defence`", "draw, apply")),
        ({"classifier": "own_things:fails"}, FAILS),
        ({"classifier": "broken"}, ("`classifier`", "broken", "SavedModel")),
    ],
)
def test_what_is_wrong_in_an_evaluation_is_one_line(
    run, place, capsys, flags, parts
):
    broken_saved_model(place)
    own = {} if "classifier" in flags else {"import": "own_things"}
    own |= ATTACKED if "classifier" in flags else {"eps": 0.1, "num_draws": 2}
    folder = "refused" if "classifier" in flags else "run"
    code = call("evaluate", run_dir=folder, **{**own, **flags})
    check_error(capsys, code, *parts)


def test_a_defence_that_takes_no_draws_keeps_its_own(run, place):
    settings = runs.EvaluateSettings(
        attacks="clean", defences="own_things:Steady", num_examples=3
    )
    found = runs.evaluate(settings, "run").records
    assert "Steady" in str({r.defence for r in found})


def test_the_list_has_every_kind_with_its_source(capsys):
    assert call("list") == 0
    shown = capsys.readouterr().out
    for kind in (*registry.PACKAGES, "dataset"):
        assert f"{kind}:\n" in shown
    line = next(n for n in shown.splitlines() if n.split()[:1] == ["pgd"])
    assert line.split()[1:] == ["keras_mixup.attacks.pgd:PGD", "keras_mixup"]
    assert call("list", kind="dataset") == 0
    assert "8 x 8 x 1, 10 classes" in capsys.readouterr().out


def test_gradients_flow_through_a_module_of_ones_own():
    found = source.load_classifier(
        "own_things:linear",
        type("Spec", (), {"image_shape": (8, 8, 1), "name": "x"}),
    )
    images = tf.zeros((2, 8, 8, 1))
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(found(images)[:, 0])
    gradient = tape.gradient(value, images).numpy()
    assert gradient[:, 0, 0, 0].tolist() == [1, 1]
    assert gradient.sum() == 2
