"""An evaluation over several machines: shards, and what joins them."""

import pathlib
from typing import Any
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup import evaluation
from keras_mixup.evaluation import shards
from keras_mixup.runs import folder

_FOLDER = "shards"


class ShardResult(NamedTuple):
    """The result of one shard of an evaluation.

    Attributes:
        run_dir: `pathlib.Path` of the shard's own folder.
        records: `Records` of this shard.
        shard: str, "i/n".
    """

    run_dir: pathlib.Path
    records: evaluation.Records
    shard: str

    @property
    def text(self) -> str:
        """str: what was written, and what comes next."""
        return (
            f"Shard {self.shard}: {len(self.records)} records in "
            f"{self.run_dir}. When all shards are there: keras-mixup merge "
            f"--run_dir={self.run_dir.parent.parent}"
        )


class MergeResult(NamedTuple):
    """The result of a merge.

    Attributes:
        run_dir: `pathlib.Path`.
        records: `Records` of all shards.
        count: int, the shards.
    """

    run_dir: pathlib.Path
    records: evaluation.Records
    count: int  # type: ignore[assignment]

    @property
    def text(self) -> str:
        """str: what was written, and what comes next."""
        return (
            f"Joined {self.count} shards: {len(self.records)} records in "
            f"{self.run_dir / _files.RECORDS}. The evaluate command without "
            "--shard finds them and writes the report."
        )


def place(run_dir: pathlib.Path, shard: Any) -> pathlib.Path:
    """Returns the folder of a shard in a run folder.

    Args:
        run_dir: `pathlib.Path`.
        shard: `evaluation.shards.Shard`; None for the run folder itself.
    """
    if shard is None:
        return run_dir
    return run_dir / _FOLDER / f"{shard.number}-of-{shard.of}"


def check(settings, shard):
    """Refuses what a shard alone cannot do.

    Args:
        settings: `EvaluateSettings`.
        shard: `evaluation.shards.Shard` or None.

    Raises:
        ValueError: names the setting.
    """
    expected = "False with a shard, which would keep a part of the images"
    okay = shard is None or not settings.save_adversarial
    _checks.check(okay, "save_adversarial", expected, True)


def finish(job, shard):
    """Returns the `ShardResult`; the rest is left to the joined run.

    Args:
        job: `evaluation.Job` of the shard.
        shard: `evaluation.shards.Shard`.
    """
    settings = job.settings
    left = [
        *(["figures"] if settings.figures else []),
        *(["certify"] if settings.certify else []),
        *(["corruptions"] if settings.corruptions != "none" else []),
    ]
    if left:
        job.say(f"Left to the call without a shard: {', '.join(left)}.")
    file = job.run_dir / _files.RECORDS
    found = evaluation.Records()
    if file.is_file():
        found = evaluation.read_records(file)
    return ShardResult(job.run_dir, found, shard.text)


def warn(run_dir, say):
    """Says where shards wait to be joined."""
    waiting = (run_dir / _FOLDER).is_dir()
    if waiting and not (run_dir / _files.RECORDS).is_file():
        say(
            f"{run_dir / _FOLDER} is not joined: its records are computed "
            "again. `keras-mixup merge` takes them over."
        )


def merge(run_dir: _types.Path) -> MergeResult:
    """Joins the shards of an evaluation into the records of one run.

    Reads shards/*/ of the folder, and writes records.jsonl, in the order of
    one run, and evaluation.json. Nothing is computed, and no model is loaded.
    A second call changes nothing.

    Args:
        run_dir: str or path of the run folder.

    Returns:
        `MergeResult`.

    Raises:
        ValueError: a shard is missing, there twice, not finished, or one of
            another evaluation; or the folder has other records already.
        FileNotFoundError: there are no shards.
        OSError: the folder cannot be written, or another process owns it or
            one of the shards.
    """
    run_dir = pathlib.Path(_checks.check_path(run_dir, "run_dir"))
    parts = run_dir / _FOLDER
    found = sorted(p for p in parts.glob("*-of-*") if p.is_dir())
    if not found:
        raise FileNotFoundError(
            f"There are no shards in {parts}. evaluate with shard=i/n writes "
            "them."
        )
    with folder.owned(run_dir):
        merged, beside = shards.merge(found)
        file = run_dir / _files.RECORDS
        rows = [record._asdict() for record in merged]
        if file.is_file():
            okay = file.read_text("utf-8") == _files.to_lines(rows)
            expected = "a folder without records, or with these very ones"
            hint = f"Move {file} away, or merge into another folder"
            _checks.check(okay, "run_dir", expected, str(run_dir), hint)
        else:
            _files.write_json(run_dir / _files.EVALUATION, beside)
            _files.write_lines(file, rows)
    return MergeResult(run_dir, merged, len(found))
