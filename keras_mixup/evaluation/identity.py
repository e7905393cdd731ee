"""What records belong to: models, attacks, defences and data, beside them.

Records of several calls lie in one file. Equal names must mean equal things,
or a table would mix what does not belong together.
"""

import ast
import json
import operator
import pathlib
import zlib

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import attacks as attacks_lib
from keras_mixup._fingerprint import config_of
from keras_mixup._fingerprint import fingerprint
from keras_mixup._fingerprint import former_fingerprint
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.evaluation.records import Records
from keras_mixup.evaluation.records import read_lines
from keras_mixup.threat import ThreatModel

# How many images stand for a callable.
_ASKED = 4
# Answers of one model differ by rounding from machine to machine.
_CLOSE = {"rtol": 1e-3, "atol": 1e-3}
# Of the machine, or of no effect on an answer.
_UNTOLD = ("name", "trainable", "max_inputs", "classifier", "pool", "vae")


def path_of(records_path):
    """Returns the identity file beside a file of records."""
    path = pathlib.Path(records_path)
    if path.name == _files.RECORDS:
        return path.with_name(_files.EVALUATION)
    return path.with_name(f"{path.stem}.{_files.EVALUATION}")


def read_records(path):
    """Returns the `Records` of a file, with the facts that stand beside it.

    Args:
        path: str or path, what `evaluate` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is no record, or the identity is no JSON.
    """
    _checks.check_path(path, "path")
    records, beside = Records(read_lines(path)), path_of(path)
    if beside.is_file():
        found = _read(beside)
        records.defences = found["defences"]
        for column in records.by("column"):
            if column.eps is not None and _key(column) in found["columns"]:
                told = found["columns"][_key(column)]["facts"]
                records.facts[column] = attacks_lib.Facts(**told)
    return records


def _read(path):
    """Returns an identity; what release 0.1 wrote, in the form of today."""
    found = {"columns": {}, "defences": {}, **_files.read_json(path)}
    former = {}
    for key, text in found.get("attacks", {}).items():
        shown, _, targeted = text.rpartition(", targeted=")
        former[key] = _former_facts(shown), targeted
    for budget, settings in found.get("worst_case", {}).items():
        facts = attacks_lib.Facts(settings=settings, worst_case=True)
        former[f"{specs_lib.WORST_CASE}, adaptive, {budget}"] = facts, "none"
    for key, (facts, targeted) in former.items():
        told = {"targeted": targeted, "facts": facts._asdict(), "former": True}
        found["columns"].setdefault(key, told)
    for told in found["defences"].values():
        # The size of a pass changes no answer.
        told.pop("max_inputs", None)
    return found


def _former_facts(shown):
    """The facts of an attack that was written down as its `repr`."""
    try:
        tree = ast.parse(shown, mode="eval")
        return attacks_lib.facts_of(_built(tree.body))
    except (AttributeError, SyntaxError, TypeError, ValueError):
        return attacks_lib.Facts()


def _built(node):
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name = node.func.id
    known = ThreatModel if name == "ThreatModel" else getattr(attacks_lib, name)
    return known(**{k.arg: _built(k.value) for k in node.keywords})


def describe(models, columns, batch, about=None, pool_id=None):
    """Returns the identity of an evaluation, a dict of JSON values.

    Args:
        models: dict name -> callable, as for `evaluate`.
        columns: list of `AttackSpec`.
        batch: `ImageSet`.
        about: dict of JSON values, more that must stay the same.
        pool_id: str that tells the defences' pool from another; None takes
            a fingerprint of it.
    """
    bases = {n: m for n, m in models.items() if not specs_lib.is_defence(m)}
    for base in map(specs_lib.undefended, models.values()):
        if all(base is not other for other in bases.values()):
            bases[f"classifier of {len(bases)}"] = base
    return {
        "about": dict(about or {}),
        "models": {n: _model(m, batch.images) for n, m in bases.items()},
        "defences": settings_of_defences(models, pool_id),
        "columns": {
            _key(spec.column): {
                "column": spec.column._asdict(),
                "targeted": spec.targeted,
                "facts": spec.facts._asdict(),
            }
            for spec in columns
            if spec.knowledge != "none"
        },
        "examples": _examples(batch),
    }


def merged(records_path, found, models):
    """Returns the identity joined with the one on the disk; writes nothing.

    Args:
        records_path: str or path.
        found: dict, from `describe`.
        models: as there.

    Raises:
        ValueError: the records are of something else under the same name.
    """
    path = path_of(records_path)
    if not path.is_file():
        if pathlib.Path(records_path).exists():
            raise ValueError(
                f"{records_path} has no {path.name} beside it, which says how "
                "its records were made. Move it away, or choose another path."
            )
        return found
    before = _read(path)
    place = f"The records in {records_path}"
    _check_former(place, before, models)
    same = {"models": _same_model, "columns": _same_column}
    # Release 0.1 called data what is told about them.
    for part, now in {"data": found["about"], **found}.items():
        equal = same.get(part, operator.eq)
        _check_part(place, part, before.get(part, {}), now, equal)
    joined = {part: {**before.get(part, {}), **found[part]} for part in found}
    return {**before, **joined}


def _check_former(place, before, models):
    """Compares with the classifier as the programs of release 0.1 told it."""
    recorded = before.get("classifier", {}).get("sha256")
    bases = map(specs_lib.undefended, models.values())
    layers = (base for base in bases if isinstance(base, keras.layers.Layer))
    known = list(map(former_fingerprint, layers))
    if recorded and "models" not in before and recorded not in known:
        raise ValueError(
            f"{place} are of another classifier, sha256 {recorded}. Received: "
            f"{', '.join(known)}. Choose another path, or move the "
            "records away."
        )


def _model(model, images):
    if isinstance(model, keras.layers.Layer):
        if not model.built:
            model(images[:1], training=False)
        told = {"class": type(model).__name__, "sha256": fingerprint(model)}
        # Without a configuration, only the answers tell what the class does.
        return told if config_of(model) else {**told, **_answers(model, images)}
    told = attacks_lib.describe(model)
    told = told["class"] if isinstance(told, dict) else told
    return {"class": told, **_answers(model, images)}


def _answers(model, images):
    """Returns {"answers": ...} to a few images, or {} of one that draws."""
    # The same for every set of examples.
    random = np.random.default_rng(0)
    few = random.uniform(size=(_ASKED, *images.shape[1:])).astype("float32")
    answers = [np.asarray(model(few), np.float64) for _ in range(2)]
    if not np.array_equal(*answers):
        # It draws, or gives NaN: its answers say nothing of it.
        return {}
    return {"answers": np.round(answers[0], 6).tolist()}


def settings_of_defence(defence, pool_id=None):
    """Returns the settings of a defence, a dict of JSON values.

    Args:
        defence: a defence; its classifier is left out.
        pool_id: str that tells its pool; None takes a fingerprint of it.
    """
    known = isinstance(defence, keras.layers.Layer)
    config = config_of(defence) if known else None
    if config is not None:
        config = {k: v for k, v in config.items() if k not in _UNTOLD}
    else:
        # Of a layer, what every layer has says nothing of the defence.
        usual = vars(keras.layers.Layer()) if known else ()
        config = {
            key: value
            for key, value in vars(defence).items()
            if isinstance(value, (bool, int, float, str)) and key not in usual
        }
    config["class"] = type(defence).__name__
    pool, vae = (getattr(defence, name, None) for name in ("pool", "vae"))
    if pool is not None:
        known = isinstance(pool, keras.layers.Layer)
        told = fingerprint(pool) if known else attacks_lib.describe(pool)
        config["pool"] = pool_id or told
    if vae is not None:
        config["vae"] = fingerprint(vae)
    return json.loads(json.dumps(config, default=str))


def settings_of_defences(models, pool_id=None):
    """Returns dict name -> `settings_of_defence`, of the defences alone."""
    return {
        name: settings_of_defence(model, pool_id)
        for name, model in models.items()
        if specs_lib.is_defence(model)
    }


def _key(column):
    """What `AttackSpec`s of one name are told by in the file."""
    attack, knowledge, norm, eps = column
    return f"{attack}, {knowledge}, {norm} {eps:.6g}"


def _examples(batch):
    """A digest of each image with its label, by example id."""
    shown = {}
    for image, label, example in zip(*batch, strict=True):
        if image.dtype != np.uint8:
            # Scaled bytes are the same image.
            image = np.round(255.0 * image, 3)
        digest = zlib.crc32(image.astype(np.float32).tobytes())
        shown[str(example)] = f"{digest:08x} {label}"
    return shown


def _same_model(before, now):
    if before.get("sha256") != now.get("sha256"):
        return False
    if "answers" not in before or "answers" not in now:
        return before["class"] == now["class"]
    pair = [np.asarray(part["answers"]) for part in (before, now)]
    return pair[0].shape == pair[1].shape and np.allclose(*pair, **_CLOSE)


def _same_column(before, now):
    recorded, given = before["facts"]["settings"], now["facts"]["settings"]
    if "former" in before:
        given = {key: given[key] for key in given if key != "plain"}
        if now["facts"]["worst_case"]:
            given["attacks"] = [column[0] for column in given["attacks"]]
    return (before["targeted"], recorded) == (now["targeted"], given)


def _check_part(place, part, before, now, same):
    for name in sorted(before.keys() & now.keys()):
        if not same(before[name], now[name]):
            raise ValueError(
                f"{place} are of another thing: {part}, {name}. Recorded: "
                f"{_shown(before[name])}. Received: {_shown(now[name])}. "
                "Choose another name or another path, or move the records "
                "away."
            )


def _shown(entry):
    if isinstance(entry, dict):
        entry = entry.get("facts", entry)
        entry = entry.get("settings", entry)
    text = json.dumps(entry)
    return text if len(text) <= 400 else f"{text[:400]}..."
