"""The model card: what is served, how it was chosen and how it was measured."""

import datetime
import inspect
import re

import numpy as np

from keras_mixup import _tables
from keras_mixup import _versions
from keras_mixup.export import describe

_CAUTION = """\
The defence is random. Published re-evaluations attacked Mixup Inference
through the defence and found it no stronger than the classifier without it.
Judge the defence by the adaptive accuracy alone."""

_VERSIONED = ("keras_mixup", "keras", "numpy", "tensorflow")
# Parts of the card that its first table does not show.
_OWN_PLACE = (
    "name",
    "signatures",
    "evaluation",
    "evaluation_left_out",
    "robustness_card",
)


def make_card(folder, target, model_name, extra):
    """Returns the card as a dict of JSON values.

    Args:
        folder: path of the SavedModel.
        target: `ExportTarget`.
        model_name: str.
        extra: dict of JSON values that the caller adds. Some keys have their
            own place: `"threshold"`, a str, says how it was chosen;
            `"evaluation"` and `"robustness_card"` are dicts whose `"text"` is
            Markdown; `"evaluation_left_out"`, a str, is a reason.
    """
    found = describe.describe_saved_model(folder)
    vae = getattr(target.defence, "vae", None)
    extra = dict(extra)
    chosen = extra.pop("threshold", "given, or the default; not measured")
    now = datetime.datetime.now(datetime.timezone.utc)
    card = {
        "name": model_name,
        "created": now.isoformat(timespec="seconds"),
        "classifier": {
            **_model(target.classifier),
            "image_shape": list(target.image_shape),
            "compute_dtype": target.compute_dtype,
        },
        "defence": _defence(target.defence),
        "autoencoder": _model(vae) if vae is not None else None,
        "pool": _pool(target.pool),
        "detector": None,
        "signatures": _signatures(found),
        "variable_bytes": found.variable_bytes,
        "refused": "image values that are NaN, infinite or outside [0, 1]",
        "versions": _versions.versions(*_VERSIONED),
        **extra,
    }
    if target.has_detector:
        value = float(np.float32(target.threshold))
        card["detector"] = {"threshold": value, "chosen": chosen}
    return card


def _model(model):
    return {
        "type": type(model).__name__,
        "name": model.name,
        "parameters": model.count_params(),
    }


def _defence(defence):
    if defence is None:
        return None
    settings = {"type": type(defence).__name__}
    for name in inspect.signature(type(defence).__init__).parameters:
        value = getattr(defence, name, None)
        if name in ("self", "kwargs") or not _is_plain(value):
            continue
        settings[name] = list(value) if isinstance(value, tuple) else value
    return settings


def _is_plain(value):
    if isinstance(value, (tuple, list)):
        return all(_is_plain(entry) for entry in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _pool(pool):
    if pool is None:
        return None
    return {
        "rows": sum(pool.class_counts),
        "rows_per_class": list(pool.class_counts),
        "row_shape": list(pool.sample_shape),
        "stored_as": pool.storage_dtype,
    }


def _signatures(found):
    return {
        name: {
            "inputs": _tensors(inputs),
            "outputs": _tensors(outputs),
            "graph_bytes": found.graph_bytes[name],
        }
        for name, (inputs, outputs) in sorted(found.signatures.items())
    }


def _tensors(specs):
    return {n: [s.dtype.name, s.shape.as_list()] for n, s in specs.items()}


def to_markdown(card):
    """Returns the card as Markdown text."""
    parts = [f"# {card['name']}\n"]
    rows = [(k, _text(v)) for k, v in card.items() if k not in _OWN_PLACE]
    parts.append(_tables.to_markdown([("", ""), *rows]))
    parts.append("## Signatures\n")
    rows = [
        (
            f"`{name}`",
            _forms(form["inputs"]),
            _forms(form["outputs"]),
            f"{form['graph_bytes'] / 1e3:.1f}",
        )
        for name, form in card["signatures"].items()
    ]
    header = ("signature", "inputs", "outputs", "graph kB")
    parts.append(_tables.to_markdown([header, *rows]))
    parts.append("## Evaluation\n")
    parts.append(_evaluation(card))
    if card.get("robustness_card"):
        parts.append("## Robustness card\n")
        parts.append(f"{_below(card['robustness_card']['text'])}\n")
    if card["defence"] is not None:
        parts.append(f"{_CAUTION}\n")
    return "\n".join(parts)


def _forms(tensors):
    shown = []
    for name, (dtype, shape) in tensors.items():
        sides = ", ".join("B" if side is None else str(side) for side in shape)
        shown.append(f"{name} {dtype} [{sides}]")
    return ", ".join(shown)


def _evaluation(card):
    if card.get("evaluation"):
        return f"{card['evaluation']['text'].strip()}\n"
    reason = card.get("evaluation_left_out")
    shown = f"Left out: {reason}." if reason else "Not measured."
    return f"{shown} Nothing follows about its robustness.\n"


def _below(markdown):
    """Lowers the headings of a page by two levels."""
    return re.sub(r"^(#+ )", r"##\1", markdown.strip(), flags=re.M)


def _text(value):
    """Shows a value of the card in one cell of a table."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        pairs = (f"{k}: {_text(v)}" for k, v in value.items())
        return "; ".join(pairs)
    if isinstance(value, list):
        return ", ".join(_text(v) for v in value)
    return str(value).replace("\n", " ")
