"""What tells one object from another: models, attacks and their parts."""

import functools
import hashlib
import inspect
import json
from typing import Any

import keras
import numpy as np

from keras_mixup import _checks

# Marks what cannot be told from another object of its name.
UNIDENTIFIED = "unidentified"
# What every layer's configuration has.
_USUAL = ("name", "trainable", "dtype", "activity_regularizer", "autocast")
_OURS = ("keras.", "keras_mixup.")
_PLAIN = (bool, int, float, str)
_CODE = ("Lambda", "__lambda__", "function")


def fingerprint(model: keras.layers.Layer) -> str:
    """Returns the sha256 of a Keras model's configuration and weights.

    Two saved files of one model have one fingerprint, and so has the same
    network under other layer names. Of a model whose `get_config` Keras
    cannot make, the class stands for the configuration.

    Args:
        model: `keras.Model` or layer.
    """
    layer = keras.layers.Layer
    _checks.check_instance(model, "model", layer, "a keras.Model")
    config = config_of(model)
    if config is None:
        return _digest({"class": type(model).__name__}, model)
    names = dict.fromkeys([model.name, *_layer_names(config)])
    names = {name: f"layer {i}" for i, name in enumerate(names)}
    return _digest(_renamed(config, names, True), model)


def former_fingerprint(model):
    """Returns the fingerprint as release 0.1 took it, names and all."""
    return _digest(config_of(model), model)


def config_of(layer):
    """Returns the configuration of a Keras layer, or None if it has none."""
    try:
        return layer.get_config()
    except (AttributeError, NotImplementedError, TypeError):
        return None


def is_ours(value):
    """Whether the class of `value` is of Keras or of this library."""
    return type(value).__module__.startswith(_OURS)


def is_told(model):
    """Whether the fingerprint of a Keras model says what it computes.

    Not so where code of another package takes part, since a configuration
    has the arguments of such code at most.
    """
    config = config_of(model)
    return is_ours(model) and not any(_foreign(config))


def is_configured(model):
    """Whether all foreign layers in a Keras model have settings of their own.

    A foreign layer without any may differ from another one of its class.
    """
    config = config_of(model)
    own = [*_foreign(config), *([] if is_ours(model) else [config or {}])]
    return all(set(part) - set(_USUAL) for part in own)


def describe(value: object) -> Any:
    """Returns class and settings of an object as JSON values.

    They are the same in every process. A function becomes its module and
    name, an array or a Keras model a digest. Another object has what its
    `get_config` returns, or the arguments of its constructor, as far as they
    are attributes, and its public numbers and texts. The entry "unidentified"
    marks what may differ from another object of its name, such as a lambda.
    """
    return _described(value, ())


def unidentified(told):
    """Returns the name of the first unidentified object, or None.

    Args:
        told: what `describe` returned, or JSON values that hold it.
    """
    parts = told if isinstance(told, list) else ()
    if isinstance(told, dict):
        if told.get(UNIDENTIFIED):
            return told.get("class", "the object")
        parts = told.values()
    return next(filter(None, map(unidentified, parts)), None)


def _described(value, outer):
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, _PLAIN):
        return value
    if any(value is other for other in outer):
        return "itself"
    inside = functools.partial(_described, outer=(*outer, value))
    if isinstance(value, (list, tuple)):
        return [inside(item) for item in value]
    if isinstance(value, dict):
        return {str(key): inside(item) for key, item in value.items()}
    if hasattr(type(value), "argument_names"):
        own = {n: inside(getattr(value, n)) for n in value.argument_names()}
        return {"class": type(value).__name__, **own}
    return _of_object(value, inside)


def _of_object(value, inside):
    kind = value if hasattr(value, "__qualname__") else type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    # What is made inside a function may depend on its variables.
    unknown = {UNIDENTIFIED: True} if "<" in name else {}
    if kind is value:
        if inspect.ismethod(value):
            return {"class": name, **unknown, "of": inside(value.__self__)}
        return {"class": name, **unknown} if unknown else name
    if hasattr(value, "get_weights"):
        if not (is_told(value) or is_configured(value)):
            unknown = {UNIDENTIFIED: True}
        return {"class": name, **unknown, "sha256": fingerprint(value)}
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        told = {"shape": list(array.shape), "dtype": str(array.dtype)}
        return {"class": name, **told, "sha256": digest}
    if isinstance(value, functools.partial):
        told = {"of": value.func, "args": value.args, "given": value.keywords}
        return {"class": name, **inside(told)}
    config = config_of(value) if hasattr(value, "get_config") else None
    if config is None:
        config = _settings_of(value)
    if config is None:
        return {"class": name, UNIDENTIFIED: True}
    return {"class": name, **unknown, **inside(dict(config))}


def _settings_of(value):
    """The constructor's arguments and the attributes that are settings.

    None if an argument is no attribute, so that it stays unknown.
    """
    known = getattr(value, "__dict__", None)
    try:
        names = inspect.signature(type(value)).parameters
    except (TypeError, ValueError):
        return None
    found = {}
    for name in names:
        place = name if hasattr(value, name) else f"_{name}"
        if known is None or not hasattr(value, place):
            return None
        found[name] = getattr(value, place)
    public = {k: v for k, v in (known or {}).items() if k[:1] != "_"}
    plain = {k: v for k, v in public.items() if _is_setting(v)}
    return {**plain, **found}


def _is_setting(value):
    return isinstance(value, _PLAIN) or hasattr(type(value), "argument_names")


def _foreign(config):
    """Yields the settings of each layer of foreign code in a configuration."""
    if isinstance(config, dict):
        registered = config.get("registered_name")
        package = str(registered).startswith("keras_mixup>")
        if (registered and not package) or config.get("class_name") in _CODE:
            inner = config.get("config")
            yield inner if isinstance(inner, dict) else {}
        config = list(config.values())
    for part in config if isinstance(config, (list, tuple)) else ():
        yield from _foreign(part)


def _digest(config, model):
    text = json.dumps(config, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    for values in model.get_weights():
        digest.update(str((values.shape, values.dtype)).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _is_layer(entry):
    inner = entry.get("config")
    named = isinstance(inner, dict) and "name" in inner
    return named and "DTypePolicy" not in entry["class_name"]


def _layer_names(config):
    """Yields the names of all layers in a configuration, in order."""
    if isinstance(config, dict):
        if _is_layer(config):
            yield config["config"]["name"]
        config = list(config.values())
    for part in config if isinstance(config, (list, tuple)) else ():
        yield from _layer_names(part)


def _renamed(value, names, own=False):
    """Replaces the names of layers where they stand as such.

    `own` says that `value` is the configuration of a layer itself.
    """
    if isinstance(value, (list, tuple)):
        return [_renamed(part, names) for part in value]
    if not isinstance(value, dict):
        return value
    layer = _is_layer(value)
    found = {
        key: _renamed(part, names, layer and key == "config")
        for key, part in value.items()
    }
    places = ["name"] * (own or layer) + ["keras_history"]
    if own and "layers" in value:
        places += ["input_layers", "output_layers"]
    for key in places:
        if key in value:
            found[key] = _all_renamed(value[key], names)
    return found


def _all_renamed(value, names):
    if isinstance(value, dict):
        return {key: _all_renamed(part, names) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_all_renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value
