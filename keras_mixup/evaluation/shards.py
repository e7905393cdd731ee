"""Parts of an evaluation that are made apart, and joined into its records."""

import pathlib
import re
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup.evaluation import identity
from keras_mixup.evaluation import records as records_lib

# Beside the records of a shard: which part of which evaluation they are.
FILE = "shard.json"
_FORM = re.compile(r"([1-9]\d*)/([1-9]\d*)")
_ALL = "all shards of one evaluation, once each"


class Shard(NamedTuple):
    """The batches number, number + of, number + 2 of, ... of an evaluation.

    Attributes:
        number: int in 1..of.
        of: int >= 1, how many shards there are.
    """

    number: int
    of: int

    def batches(self, examples, batch_size):
        """Returns the numbers of its batches, from 0.

        Args:
            examples: `ImageSet`, all of them.
            batch_size: int.
        """
        count = -(-len(examples.labels) // batch_size)
        return range(self.number - 1, count, self.of)

    @property
    def text(self):
        """str: as `parse` reads it."""
        return f"{self.number}/{self.of}"


def parse(shard):
    """Returns the `Shard` that a text such as "2/4" means; None for None.

    Raises:
        ValueError: for another text, or a number beyond the shards.
    """
    if shard is None or isinstance(shard, Shard):
        return shard
    found = _FORM.fullmatch(shard) if isinstance(shard, str) else None
    numbers = tuple(map(int, found.groups())) if found else (2, 1)
    okay, expected = numbers[0] <= numbers[1], '"i/n" with 1 <= i <= n'
    _checks.check(okay, "shard", expected, shard)
    return Shard(*numbers)


def plan_of(run, examples, batch_size):
    """Returns what an evaluation measures, and in which order, a dict.

    Args:
        run: `batch_run.BatchRun`.
        examples: `ImageSet`.
        batch_size: int.
    """
    return {
        "batch_size": batch_size,
        "example_ids": examples.example_ids.tolist(),
        "columns": [
            {
                **column.column._asdict(),
                "attack_seed": run.attack_seed_of(column),
                "cells": run.cells(column),
            }
            for column in run.columns
        ],
    }


def _keys(plan):
    """Yields (number of the batch, key of a record) in order."""
    ids, size = plan["example_ids"], plan["batch_size"]
    for batch, start in enumerate(range(0, len(ids), size)):
        for column in plan["columns"]:
            attacked = [column[n] for n in records_lib.Column._fields]
            for model, defence, seed, pool_split in column["cells"]:
                cell = model, defence, *attacked, column["attack_seed"], seed
                for example in ids[start : start + size]:
                    yield batch, (example, *cell, pool_split)


def note(records_path, shard, plan):
    """Writes beside the records which shard of which plan they are.

    Args:
        records_path: str or path.
        shard: `Shard`.
        plan: dict, from `plan_of`; one that is noted already stays.

    Raises:
        ValueError: the folder holds another shard.
    """
    path = pathlib.Path(records_path).with_name(FILE)
    found = {"shard": list(shard), "plans": []}
    if path.is_file():
        found = _files.read_json(path)
        before = Shard(*found["shard"])
        expected = f"{before.text!r}, which {path.parent} holds"
        _checks.check(before == shard, "shard", expected, shard.text)
    if plan not in found["plans"]:
        found["plans"].append(plan)
        _files.write_json(path, found)


def merge(folders):
    """Returns the records and the identity of one run over all examples.

    Args:
        folders: list of str or path, the folders of all shards: each with
            records.jsonl, evaluation.json and shard.json.

    Returns:
        (`Records`, dict): in the order of one run; what belongs into
        evaluation.json.

    Raises:
        ValueError: a shard is missing, there twice, not finished, or one of
            another evaluation; the text names it.
        FileNotFoundError: a folder lacks one of its files.
    """
    shards = {}
    for folder in map(pathlib.Path, folders):
        told = _told(folder)
        shard = Shard(*told["shard"])
        other = shards.setdefault(shard.number, (folder, told))[0]
        received = f"shard {shard.text} in {other} and in {folder}"
        _checks.check(other == folder, "shards", _ALL, received)
    _check_all(shards)
    found = {}
    for number, (folder, _) in sorted(shards.items()):
        found[number] = _records_of(folder)
    plans = shards[min(shards)][1]["plans"]
    merged = _in_order(plans, found, {n: f for n, (f, _) in shards.items()})
    beside = [
        _files.read_json(folder / _files.EVALUATION)
        for _, (folder, _) in sorted(shards.items())
    ]
    return merged, identity.joined(beside, merged)


def _told(folder):
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no shard of an evaluation: {FILE} is missing."
        )
    return _files.read_json(path)


def _check_all(shards):
    """Raises unless these are all shards of one evaluation."""
    _checks.check(shards, "shards", _ALL, "none")
    first, told = shards[min(shards)]
    for folder, other in shards.values():
        same = other["plans"] == told["plans"]
        same = same and other["shard"][1] == told["shard"][1]
        received = f"{first} and {folder}, of different evaluations"
        _checks.check(same, "shards", _ALL, received)
    count = told["shard"][1]
    missing = [f"{n}/{count}" for n in range(1, count + 1) if n not in shards]
    received = f"{len(shards)} of {count}, without {', '.join(missing)}"
    _checks.check(not missing, "shards", _ALL, received)


def _records_of(folder):
    """Returns dict key -> `Record` of a shard; refuses doubles."""
    found, path = {}, folder / _files.RECORDS
    # A shard without a batch has no record.
    lines = records_lib.read_lines(path) if path.is_file() else ()
    for record in lines:
        received = f"{path}, with {record.key} twice"
        _checks.check(record.key not in found, "shards", _ALL, received)
        found[record.key] = record
    return found


def _in_order(plans, found, folders):
    """Returns the `Records` of all shards as one run has them."""
    merged, count = {}, len(found)
    for plan in plans:
        for batch, key in _keys(plan):
            if key in merged:  # Of an earlier plan, so not measured again.
                continue
            number = batch % count + 1
            received = f"{folders[number]}, where {key} is missing"
            hint = "Give its command again: it goes on where it ended"
            okay = key in found[number]
            _checks.check(okay, "shards", "finished ones", received, hint)
            merged[key] = found[number].pop(key)
    for number, left in found.items():
        # A record of an earlier plan may have been measured for a later one.
        others = [key for key in left if key not in merged]
        received = f"{folders[number]}, with {others[:1]} of another one"
        _checks.check(not others, "shards", _ALL, received)
    return records_lib.Records(merged.values())
