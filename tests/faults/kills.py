"""Kills, at any time and at the very instant of a write; then the same end."""

import builtins
import functools
import json
import os
import pathlib
import random
import time

import forked
import numpy as np

from keras_mixup import _files

TRAIN = ["--algorithm=mixup", "--epochs=6", "--checkpoint_every=3"]
VAE = ["--task=vae", "--latent_size=4", "--epochs=6", "--checkpoint_every=3"]
EVALUATE = ["--attacks=clean,pgd", "--pgd_steps=2", "--eps=0.1", "--seed=0"]
EVALUATE += ["--num_examples=60", "--batch_size=5", "--noprobe", "--threads=1"]
EVALUATE += ["--defences=", "--noverbose"]


def pausing(marker, point, number):
    """Makes this process wait at a write, for the kill to come.

    Args:
        marker: path that appears when the instant has come.
        point: str, one of `POINTS`.
        number: int, at which of these writes, from 1.
    """
    left = [number]

    def due():
        left[0] -= 1
        return left[0] == 0

    def pause():
        marker.touch()
        time.sleep(600)

    POINTS[point](due, pause)


def _before_name(due, pause, end):
    """Before a file of a checkpoint gets its name."""
    replace = pathlib.Path.replace

    def replacing(self, target):
        if str(self.name).startswith(".saving") and str(target).endswith(end):
            if due():
                pause()
        return replace(self, target)

    pathlib.Path.replace = replacing


def _around_model(due, pause, after):
    """Before or after a whole file replaces another one."""
    replace = os.replace

    def replacing(source, target):
        stop = due()
        if stop and not after:
            pause()
        replace(source, target)
        if stop:
            pause()

    os.replace = replacing


def _half_a_line(due, pause):
    """With the half of a line, or of several, in the file."""
    append = _files.append_lines

    def halving(path, rows):
        rows = list(rows)
        if not due():
            return append(path, rows)
        text = _files.to_lines(rows).encode()
        with builtins.open(path, "ab") as file:
            file.write(text[: len(text) // 2 + 1])
            file.flush()
            pause()

    _files.append_lines = halving


POINTS = {
    "before a checkpoint's data has its name": functools.partial(
        _before_name, end="00001"
    ),
    "before a checkpoint's index has its name": functools.partial(
        _before_name, end=".index"
    ),
    "before a file is replaced": functools.partial(_around_model, after=False),
    "after a file was replaced": functools.partial(_around_model, after=True),
    "half of a line written": _half_a_line,
}
OF_RECORDS = ("before a file is replaced", "half of a line written")


def cases():
    """Yields (name, function of a folder)."""
    for name, task, kills in (("train", TRAIN, 26), ("VAE", VAE, 14)):
        yield name, functools.partial(_trained, task=task, kills=kills)
    yield "evaluate", functools.partial(_evaluated, kills=24)


def _plan(kills, points):
    """Returns the point of each kill, None for any time."""
    every = [*points, None]
    return [every[n % len(every)] for n in range(kills)]


def _killed(folder, number, point, start):
    """Kills one process; returns its exit code, that of the kill normally."""
    marker = folder / f"marker-{number}"
    before = None
    if point is not None:
        nth = 1 + number % 2
        before = functools.partial(pausing, marker, point, nth)
    child = start(folder / f"log-{number}", before)
    wait = random.Random(number).uniform(0.5, 12.0)
    end = time.monotonic() + (300.0 if point else wait)
    while child.poll() is None and not marker.exists():
        if time.monotonic() > end:
            break
        time.sleep(0.005)
    child.kill()
    return child.poll(), child.text


def _trained(folder, task, kills):
    whole = [*task, *forked.FEW, f"--run_dir={folder / 'whole'}"]
    assert forked.done(folder / "log", "train", *whole)[0] == 0
    tried = held = lost = run = 0
    points = _plan(kills, POINTS)
    while tried < kills:
        run += 1
        cut = folder / f"cut-{run}"
        flags = [*task, *forked.FEW, f"--run_dir={cut}", "--resume"]

        def start(log, before, flags=flags):
            return forked.command(log, "train", *flags, before=before)

        here = 0
        while tried < kills and here < 7:
            code, text = _killed(folder, tried, points[tried], start)
            if code == 0:
                break  # It was faster than the kill.
            assert code == -9, text
            tried, here = tried + 1, here + 1
        code, text = forked.done(folder / "last", "train", *flags)
        alike = functools.partial(equal, folder / "whole", cut)
        if code == 0 and forked.yes(folder / "log", alike):
            held += here
        else:
            lost += here
            print(text[-500:])
    return {"tried": tried, "held": held, "lost": lost}


def equal(one, two):
    """Whether two training runs ended alike, but for the seconds."""
    import keras

    weights = [
        keras.saving.load_model(path / _files.FINAL).get_weights()
        for path in (one, two)
    ]
    logs = [
        [{**json.loads(line), "seconds": 0} for line in text.splitlines()]
        for text in ((p / _files.METRICS).read_text() for p in (one, two))
    ]
    left = [p.name for p in two.rglob(".*") if p.name != ".lock"]
    same = all(map(np.array_equal, *weights))
    return same and logs[0] == logs[1] and not left


def _evaluated(folder, kills):
    made = [*TRAIN, *forked.FEW, f"--run_dir={folder / 'made'}"]
    assert forked.done(folder / "log", "train", *made)[0] == 0
    model = f"--classifier={folder / 'made' / _files.FINAL}"
    told = [model, "--dataset=digits", *EVALUATE]

    def flags(name):
        return [*told, f"--run_dir={folder / name}"]

    code, text = forked.done(folder / "log", "evaluate", *flags("whole"))
    assert code == 0, text
    tried = held = run = 0
    points = _plan(kills, OF_RECORDS)
    while tried < kills:
        run += 1
        start = functools.partial(_start_evaluate, flags(f"cut-{run}"))
        here = 0
        while tried < kills and here < 6:
            code, text = _killed(folder, tried, points[tried], start)
            if code == 0:
                break
            assert code == -9, text
            tried, here = tried + 1, here + 1
        last = folder / "last"
        code, text = forked.done(last, "evaluate", *flags(f"cut-{run}"))
        files = [folder / n / _files.RECORDS for n in ("whole", f"cut-{run}")]
        whole, cut = (file.read_bytes() for file in files)
        held += here if code == 0 and whole == cut else 0
    return {"tried": tried, "held": held, "lost": tried - held}


def _start_evaluate(flags, log, before):
    return forked.command(log, "evaluate", *flags, before=before)
