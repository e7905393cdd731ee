"""Settings: declared once, read, checked, written and read again."""

import dataclasses
from typing import Literal

import pytest

from keras_mixup import _checks
from keras_mixup import _setting
from keras_mixup import _settings
from keras_mixup._setting import ANY
from keras_mixup._settings import field
from keras_mixup._types import MixWeight


class _Cake(_settings.Settings):
    """Settings of a cake."""

    kind: "Literal['plain', 'filled']" = field("plain", "What kind.")
    layers: "int" = field(1, "Layers.", 1)
    sugar: "float" = field(0.5, "Share of sugar.")
    vegan: "bool" = field(False, "Without eggs.")
    filling: "str | None" = field(
        None, "What is inside.", owners=(("kind", ("filled",)),)
    )
    depth: "float | None" = field(
        None, "How thick it is.", owners=(("filling", ANY),)
    )
    names: "tuple[str, ...]" = field(("a",), "Names on it.")
    weights: "tuple[MixWeight, ...]" = field((0.5,), "Weights.")


OWNED = _setting.Setting("icing", "str", owners=(("names", ("b", "c")),))
Cake = _settings.complete(_Cake, [OWNED])


def test_texts_are_read_as_on_a_command_line():
    cake = Cake(
        sugar="8/255", layers="3", vegan="true", names="b, c", weights="0.5"
    )
    assert cake.sugar == 8 / 255
    assert (cake.layers, cake.vegan) == (3, True)
    assert cake.names == ("b", "c")


def test_defaults_and_what_was_given():
    cake = Cake(layers=2, filling=None)
    assert (cake.kind, cake.sugar, cake.filling) == ("plain", 0.5, None)
    assert cake.given == {"layers"}
    assert repr(cake) == "Cake(layers=2)"


def test_settings_are_a_frozen_dataclass():
    cake = Cake()
    assert dataclasses.is_dataclass(cake)
    with pytest.raises(dataclasses.FrozenInstanceError):
        cake.layers = 2
    assert Cake(layers=2) == Cake(layers=2) != Cake()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"layrs": 2}, "Received: name='layrs'. Did you mean \"layers\"?"),
        ({"layers": 0}, "`layers` must be 1 or more. Received: layers=0"),
        ({"layers": "x"}, "`layers` must be a whole number"),
        ({"layers": 1.5}, "`layers` must be a whole number"),
        ({"layers": True}, "`layers` must be a whole number"),
        ({"sugar": "1/0"}, "`sugar` must be a number or a fraction"),
        ({"vegan": "maybe"}, "`vegan` must be True or False"),
        ({"kind": "round"}, "one of 'plain', 'filled'"),
        ({"names": 3}, "`names` must be a list"),
        ({"names": [3]}, "`names` must be a text"),
        ({"weights": "gamma:1:2"}, "one of 'uniform', 'beta'"),
    ],
)
def test_a_wrong_value_is_named(values, expected):
    with pytest.raises(ValueError) as caught:
        Cake(**values)
    assert expected in str(caught.value)


def test_what_has_no_effect_is_refused():
    with pytest.raises(ValueError) as caught:
        Cake(filling="jam")
    assert str(caught.value) == (
        "`filling` has no effect with kind=plain. It belongs to kind=filled. "
        "Received: filling=jam"
    )
    assert Cake(kind="filled", filling="jam", depth=1).depth == 1.0


def test_effect_is_handed_on():
    """`depth` belongs to `filling`, which belongs to another kind."""
    with pytest.raises(ValueError, match="`depth` has no effect"):
        Cake(kind="filled", depth=1)
    idle = Cake.idle({"filling": "jam", "depth": 1, "layers": 2})
    assert idle == ["depth", "filling"]


def test_an_owned_setting_follows_a_list():
    with pytest.raises(ValueError, match="It belongs to names=b|c"):
        Cake(icing="pink")
    assert Cake(icing="pink", names=["a", "c"]).icing == "pink"


def test_no_setting_has_an_effect_by_its_default_alone():
    assert Cake.idle({}) == []
    assert Cake.choosers() == {"kind", "filling", "names"}


FULL = {
    "kind": "filled",
    "filling": "jam",
    "layers": 4,
    "vegan": True,
    "sugar": 0.25,
    "names": ("b", "c"),
    "icing": "pink",
    "weights": (0.5, ("uniform", 0.4, 0.6), ("beta", 2.0, 1.0)),
}


def test_a_dict_of_json_values_and_back():
    import json

    cake = Cake(**FULL)
    values = json.loads(json.dumps(cake.as_dict()))
    assert set(values) == set(Cake.declared)
    again = Cake.from_dict({**values, "forgotten": 3})
    assert again == cake
    assert Cake.from_dict(Cake().as_dict()) == Cake()


def test_a_flag_file_and_back():
    cake = Cake(**FULL)
    lines = cake.to_flags().splitlines()
    assert "--weights=0.5,uniform:0.4:0.6,beta:2.0:1.0" in lines
    pairs = (line.removeprefix("--").split("=", 1) for line in lines)
    assert Cake(**dict(pairs)) == cake


def test_replace_changes_and_takes_back():
    cake = Cake(kind="filled", filling="jam")
    assert cake.replace(layers=3).layers == 3
    assert cake.replace(kind=None, filling=None) == Cake()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.6", 0.6),
        (0.6, 0.6),
        ("1/2", 0.5),
        ("uniform:0.4:0.6", ("uniform", 0.4, 0.6)),
        (["beta", 2, 1], ("beta", 2.0, 1.0)),
        ("learned", "learned"),
        ("frozen", "frozen"),
    ],
)
def test_a_mixing_weight_is_read(text, expected):
    assert _checks.parse_mix_weight(text) == expected


@pytest.mark.parametrize(
    ("annotation", "kind", "many"),
    [
        ("int", "int", False),
        ("float | None", "float", False),
        ("tuple[int, ...]", "int", True),
        ("tuple[str, ...] | None", "str", True),
        ("MixWeight", "mix_weight", False),
        ("_types.MixWeight | None", "mix_weight", False),
        ("str | _tensors.LossFn", "str", False),
        ("float | str", "float", False),
        ("float | tuple[float, float]", "float", False),
    ],
)
def test_an_annotation_becomes_a_setting(annotation, kind, many):
    found = _setting.from_annotation("x", annotation)
    assert (found.kind, found.many) == (kind, many)


@pytest.mark.parametrize(
    "annotation",
    ["ThreatModel", "_types.PythonOnly[int]", "_types.Seed", "Sequence[int]"],
)
def test_no_text_gives_such_an_argument(annotation):
    assert _setting.from_annotation("x", annotation) is None


RADIUS = _setting.Setting("eps", "float", 0.1).but(0.1, several=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.2, 0.2),
        ("8/255", 8 / 255),
        ("0.1, 8/255", (0.1, 8 / 255)),
        ([0.1, "0.2"], (0.1, 0.2)),
        ([0.1], 0.1),
        ("0.1:0.5:5", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("0:8/255:2", (0.0, round(8 / 255, 12))),
    ],
)
def test_several_numbers_may_stand_for_one(value, expected):
    assert RADIUS.parse(value) == expected
    assert RADIUS.parse(RADIUS.text(RADIUS.parse(value))) == expected


@pytest.mark.parametrize("value", ["", (), "0.1:0.5", "0.1:0.5:1", "a", [[1]]])
def test_what_is_neither_one_number_nor_several(value):
    with pytest.raises(ValueError, match="`eps` must be"):
        RADIUS.parse(value)


@pytest.mark.parametrize("annotation", ["Attack", "keras.Model", "dict"])
def test_an_object_is_no_setting(annotation):
    assert _setting.from_annotation("x", annotation) is None


def test_no_setting_takes_nan():
    setting = _setting.Setting("rate", "float", 0.1)
    for value in (float("nan"), "nan"):
        with pytest.raises(ValueError, match="`rate` must be"):
            setting.parse(value)
