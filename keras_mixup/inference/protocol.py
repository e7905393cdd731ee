"""What makes an object a defence: its methods, not its class."""

import inspect

from keras_mixup import _checks


def is_randomized(model):
    """Whether `model` is a defence that draws (the defence protocol)."""
    return hasattr(model, "draw") and is_defence(model)


def is_defence(model):
    """Whether `model` transforms the input of a classifier that it holds."""
    return hasattr(model, "apply") and hasattr(model, "classifier")


def undefended(model):
    """Returns the classifier inside a defence, or the model itself."""
    return model.classifier if is_defence(model) else model


def check_call(model, name):
    """Raises `ValueError` for a defence that draws and takes no seed.

    Args:
        model: any callable.
        name: str, what the error calls it.
    """
    if not is_randomized(model):
        return
    # The call of a Keras layer takes everything.
    call = getattr(model, "call", model.__call__)
    try:
        taken = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # Of compiled code nothing is known.
        return
    okay = any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in taken)
    expected = "a defence whose call takes (images, seed=row seeds [B, 2])"
    received = f"{type(model).__name__}{inspect.signature(call)}"
    _checks.check(okay, name, expected, received)
