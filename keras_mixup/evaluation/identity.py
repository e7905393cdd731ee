"""What records belong to: models, attacks, defences and data, beside them.

Records of several calls lie in one file. Equal names must mean equal things,
or a table would mix what does not belong together.
"""

import copy
import hashlib
import json
import operator
import pathlib

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup import attacks as attacks_lib
from keras_mixup._fingerprint import UNIDENTIFIED
from keras_mixup._fingerprint import describe as describe_object
from keras_mixup._fingerprint import fingerprint
from keras_mixup._fingerprint import former_fingerprint
from keras_mixup._fingerprint import is_configured
from keras_mixup._fingerprint import is_ours
from keras_mixup._fingerprint import is_told
from keras_mixup._fingerprint import unidentified
from keras_mixup.attacks import evidence as evidence_lib
from keras_mixup.attacks.facts import facts_of_text
from keras_mixup.data import arrays
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.evaluation.records import Records
from keras_mixup.evaluation.records import Row
from keras_mixup.evaluation.records import read_lines
from keras_mixup.inference.described import settings_of_defence

# How many images stand for a callable.
_ASKED = 4
# Answers of one model differ by rounding from machine to machine.
_CLOSE = {"rtol": 1e-3, "atol": 1e-3}
# In the entry of a defence, beside its settings.
BESIDE = ("classifier", "answers", "unconfigured", UNIDENTIFIED)
_NO_IDENTITY = (
    "cannot be told from another of its name. Define it at the top level of a "
    "module, and give it attributes or a `get_config` that returns its "
    "settings."
)


def path_of(records_path):
    """Returns the identity file beside a file of records."""
    path = pathlib.Path(records_path)
    if path.name == _files.RECORDS:
        return path.with_name(_files.EVALUATION)
    return path.with_name(f"{path.stem}.{_files.EVALUATION}")


def read_records(path: _types.Path) -> Records:
    """Returns the `Records` of a file, with what stands beside it.

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
        columns = list(records.by("column"))
        records.evidence = evidence_of(found, columns)
        records.defences = {
            name: {k: v for k, v in told.items() if k not in BESIDE}
            for name, told in found["defences"].items()
        }
        for column in columns:
            if column.eps is not None and _key(column) in found["columns"]:
                told = found["columns"][_key(column)]["facts"]
                records.facts[column] = attacks_lib.Facts(**told)
    return records


def marks_beside(path):
    """Returns dict name -> digest of each evaluated model and defence.

    They tell to which models another file in the folder belongs.

    Args:
        path: str or path of that file. The result is {} without an
            evaluation.json beside it, and with one of release 0.1.
    """
    path = pathlib.Path(path).with_name(_files.EVALUATION)
    found = _read(path) if path.is_file() else {}
    told = {**found["models"], **found["defences"]} if "models" in found else {}
    return {name: _digest(own) for name, own in told.items()}


def is_current(recorded, path):
    """Whether a file belongs to the models of the evaluation.json beside it.

    Args:
        recorded: dict, `marks_beside` when the file was written; {} if
            unknown.
        path: str or path of the file.
    """
    now = marks_beside(path)
    common = recorded.keys() & now.keys()
    same = bool(common) and all(recorded[n] == now[n] for n in common)
    return same or not now


def _digest(told):
    """Of an entry but for its answers, which are rounded."""
    told = {key: told[key] for key in told if key != "answers"}
    text = json.dumps(told, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def evidence_of(found, columns):
    """Returns dict (`Row`, `Column`) -> `Evidence`, from an identity."""
    told = found.get("evidence", {})
    return {
        (Row(model, defence), column): evidence_lib.from_json(value)
        for column in columns
        if column.eps is not None
        for model, own in told.get(_key(column), {}).items()
        for defence, value in own.items()
    }


def with_evidence(found, evidence):
    """Returns the identity `found` with the evidence added, for JSON."""
    told = copy.deepcopy(found.get("evidence", {}))
    for (row, column), own in evidence.items():
        place = told.setdefault(_key(column), {}).setdefault(row.model, {})
        place[row.defence] = own
    return {**found, "evidence": json.loads(json.dumps(told))}


def _read(path):
    """Returns an identity; what release 0.1 wrote, in the form of today."""
    found = {"columns": {}, "defences": {}, **_files.read_json(path)}
    former = {}
    for key, text in found.get("attacks", {}).items():
        shown, _, targeted = text.rpartition(", targeted=")
        former[key] = facts_of_text(shown), targeted
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


def describe(
    models, columns, batch, about=None, pool_id=None, model_name="classifier"
):
    """Returns the identity of an evaluation, a dict of JSON values.

    Args:
        models: dict name -> callable, as for `evaluate`.
        columns: list of `AttackSpec`.
        batch: `ImageSet`.
        about: dict of JSON values, more that must stay the same.
        pool_id: str that tells the defences' pool from another; None takes
            a fingerprint of it.
        model_name: str, as for `evaluate`.
    """
    rows, bases = specs_lib.classifiers(models, model_name)
    told = {n: _model(m, batch.images) for n, m in bases.items()}
    defences = settings_of_defences(models, pool_id)
    for name, own in defences.items():
        own.update(_beside(models[name], batch.images))
        own["classifier"] = _digest(told[rows[name].model])
    return {
        "about": dict(about or {}),
        "models": told,
        "defences": defences,
        "columns": {
            _key(spec.column): {
                "column": spec.column._asdict(),
                "targeted": spec.targeted,
                "facts": spec.facts._asdict(),
            }
            for spec in columns
            if spec.knowledge != "none"
        },
        "examples": arrays.digests(batch),
    }


def merged(records_path, found, models, records):
    """Returns the identity joined with the one on the disk; writes nothing.

    Args:
        records_path: str or path.
        found: dict, from `describe`.
        models: as there.
        records: those of the file. Without any, what stands beside them
            belongs to nothing.

    Raises:
        ValueError: the records are of something else under the same name.
    """
    path = path_of(records_path)
    if not records:
        return found
    if not path.is_file():
        raise ValueError(
            f"{records_path} has no {path.name} beside it, which says how "
            "its records were made. Move it away, or choose another path."
        )
    before = _read(path)
    place = f"The records in {records_path}"
    _check_former(place, before, models)
    _name_hidden(before, found)
    same = dict.fromkeys(("models", "defences"), _same_model)
    same["columns"] = _same_column
    # Release 0.1 had the entry `about` under the name `data`.
    for part, now in {"data": found["about"], **found}.items():
        equal = same.get(part, operator.eq)
        _check_part(place, part, before.get(part, {}), now, equal)
    joined = {part: {**before.get(part, {}), **found[part]} for part in found}
    return {**before, **joined}


def joined(identities, records):
    """Returns the identity of records that were made apart.

    Args:
        identities: list of dicts, what stands beside each part.
        records: `Records`, all of them.

    Raises:
        ValueError: the parts are of different things.
    """
    told, evidence, columns = {}, {}, list(records.by("column"))
    for other in identities:
        for part, equal in _SAME.items():
            before, now = told.setdefault(part, {}), other.get(part, {})
            _check_part("The first shards", part, before, now, equal)
            told[part] = {**now, **before}
        for place, own in evidence_of(other, columns).items():
            known = evidence.get(place, evidence_lib.Evidence())
            evidence[place] = known.plus(own)
    calls = [call for found in identities for call in found.get("calls", [])]
    told = {**identities[0], **told, **({"calls": calls} if calls else {})}
    told.pop("evidence", None)
    return with_evidence(told, evidence)


def _name_hidden(before, found):
    """Names a classifier that was called by its number, in place.

    Defences did not say then which classifier they have. Since they do, such a
    name is one that a user chose.
    """
    models, defences = before.get("models", {}), before["defences"].values()
    if not defences or any("classifier" in own for own in defences):
        return
    former = [n for n in models if n.startswith("classifier of ")]
    hidden = found["models"].keys() - models.keys()
    if len(former) == 1 and len(hidden) == 1:
        models[hidden.pop()] = models.pop(former[0])


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
        # Elsewhere only the answers tell what foreign code does.
        return told if is_told(model) else {**told, **_beside(model, images)}
    told = describe_object(model)
    name = told["class"] if isinstance(told, dict) else told
    answers = _answers(model, images)
    return {"class": name, **(answers or {"settings": told})}


def _beside(model, images):
    """What tells foreign code beside its settings: its answers."""
    layer = isinstance(model, keras.layers.Layer)
    if is_ours(model) and (specs_lib.is_defence(model) or not layer):
        return {}
    told = _answers(model, images)
    if not (layer and is_configured(model)):
        told = {"unconfigured": True, **(told or {UNIDENTIFIED: True})}
    return told


def _answers(model, images):
    """Returns {"answers": ...} to a few images, or {} of one that draws."""
    # The same for every set of examples.
    random = np.random.default_rng(0)
    few = random.uniform(size=(_ASKED, *images.shape[1:])).astype("float32")
    options = {}
    if specs_lib.is_randomized(model):
        options["seed"] = scoring.row_seeds(0, np.arange(_ASKED))
    answers = [np.asarray(model(few, **options), np.float64) for _ in range(2)]
    if not np.array_equal(*answers):
        # It draws, or gives NaN: its answers say nothing of it.
        return {}
    return {"answers": np.round(answers[0], 6).tolist()}


def settings_of_defences(models, pool_id=None):
    """Returns dict name -> `settings_of_defence`, of the defences alone."""
    return {
        name: settings_of_defence(model, pool_id)
        for name, model in models.items()
        if specs_lib.is_defence(model)
    }


def _key(column):
    """The key of a column in the file."""
    attack, knowledge, norm, eps = column
    return f"{attack}, {knowledge}, {norm} {eps:.6g}"


def _same_model(before, now):
    if unidentified(before) or unidentified(now):
        return False
    before, now = dict(before), dict(now)
    pair = [told.pop("answers", None) for told in (before, now)]
    weak = [told.pop("unconfigured", False) for told in (before, now)]
    for told in (before, now):
        # The part about models compares it.
        told.pop("classifier", None)
    if before != now:
        return False
    if None in pair:
        # Without answers the rest must tell: settings, or a fingerprint.
        return not any(weak) and len(now) > 1
    pair = [np.asarray(answers) for answers in pair]
    return pair[0].shape == pair[1].shape and np.allclose(*pair, **_CLOSE)


def _same_column(before, now):
    recorded, given = before["facts"]["settings"], now["facts"]["settings"]
    if "former" in before:
        given = {key: given[key] for key in given if key != "plain"}
        if now["facts"]["worst_case"]:
            given["attacks"] = [column[0] for column in given["attacks"]]
    if unidentified(recorded) or unidentified(given):
        return False
    return (before["targeted"], recorded) == (now["targeted"], given)


# How entries of the same name are compared, part by part.
_SAME = {
    "about": operator.eq,
    "models": _same_model,
    "defences": _same_model,
    "columns": _same_column,
    "examples": operator.eq,
}


def _check_part(place, part, before, now, same):
    for name in sorted(before.keys() & now.keys()):
        if not same(before[name], now[name]):
            unknown = unidentified(now[name])
            raise ValueError(
                f"{place} are of another thing: {part}, {name}. Recorded: "
                f"{_shown(before[name])}. Received: {_shown(now[name])}. "
                + (f"{unknown} {_NO_IDENTITY} " if unknown else "")
                + "Choose another name or another path, or move the records "
                "away."
            )


def _shown(entry):
    if isinstance(entry, dict):
        entry = entry.get("facts", entry)
        entry = entry.get("settings", entry)
    text = json.dumps(entry)
    return text if len(text) <= 400 else f"{text[:400]}..."
