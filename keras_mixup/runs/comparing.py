"""A comparison of evaluated runs, and a leaderboard of them."""

import pathlib
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup import evaluation
from keras_mixup.evaluation import red_flags
from keras_mixup.reporting import run_table
from keras_mixup.runs import folder
from keras_mixup.runs.evaluate_settings import EvaluateSettings
from keras_mixup.runs.settings import TrainSettings
from keras_mixup.threat import budget_text

_NAMES = ("comparison.md", "comparison.csv", "comparison.html")


class CompareResult(NamedTuple):
    """The result of a comparison.

    Attributes:
        lines: list of `run_table.Line`, the most robust first.
        files: tuple of paths that were written.
    """

    lines: list
    files: tuple

    @property
    def text(self) -> str:
        """str: the table and its note for a terminal."""
        written = [f"\n{path}" for path in self.files]
        table = run_table.to_text(self.lines)
        return f"{table}\n\n{run_table.note(self.lines)}{''.join(written)}"


def compare(
    run_dirs: Sequence[_types.Path],
    output: _types.Path | None = None,
    leaderboard: _types.Path | None = None,
) -> CompareResult:
    """Compares evaluated runs in one sorted table.

    Args:
        run_dirs: list of str or path, folders of evaluations.
        output: str or path of a folder for comparison.md, .csv and .html, or
            None.
        leaderboard: str or path of a JSON file that receives an entry for
            each model of each run, with the commands that repeat it, or None.
            Entries of the same run and model are replaced.

    Returns:
        `CompareResult`.

    Raises:
        ValueError: the runs, or those of the leaderboard, differ in threat
            model or examples; or a run was not evaluated under attack.
        FileNotFoundError: a folder was not evaluated.
    """
    okay = isinstance(run_dirs, (list, tuple)) and len(run_dirs) > 0
    _checks.check(okay, "run_dirs", "one run folder or more", run_dirs)
    for run in run_dirs:
        _checks.check_path(run, "run_dirs")
    for name, place in (("output", output), ("leaderboard", leaderboard)):
        if place is not None:
            _checks.check_path(place, name)
    paths = [pathlib.Path(run) for run in run_dirs]
    names = _names(paths)
    lines, examples = [], {}
    for name, path in zip(names, paths, strict=True):
        found = _lines(name, path)
        examples[name] = _examples(path, found[0].example_ids)
        lines += found
    _check_same(lines, examples)
    lines, files = run_table.order(lines), []
    if output is not None:
        files += _write_tables(pathlib.Path(output), lines)
    if leaderboard is not None:
        shown = examples[names[0]]
        places = dict(zip(names, paths, strict=True))
        files.append(_write_leaderboard(leaderboard, lines, shown, places))
    return CompareResult(lines, tuple(files))


def _names(paths):
    """Returns a name for each run: its folder's, or the path if two agree."""
    short = [path.resolve().name for path in paths]
    names = short if len(set(short)) == len(short) else list(map(str, paths))
    okay = len(set(names)) == len(names)
    _checks.check(okay, "run_dirs", "different folders", list(map(str, paths)))
    return names


def _lines(name, path):
    file = path / _files.RECORDS
    if not file.is_file():
        raise FileNotFoundError(
            f"{path} has no {_files.RECORDS}: evaluate that run first."
        )
    records = evaluation.read_records(file)
    probed = red_flags.read(path / _files.RED_FLAGS)
    found = run_table.lines(name, records, probed)
    expected = "a run that was evaluated under an attack"
    _checks.check(found, "run_dirs", expected, str(path))
    # Slow attacks see fewer examples: on these everything is compared.
    fewest = min((line.example_ids for line in found), key=len)
    shared = all(fewest <= line.example_ids for line in found)
    expected = "a run whose models were attacked on the same examples"
    _checks.check(fewest and shared, "run_dirs", expected, str(path))
    few = records.where(lambda record: record.example_id in fewest)
    flags = {line.row: line.flags for line in found}
    return [
        line._replace(flags=flags[line.row])
        for line in run_table.lines(name, few, probed)
    ]


def _examples(path, ids):
    """Returns dict example id -> digest of the image and label, by text."""
    found = _files.read_json(path / _files.EVALUATION).get("examples", {})
    # What release 0.1 wrote has no digests: the ids alone must agree.
    return {str(i): found.get(str(i)) for i in sorted(ids)}


def _check_same(lines, examples):
    """Raises `ValueError` unless all lines have one threat and one set."""
    first = lines[0]
    for line in lines:
        shown = budget_text(line.compared.budget)
        expected = f"runs of one threat model; {first.run} has "
        expected += budget_text(first.compared.budget)
        okay = line.compared.budget == first.compared.budget
        _checks.check(okay, "run_dirs", expected, f"{line.run} with {shown}")
    wanted = examples[first.run]
    for name, own in examples.items():
        expected = f"runs scored on the same examples; {first.run} has "
        expected += f"{len(wanted)}"
        received = f"{name} with {_differing(own, wanted)}"
        _checks.check(_agree(own, wanted), "run_dirs", expected, received)


def _agree(first, second):
    if first.keys() != second.keys():
        return False
    pairs = ((first[key], second[key]) for key in first)
    return all(a == b or None in (a, b) for a, b in pairs)


def _differing(own, wanted):
    common = own.keys() & wanted.keys()
    if len(common) < len(own) or len(common) < len(wanted):
        return f"{len(own)} examples, {len(common)} of them shared"
    changed = sum(own[key] != wanted[key] for key in common)
    return f"{changed} other images under the same ids"


def _write_tables(output, lines):
    output.mkdir(parents=True, exist_ok=True)
    texts = (
        run_table.to_markdown(lines),
        run_table.to_csv(lines),
        run_table.to_html(lines),
    )
    paths = [output / name for name in _NAMES]
    for path, text in zip(paths, texts, strict=True):
        _files.write_text(path, text)
    return paths


def _write_leaderboard(path, lines, examples, places):
    """Adds an entry for each line to the JSON file `path`; returns the path."""
    path, budget = pathlib.Path(path), lines[0].compared.budget
    head = {"norm": budget.norm, "eps": budget.eps, "examples": examples}
    entries = {}
    if path.is_file():
        before = _files.read_json(path)
        for name, now in head.items():
            okay = before.get(name) == now
            expected = f"a file of runs with the same {name}"
            _checks.check(okay, "leaderboard", expected, str(path))
        entries = {_key(entry): entry for entry in before["entries"]}
    for line in lines:
        entry = _entry(line, places[line.run])
        entries[_key(entry)] = entry
    listed = sorted(entries.values(), key=_rank)
    path.parent.mkdir(parents=True, exist_ok=True)
    _files.write_json(path, {**head, "entries": listed})
    return path


def _key(entry):
    return entry["run"], entry["model"], entry["defence"]


def _rank(entry):
    adaptive = entry["adaptive"]
    return adaptive is None, -(adaptive or {}).get("accuracy", 0), _key(entry)


def _entry(line, path):
    standing, oblivious = line.standing, line.compared.oblivious
    found = _files.read_json(path / _files.EVALUATION)
    calls = found.get("calls", [])
    return {
        "run": line.run,
        "model": line.row.model,
        "defence": line.row.defence,
        "clean": _accuracy(line.clean),
        "oblivious": _accuracy(oblivious and oblivious.estimate),
        "adaptive": _accuracy(standing and standing.estimate),
        "attack": standing and standing.column.attack,
        "gradient_passes": standing and standing.gradient_passes,
        "queries": standing and standing.queries,
        "red_flags": list(line.flags),
        "commands": _commands(path, calls),
        "versions": calls[-1]["versions"] if calls else {},
    }


def _accuracy(estimate):
    if estimate is None:
        return None
    return {n: getattr(estimate, n) for n in ("accuracy", "low", "high")}


def _commands(path, calls):
    """Returns the command lines that repeat a run, a list of str."""
    found = []
    if (path / _files.CONFIG).is_file():
        trained = folder.read_settings(path)
        found.append(_command("train", TrainSettings, trained, path))
    for call in calls:
        settings = call.get("settings", {})
        found.append(_command("evaluate", EvaluateSettings, settings, path))
    return list(dict.fromkeys(found))


def _command(name, kind, values, path):
    flags = kind.from_dict(values).to_flags().split("\n")
    flags = [
        shlex.quote(flag) for flag in [*flags, f"--run_dir={path}"] if flag
    ]
    return " ".join(["keras-mixup", name, *flags])
