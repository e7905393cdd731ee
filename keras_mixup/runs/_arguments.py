"""Checks of what every whole run is called with."""

from keras_mixup import _checks


def check_call(settings, kind, progress=None, stop=None):
    """Raises `ValueError` unless a run is called with what it takes.

    Args:
        settings: must be a `kind`.
        kind: class of settings.
        progress, stop: must be callables or None.
    """
    expected = f"runs.{kind.__name__}"
    _checks.check_instance(settings, "settings", kind, expected)
    for name, value in (("progress", progress), ("stop", stop)):
        _checks.check_callable(value, name)
