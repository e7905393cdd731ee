"""VarMixup's calibration error: confidence beside accuracy, on clean images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import data
from keras_mixup import registry
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.metrics import calibration
from keras_mixup.studies import base
from keras_mixup.studies.drawing import legend_beside
from keras_mixup.studies.drawing import line
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed


def calibration_rows(
    models: Mapping[str, _tensors.ModelFn],
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike,
    *,
    num_bins: int = 15,
    batch_size: int = 128,
    seed: int = 0,
) -> list[_types.Json]:
    """Returns the expected calibration error of each model.

    Args:
        models: dict name -> callable from images to logits, or a defence.
        images: uint8 [n, H, W, C] or floats in [0, 1].
        labels: int [n].
        num_bins: int >= 1, bins of confidence of equal width.
        batch_size: int, rows per step; the last batch is padded.
        seed: int, of the defences' draws.

    Returns:
        list of dicts: `model`, `error` (as
        `metrics.ExpectedCalibrationError`), `accuracy`, `confidence` (the
        mean), `num_bins`, `num_examples`; `bins`, a list of (number of
        images, their accuracy, their mean confidence) of each bin that has
        any; `values`, lists `confidence` and `right` over the images.

    Raises:
        ValueError: for unusable images, or a number of bins below 1.

    Source: VarMixup, section 5, calibration error.
    """
    num_bins = _checks.check_integer(num_bins, "num_bins")
    examples = data.image_set(images, labels)
    size = min(batch_size, len(examples.labels))
    batches = list(data.padded_batches(examples, size))
    rows: list[_types.Json] = []
    for name, model in models.items():
        confidence, right = _answers(model, batches, seed)
        bins = calibration.confidence_bins(confidence, right, num_bins)
        row = {
            "model": name,
            "error": calibration.calibration_error(confidence, right, num_bins),
            "accuracy": float(right.mean()),
            "confidence": float(confidence.mean()),
            "num_bins": num_bins,
            "num_examples": len(right),
            "bins": [own for own in bins if own[0]],
            "values": {
                "confidence": confidence.tolist(),
                "right": right.tolist(),
            },
        }
        rows.append(row)
    return rows


def _answers(model, batches, seed):
    """The largest probabilities and whether they are right, [n] each."""
    answer, parts = scoring.scoring_function(model), []
    draws = specs_lib.is_randomized(model)
    for batch in batches:
        seeds = scoring.row_seeds(seed, batch.example_ids) if draws else None
        found = np.asarray(tf.nn.softmax(answer(batch.images, seeds)))
        right = found.argmax(axis=-1) == batch.labels
        parts.append((found.max(axis=-1)[: batch.size], right[: batch.size]))
    confidence, right = map(np.concatenate, zip(*parts, strict=True))
    return confidence.astype(np.float64), right


@themed
def calibration_figure(rows: list[_types.Json]) -> Any:
    """Draws accuracy over confidence, a line for each model."""
    figure, axes = new_figure(1, 1, (6.6, 4.2))
    axis = axes[0][0]
    axis.plot([0, 1], [0, 1], ":", color="gray", linewidth=1)
    for place, row in enumerate(rows):
        _, accuracy, confidence = zip(*row["bins"], strict=True)
        label = f"{row['model']} (ECE {row['error']:.3f})"
        line(axis, place, confidence, accuracy, label)
    axis.set(
        xlabel="mean confidence of a bin",
        ylabel="accuracy of a bin",
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
    )
    legend_beside(axis)
    return figure


@registry.register("study", "calibration", label="Accuracy over confidence")
class Calibration(base.Study):
    """The calibration error of every model."""

    caption = (
        "Clean images in bins of confidence. A model is calibrated where its "
        "line lies on the diagonal: below it is too sure, above it too "
        "unsure. ECE, the expected calibration error, is the mean distance "
        "from the diagonal over the images. That of few images is biased "
        "upwards."
    )

    @staticmethod
    def make(context):
        return calibration_rows(
            context.models,
            *context.image_set[:2],
            batch_size=context.batch_size,
            seed=context.eval_seeds[0],
        )

    draw = staticmethod(calibration_figure)
