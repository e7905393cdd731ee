"""What tells one Keras model from another: configuration and weights."""

import hashlib
import json

import keras

from keras_mixup import _checks


def fingerprint(model):
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
    return _digest(_renamed(config, names), model)


def former_fingerprint(model):
    """Returns the fingerprint as release 0.1 took it, names and all."""
    return _digest(config_of(model), model)


def config_of(layer):
    """Returns the configuration of a Keras layer, or None if it has none."""
    try:
        return layer.get_config()
    except (NotImplementedError, TypeError):
        return None


def _digest(config, model):
    text = json.dumps(config, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    for values in model.get_weights():
        digest.update(str((values.shape, values.dtype)).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _layer_names(config):
    """Yields the names of all layers in a configuration, in order."""
    if isinstance(config, dict):
        inner = config.get("config")
        is_layer = isinstance(inner, dict) and "name" in inner
        if is_layer and "DTypePolicy" not in config["class_name"]:
            yield inner["name"]
        config = list(config.values())
    for part in config if isinstance(config, (list, tuple)) else ():
        yield from _layer_names(part)


def _renamed(value, names):
    if isinstance(value, dict):
        return {key: _renamed(part, names) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value
