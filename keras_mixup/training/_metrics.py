"""The metrics that a user gives to `compile`."""

import inspect

import keras

from keras_mixup import _checks
from keras_mixup import ops


def objects(metrics, name="metrics"):
    """Returns metric objects for what `compile` was given, a list.

    Args:
        metrics: None, or a list of `keras.metrics.Metric` objects, names that
            Keras knows, and functions of (targets, outputs).
        name: `"metrics"` or `"weighted_metrics"`.

    Raises:
        ValueError: for anything else, and for a metric of probabilities:
            `from_logits` is False. A cross-entropy given by name gets True.
    """
    okay = metrics is None or isinstance(metrics, (list, tuple))
    expected = "a list of metrics of the one output, or None"
    _checks.check(okay, name, expected, metrics)
    # Every algorithm has this one anyway.
    known = "accuracy" if name == "metrics" else None
    return [_object(m, name) for m in metrics or () if m != known]


def _object(given, name):
    if isinstance(given, str) and given in ("acc", "accuracy"):
        return keras.metrics.CategoricalAccuracy(name=given)
    if isinstance(given, str) and given in ("ce", "crossentropy"):
        kind = keras.metrics.CategoricalCrossentropy
        return kind(name=given, from_logits=True)
    try:
        found = keras.metrics.get(given)
    except (ValueError, TypeError):
        found = None
    expected = "a list of keras.metrics.Metric objects, names or functions"
    hint = "Loss and accuracy are always reported"
    _checks.check(callable(found), name, expected, given, hint)
    takes_logits = _takes_logits(found)
    if isinstance(given, str):
        if not takes_logits and "crossentropy" in given.lower():
            found = type(found)(from_logits=True)
            takes_logits = True
        found.name = given
    expected = "a metric of logits"
    hint = "Pass the metric as an object with from_logits=True"
    _checks.check(takes_logits, name, expected, given, hint)
    if not isinstance(found, keras.metrics.Metric):
        label = getattr(found, "__name__", type(found).__name__)
        found = keras.metrics.MeanMetricWrapper(found, name=label)
    return found


def _takes_logits(metric):
    """Whether a metric says nothing against logits."""
    if isinstance(metric, keras.metrics.Metric):
        return metric.get_config().get("from_logits", True)
    default = inspect.signature(metric).parameters.get("from_logits")
    return default is None or default.default is not False


def update(metric, targets, outputs, weights=None):
    """Updates one metric with targets of the kind that it takes.

    Args:
        metric: `keras.metrics.Metric`. Where its name or the name of its
            class begins with "sparse" it is given the classes, int32 [B].
        targets: [B, C], or images.
        outputs: [B, C], or reconstructions.
        weights: float32 [B], or None.
    """
    names = [kind.__name__ for kind in type(metric).__mro__]
    if any(n.lower().startswith("sparse") for n in (metric.name, *names)):
        targets = ops.label_indices(targets)
    metric.update_state(targets, outputs, sample_weight=weights)
