"""report.html: one file, no outside resources, made from a run folder."""

import base64
import functools
import html
import json
import pathlib
import string

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup import _versions
from keras_mixup import studies as studies_lib
from keras_mixup.evaluation import identity
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import red_flags
from keras_mixup.evaluation.labels import column_label
from keras_mixup.evaluation.labels import row_label
from keras_mixup.reporting import _html
from keras_mixup.reporting import class_table
from keras_mixup.reporting import confusion
from keras_mixup.reporting import eps_curves
from keras_mixup.reporting import figures
from keras_mixup.reporting import pictures as pictures_lib
from keras_mixup.reporting import tables
from keras_mixup.reporting import verdicts
from keras_mixup.reporting import worst_case_table
from keras_mixup.reporting._page import PAGE

CAVEAT = (
    "An oblivious attacker does not know the defence: the adversarial images "
    "are made on the bare classifier, and every model classifies them. An "
    "adaptive attacker differentiates through the defence and averages over "
    "its randomness. Only the adaptive accuracy measures robustness. It is an "
    "upper bound: a better attack can only lower it. An independent "
    "re-evaluation of Mixup Inference (Tramer et al., 2020) attacked through "
    "the defence and found no gain over the undefended classifier. "
    "RobustBench excludes randomised defences, so these numbers cannot be "
    "compared with its leaderboard."
)
_NO_PLOTS = (
    "This report has no pictures because matplotlib is not installed. Run "
    "pip install matplotlib and write the report again."
)
_CONFUSION = (
    "Rows are true classes, columns the predicted ones. The attacked ones are "
    "under the worst attack that was measured on the model."
)
_VERSIONED = ("tensorflow", "keras", "numpy", "cleverhans", "keras_mixup")


def write_report(run_dir: _types.Path, title: str | None = None) -> str:
    """Writes `report.html` into a run folder from the files found there.

    The tables, verdicts and the chart are made from records.jsonl, the
    training curves from metrics.jsonl, the image grid from pictures.npz, the
    settings from config.json and evaluation.json. The section of a missing
    file is left out. Without matplotlib the pictures are left out, and the
    report says how to install it.

    Args:
        run_dir: str, an existing folder.
        title: str, the heading; None takes the folder's name.

    Returns:
        str, the path of the report; an older one is replaced atomically.

    Raises:
        FileNotFoundError: when the folder has no records and no metrics.
    """
    run_dir = pathlib.Path(_checks.check_path(run_dir, "run_dir"))
    records = _read(run_dir, _files.RECORDS, identity.read_records) or []
    metrics = _read(run_dir, _files.METRICS, _files.read_lines) or []
    if not records and not metrics:
        raise FileNotFoundError(
            f"{run_dir} has neither {_files.RECORDS} nor {_files.METRICS} to "
            "report on."
        )
    probed = red_flags.read(run_dir / _files.RED_FLAGS)
    pictures = _read(run_dir, _files.PICTURES, pictures_lib.read_current)
    sections = [
        *_results(records, probed, _class_names(run_dir)),
        *_over_eps(records, probed),
        *_red_flags(records, probed),
        *_drawings(records, metrics, pictures),
        *_studies(studies_lib.read_studies(run_dir)),
        *_settings(run_dir),
    ]
    page = string.Template(PAGE).substitute(
        title=html.escape(title or run_dir.resolve().name),
        body="\n".join(sections),
    )
    path = run_dir / _files.REPORT
    _files.write_text(path, page)
    return str(path)


def _class_names(run_dir):
    found = _read(run_dir, _files.EVALUATION, _files.read_json) or {}
    return found.get("about", {}).get("class_names", ())


def _results(records, probed, class_names):
    if not records:
        return
    table = tables.accuracy_table(records)
    yield "<h2>Accuracy</h2>"
    yield tables.to_html(table)
    csv_text = tables.to_csv(records)
    yield _html.download("accuracy.csv", csv_text, "Download as CSV")
    worst = worst_case_table.rows(records, probed)
    if worst:
        yield "<h2>Worst case over the attacks, per example</h2>"
        header = worst_case_table.HEADER
        yield _html.table(header, worst, _kinds(header))
    by_class = class_table.rows(records)
    if by_class:
        header = class_table.header(records, class_names)
        body = _html.table(header, by_class, _kinds(header))
        yield _html.details("Accuracy of each class, percent", body)
    yield _confusion(records, class_names)
    found = verdicts.verdicts(records, probed)
    if found:
        items = "".join(f"<li>{html.escape(v.sentence)}</li>" for v in found)
        yield f'<h2>What the numbers say</h2><ul class="verdicts">{items}</ul>'
    yield f'<p class="caveat">{html.escape(CAVEAT)}</p>'
    yield _costs(records)
    yield _parts(records)


def _over_eps(records, probed):
    curves = eps_curves.eps_curves(records, probed)
    if not curves:
        return
    yield "<h2>Accuracy over eps</h2>"
    if figures.available():
        yield _picture(
            functools.partial(figures.eps_curves, curves),
            "Accuracy over the radius, a line for each model; the table below "
            "holds the same numbers.",
        )
    for norm, header, lines, notes in eps_curves.blocks(curves):
        header = (f"model, {norm}", *header[1:])
        yield _html.table(header, lines, _kinds(header))
        yield "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    yield f'<p class="caveat">{html.escape(eps_curves.CAPTION)}</p>'


def _red_flags(records, probed):
    if not records:
        return
    shown = red_flags.from_records(records)
    found = [*shown, *(flag for own in probed.values() for flag in own)]
    yield "<h2>Red flags</h2>"
    if found:
        header = ("sign", "where", "seen", "why it matters", "what to do")
        lines = [flag[: len(header)] for flag in found]
        yield _html.table(header, lines, _kinds(header), style="plain text")
    status = red_flags.status(shown, *probed.values())
    header = ("check", "result")
    body = _html.table(header, status.items(), _kinds(header))
    yield _html.details(f"All {len(status)} checks", body, not found)


def _costs(records):
    lines = [
        (
            row_label(s.row),
            column_label(s.column),
            f"{s.gradient_passes:g}",
            f"{s.queries:g}",
            f"{s.loss:.3f}",
            "" if s.calibration_error is None else f"{s.calibration_error:.3f}",
        )
        for s in records_lib.summarize(records)
    ]
    header = (
        "model",
        "attack",
        "gradient passes per example",
        "queries per example",
        "mean loss (nats)",
        "calibration error",
    )
    body = _html.table(header, lines, _kinds(header))
    return _html.details("Attack budgets and losses", body)


def _parts(records):
    """What each part of an attack of several broke, such as AutoAttack."""
    lines = [
        (
            row_label(row),
            column_label(column),
            part.name,
            "yes" if part.uses_gradients else "no",
            str(part.attacked),
            str(part.broken),
        )
        for (row, column), own in getattr(records, "evidence", {}).items()
        for part in own.parts
    ]
    if not lines:
        return ""
    header = ("model", "attack", "part", "by gradients", "attacked", "broken")
    body = _html.table(header, lines, _kinds(header))
    return _html.details("What each part of an attack broke", body)


def _kinds(header):
    """The classes of columns of which the first one names the row."""
    return ("model", *("" for _ in header[1:]))


def _confusion(records, class_names):
    found = confusion.matrices(records)
    if not found:
        return ""
    body = "".join(
        confusion.to_html(*matrix, class_names=class_names) for matrix in found
    )
    title = "Which class is taken for which, percent of each true class"
    body = f'<p>{_CONFUSION}</p><div class="matrices">{body}</div>'
    return _html.details(title, body)


def _drawings(records, metrics, pictures):
    if not figures.available():
        yield f'<p class="caveat">{html.escape(_NO_PLOTS)}</p>'
        return
    if records:
        yield "<h2>Accuracy by model and attack</h2>"
        yield _picture(
            functools.partial(figures.accuracy_bars, records),
            "Bars of accuracy for each model under each attack; the table "
            "above holds the same numbers.",
        )
    if pictures is False:
        yield _left_out("Images after the attack")
    elif pictures is not None:
        rows, captions = pictures_lib.grid_rows(pictures)
        yield "<h2>Images after the attack and the defence</h2>"
        yield _picture(
            functools.partial(figures.image_grid, rows, captions),
            "Clean, perturbation, adversarial and mixed images in columns.",
        )
        yield (
            "<p>The text above each image is its predicted class. The mixed "
            "row shows a single draw; its class is the defence's answer over "
            "all draws.</p>"
        )
    if metrics and figures.training_curves(metrics) is not None:
        yield "<h2>Training</h2>"
        yield _picture(
            functools.partial(figures.training_curves, metrics),
            "Loss and accuracy over the epochs of training.",
        )


def _studies(found):
    if not figures.available():
        return
    for name, rows in found.items():
        study = studies_lib.find(name)
        if rows is None:
            yield _left_out(study.label)
        if not rows:
            continue
        yield f"<h2>{html.escape(study.label)}</h2>"
        yield _picture(functools.partial(study.draw, rows), study.label)
        yield f"<p>{html.escape(study.caption)} Data: {name}.jsonl.</p>"


def _left_out(what):
    text = f"{what}: left out, since it is of other models, or of unknown ones."
    return f'<p class="caveat">{html.escape(text)}</p>'


def _picture(draw, description):
    """Both colour themes inline; the browser chooses one."""
    light, dark = (
        base64.b64encode(figures.to_png(draw(theme=theme))).decode()
        for theme in ("light", "dark")
    )
    kind = "data:image/png;base64,"
    return (
        '<figure><picture><source media="(prefers-color-scheme: dark)" '
        f'srcset="{kind}{dark}"><img src="{kind}{light}" '
        f'alt="{html.escape(description)}"></picture></figure>'
    )


def _settings(run_dir):
    yield "<h2>Settings</h2>"
    for name, heading in (
        (_files.EVALUATION, "Evaluation"),
        (_files.CONFIG, "Training run"),
    ):
        settings = _read(run_dir, name, _files.read_json)
        if settings:
            body = _pairs("setting", "value", _flatten(settings))
            yield _html.details(f"{heading} ({name})", body)
    found = _versions.versions(*_VERSIONED)
    lines = [(n, v or "not installed") for n, v in found.items()]
    body = _pairs("software", "version", lines)
    yield _html.details("Software that wrote this report", body)


def _pairs(first, second, lines):
    kinds = ("name", "value")
    return _html.table((first, second), lines, kinds, style="plain settings")


def _flatten(settings, prefix=""):
    for key, value in settings.items():
        if prefix == "" and key == "examples":
            yield key, f"digests of {len(value)} images"
        elif isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list) and any(
            isinstance(part, dict) for part in value
        ):
            numbered = {str(n): part for n, part in enumerate(value, start=1)}
            yield from _flatten(numbered, f"{prefix}{key}.")
        else:
            shown = value if isinstance(value, str) else json.dumps(value)
            yield f"{prefix}{key}", shown


def _read(run_dir, name, reader):
    path = run_dir / name
    return reader(path) if path.exists() else None
