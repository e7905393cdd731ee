"""The metrics that a user gives to `compile`."""

import inspect

import keras

from keras_mixup import _checks
from keras_mixup import ops


def _never(metric):
    del metric
    return False


def _top_k(metric):
    config = metric.get_config()
    return config["top_k"] is not None and config["thresholds"] is None


def _largest(metric):
    return metric.get_config()["threshold"] is None


def _largest_class(metric):
    return not metric.get_config()["sparse_y_pred"]


# What Keras computes from probabilities without an argument `from_logits`:
# name -> whether one with these settings takes logits all the same, since
# only the order of the outputs counts.
_OF_PROBABILITIES = {
    # Logarithms of the outputs.
    "CategoricalGeneralizedCrossEntropy": _never,
    "KLDivergence": _never,
    "MeanSquaredLogarithmicError": _never,
    "Poisson": _never,
    # Sums of the outputs, as of parts of a set.
    "Dice": _never,
    "Tversky": _never,
    # Outputs that are classes.
    "Accuracy": _never,
    "IoU": _largest_class,
    # A threshold between 0 and 1, or many.
    "BinaryAccuracy": _never,
    "BinaryIoU": _never,
    "FBetaScore": _largest,
    "FalseNegatives": _never,
    "FalsePositives": _never,
    "Precision": _top_k,
    "PrecisionAtRecall": _never,
    "Recall": _top_k,
    "RecallAtPrecision": _never,
    "SensitivityAtSpecificity": _never,
    "SpecificityAtSensitivity": _never,
    "TrueNegatives": _never,
    "TruePositives": _never,
}
# The same as functions.
_FUNCTIONS = {
    "binary_accuracy": keras.metrics.binary_accuracy,
    "categorical_generalized_cross_entropy": (
        keras.losses.categorical_generalized_cross_entropy
    ),
    "dice": keras.losses.dice,
    "kl_divergence": keras.metrics.kl_divergence,
    "mean_squared_logarithmic_error": (
        keras.metrics.mean_squared_logarithmic_error
    ),
    "poisson": keras.metrics.poisson,
    "tversky": keras.losses.tversky,
}


def objects(metrics, name="metrics", of_logits=True):
    """Returns metric objects for what `compile` was given, a list.

    Args:
        metrics: None, or a list of `keras.metrics.Metric` objects, names that
            Keras knows, and functions of (targets, outputs).
        name: `"metrics"` or `"weighted_metrics"`.
        of_logits: bool; False where the outputs are images in [0, 1], for
            which Keras' metrics of probabilities are right.

    Raises:
        ValueError: for anything else, and for a metric of probabilities:
            `from_logits` is False, or it is one of Keras' that have no such
            argument. A cross-entropy given by name gets True. For images,
            where `from_logits` is True.
    """
    okay = metrics is None or isinstance(metrics, (list, tuple))
    expected = "a list of metrics of the one output, or None"
    _checks.check(okay, name, expected, metrics)
    # Every algorithm has this one anyway.
    known = "accuracy" if name == "metrics" else None
    return [_object(m, name, of_logits) for m in metrics or () if m != known]


def _object(given, name, of_logits):
    if isinstance(given, str) and given in ("acc", "accuracy"):
        return keras.metrics.CategoricalAccuracy(name=given)
    if isinstance(given, str) and given in ("ce", "crossentropy"):
        kind = keras.metrics.CategoricalCrossentropy
        return kind(name=given, from_logits=of_logits)
    try:
        found = keras.metrics.get(given)
    except (ValueError, TypeError):
        found = None
    expected = "a list of keras.metrics.Metric objects, names or functions"
    hint = "Loss and accuracy are always reported"
    _checks.check(callable(found), name, expected, given, hint)
    if of_logits:
        found = _of_logits(found, given, name)
    else:
        told = isinstance(found, keras.metrics.Metric)
        told = told and found.get_config().get("from_logits", False)
        _checks.check(not told, name, "a metric of images", given)
    if isinstance(given, str):
        found.name = given
    if not isinstance(found, keras.metrics.Metric):
        label = getattr(found, "__name__", type(found).__name__)
        found = keras.metrics.MeanMetricWrapper(found, name=label)
    return found


def _of_logits(found, given, name):
    takes_logits = _takes_logits(found)
    asked = isinstance(given, str) and "crossentropy" in given.lower()
    if asked and not takes_logits:
        return type(found)(from_logits=True)
    expected = "a metric of logits, which are no probabilities"
    hint = "Where it has these arguments, pass the metric as an object with "
    hint += "from_logits=True, top_k, or without a threshold"
    _checks.check(takes_logits, name, expected, given, hint)
    return found


def _takes_logits(metric):
    """Whether a metric says nothing against logits."""
    for kind in type(metric).__mro__:
        takes = _OF_PROBABILITIES.get(kind.__name__)
        if takes is not None and kind.__module__.startswith("keras."):
            # Unless a subclass reads the outputs in a way of its own.
            method = "call" if issubclass(kind, keras.Loss) else "update_state"
            same = getattr(type(metric), method) is getattr(kind, method)
            return takes(metric) if same else True
    if hasattr(metric, "get_config"):
        config = metric.get_config()
        wrapped = config.get("fn")
        if "from_logits" in config or not isinstance(wrapped, dict):
            return config.get("from_logits", True)
        metric = keras.saving.deserialize_keras_object(wrapped)
        return _takes_logits(metric)
    if metric is _FUNCTIONS.get(getattr(metric, "__name__", None)):
        return False
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
