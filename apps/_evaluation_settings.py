"""evaluation.json: how the records of a run folder were made.

Records of several calls lie in one file; equal names must mean equal
settings, or a table would mix what does not belong together.
"""

import hashlib
import json
import pathlib

from apps import _common
from apps import _run_folder

SETTINGS = "evaluation.json"
RECORDS = "records.jsonl"
PICTURES = "pictures.npz"


def describe(flags, path, classifier, specs, defences, pool_text):
    """Returns what evaluation.json holds of this call.

    Args:
        flags: the parsed flag values.
        path: path of the .keras file.
        classifier: keras.Model, what was loaded from it.
        specs: list of `AttackSpec`.
        defences: dict label -> defence.
        pool_text: str, what tells the defences' pool from another one.
    """
    return {
        "classifier": {"file": str(path), "sha256": fingerprint(classifier)},
        "data": {"dataset": flags.dataset, "split": flags.split},
        "attacks": {
            f"{s.name}, {s.knowledge}, {s.column[2]} {s.column[3]:.6g}": (
                f"{s.attack!r}, targeted={s.targeted}"
            )
            for s in specs
            if s.attack is not None
        },
        "defences": {
            label: plain_config(defence, pool_text)
            for label, defence in defences.items()
        },
    }


def fingerprint(model):
    """Returns the sha256 of a Keras model's configuration and weights.

    The file itself would not do: it holds the time at which it was written.
    """
    config = json.dumps(model.get_config(), sort_keys=True, default=str)
    digest = hashlib.sha256(config.encode())
    for values in model.get_weights():
        digest.update(str((values.shape, values.dtype)).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def pool_text(example_ids):
    """Returns what tells a defence's pool from another one.

    Args:
        example_ids: int array, of the pool's images in the train split.
    """
    digest = hashlib.sha256(example_ids.astype("int64").tobytes())
    text = f"{len(example_ids)} images of the train split"
    return f"{text}, ids sha256 {digest.hexdigest()[:16]}"


def plain_config(defence, pool_text):
    """Returns the defence's settings as evaluation.json holds them, a dict.

    Args:
        defence: a `keras_mixup.inference` layer.
        pool_text: str, from `pool_text`; left out without a pool.
    """
    config = {
        key: value
        for key, value in defence.get_config().items()
        if key not in ("classifier", "pool", "vae", "name", "trainable")
    }
    config["class"] = type(defence).__name__
    if getattr(defence, "pool", None) is not None:
        config["pool"] = pool_text
    if getattr(defence, "vae", None) is not None:
        config["vae"] = fingerprint(defence.vae)
    return json.loads(json.dumps(config))


def merge_settings(run_dir, settings):
    """Returns `settings` joined with those of earlier calls; writes nothing.

    Args:
        run_dir: path.
        settings: dict, from `describe`.

    Raises:
        UsageError: when existing records were made with other settings under
            the same name.
    """
    file = pathlib.Path(run_dir) / SETTINGS
    if not file.is_file():
        if (pathlib.Path(run_dir) / RECORDS).exists():
            raise _common.UsageError(
                f"{run_dir} has {RECORDS} but no {SETTINGS}, which says how "
                "they were made. Move them away, or use another --run_dir."
            )
        return settings
    before = json.loads(file.read_text("utf-8"))
    _check_equal(run_dir, "classifier", before, settings, ("sha256",))
    _check_equal(run_dir, "data", before, settings, ("dataset", "split"))
    merged = {**before, **settings}
    for part in ("attacks", "defences", "worst_case"):
        now = settings.get(part, {})
        shared = before.get(part, {}).keys() & now.keys()
        _check_equal(run_dir, part, before, settings, sorted(shared))
        merged[part] = {**before.get(part, {}), **now}
    return merged


def _check_equal(run_dir, part, before, now, names):
    for name in names:
        if before.get(part, {}).get(name) != now[part][name]:
            raise _common.UsageError(
                f"The records in {run_dir} were made with another setting of "
                f"{part}, {name}: {before.get(part, {}).get(name)}. Received: "
                f"{now[part][name]}. Move {RECORDS} and {SETTINGS} away, or "
                "use another --run_dir."
            )


def write_settings(run_dir, settings, run):
    """Writes evaluation.json: the settings and one entry per call.

    Args:
        run_dir: path of an existing folder.
        settings: dict, from `merge_settings`.
        run: dict, from `_common.describe_run`.
    """
    calls = [*settings.get("calls", []), run]
    value = {**settings, "calls": calls}
    _run_folder.write_json(pathlib.Path(run_dir) / SETTINGS, value)
