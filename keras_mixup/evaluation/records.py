"""One JSON line per example, model, attack and evaluation seed.

Tables, figures and reports are made from these lines alone.
"""

import json
import os
import warnings
from typing import NamedTuple

import numpy as np

KNOWLEDGE = ("none", "oblivious", "transfer", "adaptive")


class Record(NamedTuple):
    """What one model answered for one example under one attack.

    Attributes:
        example_id: int, stable across runs.
        label: int, the true label.
        model: str, the trained classifier's name.
        defence: str, the defence's name, or `"none"`.
        attack: str, the attack's name, `"clean"` for no attack.
        knowledge: `"none"` (no attack), `"oblivious"` (crafted on the
            undefended classifier), `"transfer"` (on another model) or
            `"adaptive"` (through the defence).
        norm: `"linf"`, `"l2"`, or None without an attack.
        eps: float, the radius in pixel units, or None without an attack.
        attack_seed: int, or None without an attack.
        eval_seed: int, or None where the model is deterministic.
        prediction: int, the class with the largest output.
        loss: float, cross-entropy of the output with the true label, in nats.
        gradient_passes: int, the attack's gradient passes on this example.
        queries: int, the attack's forward queries on this example.
        pool_split: str, the split the defence's pool was drawn from, or None.
    """

    example_id: int
    label: int
    model: str
    defence: str
    attack: str
    knowledge: str
    norm: str | None
    eps: float | None
    attack_seed: int | None
    eval_seed: int | None
    prediction: int
    loss: float
    gradient_passes: int
    queries: int
    pool_split: str | None

    @property
    def key(self):
        """What makes a measurement unique; the rest is its outcome."""
        return self[:1] + self[2:10] + self[14:]


class Summary(NamedTuple):
    """One cell of a table: one model under one attack.

    Attributes:
        model, defence, attack, knowledge, norm, eps: as in `Record`.
        accuracy: float in [0, 1], the share of true labels predicted, its
            mean over the evaluation seeds.
        std: float, sample standard deviation of the accuracy over the
            evaluation seeds, or None for fewer than two.
        num_examples: int, examples per seed (the smallest, in a run that was
            cut short).
        num_seeds: int, evaluation seeds.
        loss: float, mean cross-entropy in nats.
        gradient_passes, queries: float, mean per example.
    """

    model: str
    defence: str
    attack: str
    knowledge: str
    norm: str | None
    eps: float | None
    accuracy: float
    std: float | None
    num_examples: int
    num_seeds: int
    loss: float
    gradient_passes: float
    queries: float

    @property
    def row(self):
        """(model, defence): the table row."""
        return self[:2]

    @property
    def column(self):
        """(attack, knowledge, norm, eps): the table column."""
        return self[2:6]


def append_records(path, records):
    """Appends whole lines; cuts off first what a killed run left half-written.

    Args:
        path: str, created if missing.
        records: iterable of `Record`.
    """
    lines = "".join(
        json.dumps(record._asdict(), allow_nan=False) + "\n"
        for record in records
    )
    with open(path, "ab+") as file:
        file.seek(0)
        text = file.read() if _ends_torn(file) else b""
        if text:
            file.truncate(text.rfind(b"\n") + 1)
        # One write of whole lines: a kill leaves at most one torn line.
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


def write_records(path, records):
    """Writes a new file at once, through a temporary name beside it.

    Args:
        path: str; an existing file is replaced.
        records: iterable of `Record`.
    """
    temporary = f"{path}.tmp-{os.getpid()}"
    try:
        append_records(temporary, records)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def read_records(path):
    """Reads what `append_records` wrote, as a list of `Record`.

    A last line without its end (the run was killed while writing) is dropped
    with one warning.

    Args:
        path: str.

    Raises:
        ValueError: for a whole line that is no record; the text names it.
    """
    with open(path, encoding="utf-8") as file:
        *lines, torn = file.read().split("\n")
    if torn:
        warnings.warn(
            f"{path}: dropped an incomplete last line (a run was cut short).",
            stacklevel=2,
        )
    return [
        _parse(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
    ]


def summarize(records):
    """Groups records into one `Summary` per model and attack.

    Args:
        records: iterable of `Record`; a measurement that occurs twice counts
            once.

    Returns:
        list of `Summary`, in order of first appearance.
    """
    unique = {record.key: record for record in records}
    groups = {}
    for record in unique.values():
        groups.setdefault(record[2:8], []).append(record)
    return [_summary(cell, members) for cell, members in groups.items()]


def _summary(cell, members):
    by_seed = {}
    for record in members:
        hit = record.prediction == record.label
        by_seed.setdefault(record.eval_seed, []).append(hit)
    accuracies = [np.mean(hits) for hits in by_seed.values()]
    several = len(accuracies) > 1
    return Summary(
        *cell,
        accuracy=float(np.mean(accuracies)),
        std=float(np.std(accuracies, ddof=1)) if several else None,
        num_examples=min(len(hits) for hits in by_seed.values()),
        num_seeds=len(by_seed),
        loss=float(np.mean([record.loss for record in members])),
        gradient_passes=float(np.mean([r.gradient_passes for r in members])),
        queries=float(np.mean([r.queries for r in members])),
    )


def _ends_torn(file):
    end = file.seek(0, os.SEEK_END)
    if not end:
        return False
    file.seek(end - 1)
    torn = file.read(1) != b"\n"
    file.seek(0)
    return torn


def _parse(line, place):
    try:
        return Record(**json.loads(line))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: no evaluation record ({error}).") from error
