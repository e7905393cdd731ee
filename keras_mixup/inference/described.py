"""The settings of a defence as JSON values, which identify it."""

import json

import keras

from keras_mixup import _fingerprint

# Of the machine, or of no effect on an answer.
_UNTOLD = ("name", "trainable", "max_inputs", "classifier", "pool", "vae")


def settings_of_defence(defence, pool_id=None):
    """Returns the settings of a defence, a dict of JSON values.

    Args:
        defence: a defence; its classifier is left out.
        pool_id: str that tells its pool; None takes a fingerprint of it.
    """
    known = isinstance(defence, keras.layers.Layer)
    config = _fingerprint.config_of(defence) if known else None
    if config is not None:
        config = {k: v for k, v in config.items() if k not in _UNTOLD}
    else:
        # Of a layer, what every layer has says nothing of the defence.
        usual = vars(keras.layers.Layer()) if known else ()
        config = {
            key: value
            for key, value in vars(defence).items()
            if isinstance(value, (bool, int, float, str)) and key not in usual
            # Private attributes change with use; answers identify foreign code.
            if key not in _UNTOLD and not key.startswith("_")
        }
    config["class"] = type(defence).__name__
    pool, vae = (getattr(defence, name, None) for name in ("pool", "vae"))
    if pool is not None:
        layer = isinstance(pool, keras.layers.Layer)
        tell = _fingerprint.fingerprint if layer else _fingerprint.describe
        config["pool"] = pool_id or tell(pool)
    if vae is not None:
        config["vae"] = _fingerprint.fingerprint(vae)
    return json.loads(json.dumps(config, default=str))
