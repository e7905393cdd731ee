"""What makes an object a defence: its methods, not its class."""


def is_randomized(model):
    """Whether `model` is a defence that draws (the defence protocol)."""
    return hasattr(model, "draw") and is_defence(model)


def is_defence(model):
    """Whether `model` transforms the input of a classifier that it holds."""
    return hasattr(model, "apply") and hasattr(model, "classifier")


def undefended(model):
    """Returns the classifier inside a defence, or the model itself."""
    return model.classifier if is_defence(model) else model
