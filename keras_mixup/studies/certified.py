"""Certified accuracy over the radius, of every certifiable defence."""

import inspect
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mixup import _files
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.data import arrays
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import line_colour
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

# Images between two writes of the file.
_CHUNK = 10
_CERTIFY = inspect.signature(inference.RandomizedSmoothing.certify)
# A row has all options: one that is left out means its default.
_DEFAULTS = {
    name: parameter.default
    for name, parameter in _CERTIFY.parameters.items()
    if parameter.default is not parameter.empty
}


def certificate_rows(
    models: Mapping[str, _tensors.ModelFn],
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike,
    *,
    example_ids: _tensors.ArrayLike | None = None,
    path: _types.Path | None = None,
    **certify_options: Any,
) -> list[_types.Json]:
    """Certifies the images with every `RandomizedSmoothing` among the models.

    An image's votes depend on its id and the seed, not on the other images.

    Args:
        models: dict name -> model; others than `RandomizedSmoothing` are
            left out.
        images: uint8 [n, H, W, C] or floats in [0, 1].
        labels: int [n].
        example_ids: int [n], all different, or None for 0..n-1.
        path: str or path, a JSON-lines file that keeps what is done and is
            continued, or None. A row of it stands for an example of the same
            id, image and label under the same model and options.
        **certify_options: `num_draws`, `alpha`, `num_selection_draws` and
            `seed` (int) of `RandomizedSmoothing.certify`.

    Returns:
        list of dicts, one for each model and image: `model`, `example_id`,
        `label`, `predicted` (-1: abstained), `radius` (L2), `bound`,
        `stddev`, all options, `fingerprint` of the classifier and `example`,
        a digest of image and label.

    Raises:
        ValueError: for bad images, labels or options; the file has lines that
            are no such rows.
    """
    examples = data.image_set(images, labels, example_ids)
    path = None if path is None else pathlib.Path(path)
    kept = [] if path is None or not path.is_file() else _files.read_lines(path)
    shown = arrays.digests(examples)
    options = {**_DEFAULTS, **certify_options}
    rows = []
    for name, model in models.items():
        if not isinstance(model, inference.RandomizedSmoothing):
            continue
        common = {
            "model": name,
            "fingerprint": evaluation.fingerprint(model.classifier),
            "stddev": model.stddev,
            **options,
        }
        done = {
            row["example_id"]: row
            for row in kept
            if common.items() <= row.items()
            and row.get("example", "") == shown.get(str(row["example_id"]))
        }
        for chunk in _chunks(examples, done):
            made = _certify(model, chunk, common, options)
            done.update({row["example_id"]: row for row in made})
            if path is not None:
                _files.append_lines(path, made)
        rows += [done[int(i)] for i in examples.example_ids]
    return rows


def _chunks(examples, done):
    """Yields the examples that are not done, `_CHUNK` at a time."""
    places = [
        place for place, i in enumerate(examples.example_ids) if i not in done
    ]
    for start in range(0, len(places), _CHUNK):
        picked = places[start : start + _CHUNK]
        yield data.ImageSet(*(part[picked] for part in examples))


def _certify(model, examples, common, options):
    seed = ops.seed_pair(options["seed"])
    seeds = [ops.fold_in(seed, int(i)).numpy() for i in examples.example_ids]
    found = model.certify(
        data.as_float(examples.images), **{**options, "seed": np.stack(seeds)}
    )
    shown = arrays.digests(examples)
    columns = zip(examples.example_ids, examples.labels, *found, strict=True)
    return [
        {
            **common,
            "example_id": int(i),
            "example": shown[str(i)],
            "label": int(label),
            "predicted": int(predicted),
            "radius": float(radius),
            "bound": float(bound),
        }
        for i, label, predicted, radius, bound in columns
    ]


def certified_accuracy(rows: Sequence[_types.Json], radius: float) -> float:
    """Returns the share of rows that are right and certified to `radius`.

    Args:
        rows: of one model, as `certificate_rows` returns them.
        radius: float, L2.
    """
    right = [
        row["predicted"] == row["label"] and row["radius"] >= radius
        for row in rows
    ]
    return float(np.mean(right))


@themed
def certified_figure(rows):
    """Certified accuracy over the L2 radius, a curve for each defence."""
    figure, axes = new_figure(1, 1, (6.4, 4.2))
    axis = axes[0][0]
    for place, (name, own) in enumerate(grouped(rows, "model").items()):
        ends = sorted(r["radius"] for r in own if r["predicted"] == r["label"])
        # Each step of the curve is one image.
        radii = [0.0, *np.repeat(ends, 2)]
        left = np.arange(len(ends), 0, -1) - 1
        shares = [len(ends), *np.stack([left + 1, left], -1).reshape(-1)]
        axis.plot(
            radii,
            100.0 * np.asarray(shares) / len(own),
            color=line_colour(place),
            label=f"{name}, {len(own)} images",
        )
    axis.set_ylim(0, 100)
    axis.set_xlim(left=0)
    axis.set_xlabel("radius of the ball (L2, pixels in [0, 1])")
    axis.set_ylabel("certified accuracy (%)")
    axis.legend(loc="upper right")
    return figure


@registry.register("study", "certified", label="Certified accuracy")
class Certified(base.Study):
    """Randomized smoothing, certified image by image."""

    caption = (
        "The share of images whose class is right, and proven not to change "
        "within the radius by any perturbation. The proof holds for the "
        "majority vote over noise, with the stated chance of error for each "
        "image. It says nothing about other norms."
    )
    needs_defences = True

    @staticmethod
    def make(context):
        return certificate_rows(
            context.models,
            *context.image_set[:2],
            example_ids=context.image_set.example_ids,
            path=context.folder / "certificates.jsonl",
            **context.certify_options,
        )

    draw = staticmethod(certified_figure)
