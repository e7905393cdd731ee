"""Damaged files: the older state is used, or one line names the file."""

import functools
import re
import shutil

import forked
import kills

from keras_mixup import _files

CUT = "the undisturbed end"
LINE = "one line with the file"


def cases():
    """Yields (name, function of a folder)."""
    yield "training", _training
    yield "evaluation", _evaluation


def _truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def _empty(path):
    path.write_bytes(b"")


def _list(path):
    path.write_text("[1, 2]\n")


def _newest(folder, suffix):
    found = (folder / _files.CHECKPOINTS).glob(f"step-*{suffix}")
    return max(found, key=lambda p: int(re.findall(r"step-(\d+)", p.name)[0]))


def _all(folder, change):
    for path in (folder / _files.CHECKPOINTS).glob("step-*.data*"):
        change(path)


def _of(name, change):
    return lambda folder: change(folder / name)


def _remove(path):
    path.unlink()


DATA, INDEX = ".data-00000-of-00001", ".index"
# What is done to the folder of a run that was killed, and what must follow:
# an end like that of an undisturbed run, or an error that names a file.
TRAINING = {
    "newest data cut": (lambda f: _truncate(_newest(f, DATA)), CUT),
    "newest data flipped": (lambda f: _flip(_newest(f, DATA)), CUT),
    "newest data gone": (lambda f: _remove(_newest(f, DATA)), CUT),
    "newest index cut": (lambda f: _truncate(_newest(f, INDEX)), CUT),
    "newest index empty": (lambda f: _empty(_newest(f, INDEX)), CUT),
    "newest index gone": (lambda f: _remove(_newest(f, INDEX)), CUT),
    "all checkpoints cut": (lambda f: _all(f, _truncate), _files.CHECKPOINTS),
    "all checkpoints flipped": (lambda f: _all(f, _flip), _files.CHECKPOINTS),
    "no checkpoints": (
        lambda f: shutil.rmtree(f / _files.CHECKPOINTS),
        CUT,
    ),
    "half a checkpoint left": (
        _of(f"{_files.CHECKPOINTS}/.saving.index", _empty),
        CUT,
    ),
    "config.json empty": (_of(_files.CONFIG, _empty), _files.CONFIG),
    "config.json cut": (_of(_files.CONFIG, _truncate), _files.CONFIG),
    "config.json a list": (_of(_files.CONFIG, _list), _files.CONFIG),
    "config.json gone": (_of(_files.CONFIG, _remove), _files.CONFIG),
    "arguments.json empty": (
        _of(f"{_files.CHECKPOINTS}/arguments.json", _empty),
        "arguments.json",
    ),
    "metrics.jsonl cut": (_of(_files.METRICS, _truncate), None),
    "metrics.jsonl a list": (_of(_files.METRICS, _list), _files.METRICS),
    "classifier.keras cut": (_of(_files.BEST_CLASSIFIER, _truncate), None),
    "classifier.keras gone": (_of(_files.BEST_CLASSIFIER, _remove), None),
}


def _training(folder):
    whole, cut = folder / "whole", folder / "cut"
    told = [*kills.TRAIN, *forked.FEW]
    end = forked.done(folder / "log", "train", *told, f"--run_dir={whole}")
    assert end[0] == 0, end
    flags = [*told, f"--run_dir={cut}"]
    point = "before a checkpoint's index has its name"
    before = functools.partial(kills.pausing, folder / "mark", point, 4)
    child = forked.command(folder / "log", "train", *flags, before=before)
    while not (folder / "mark").exists():
        assert child.poll() is None, child.text
    child.kill()
    held = []
    for name, (change, expected) in TRAINING.items():
        here = folder / "here"
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(cut, here)
        change(here)
        code, text = forked.done(
            folder / "log", "train", *told, f"--run_dir={here}", "--resume"
        )
        okay = _named(code, text, expected)
        if expected in (CUT, None):
            # A lost log or best model cannot come back; the weights do.
            alike = kills.equal if expected else _same_weights
            alike = functools.partial(alike, whole, here)
            okay = code == 0 and forked.yes(folder / "log2", alike)
            okay = okay and "Traceback" not in text
        held.append((name, okay, text))
    return _counted(held)


def _named(code, text, expected):
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    one = len(lines) == 1 and str(expected) in lines[0]
    return code == 2 and one and "Traceback" not in text


def _same_weights(one, two):
    import keras
    import numpy as np

    pair = [
        keras.saving.load_model(path / _files.FINAL).get_weights()
        for path in (one, two)
    ]
    return all(map(np.array_equal, *pair))


def _counted(held):
    lost = [name for name, okay, _ in held if not okay]
    for name, okay, text in held:
        if not okay:
            print(f"LOST {name}: {text[-600:]}")
    counts = {"tried": len(held), "held": len(held) - len(lost)}
    return {**counts, "lost": len(lost), "note": ", ".join(lost)}


# Here the same command must end with the same records, or name the file.
EVALUATION = {
    "records.jsonl torn": (_of(_files.RECORDS, _truncate), CUT),
    "records.jsonl gone": (_of(_files.RECORDS, _remove), CUT),
    "records.jsonl a list": (_of(_files.RECORDS, _list), _files.RECORDS),
    "evaluation.json empty": (
        _of(_files.EVALUATION, _empty),
        _files.EVALUATION,
    ),
    "evaluation.json cut": (
        _of(_files.EVALUATION, _truncate),
        _files.EVALUATION,
    ),
    "evaluation.json gone": (
        _of(_files.EVALUATION, _remove),
        _files.EVALUATION,
    ),
    "final.keras cut": (_of("model.keras", _truncate), "model.keras"),
    "final.keras flipped": (_of("model.keras", _flip), None),
    "final.keras empty": (_of("model.keras", _empty), "model.keras"),
    "final.keras gone": (_of("model.keras", _remove), "model.keras"),
}


def _evaluation(folder):
    base = folder / "base"
    made = [*kills.TRAIN, *forked.FEW, f"--run_dir={base}"]
    assert forked.done(folder / "log", "train", *made)[0] == 0
    (base / _files.FINAL).rename(base / "model.keras")
    told = ["--dataset=digits", *kills.EVALUATE, "--num_examples=20"]

    def flags(path):
        return [*told, f"--classifier={path}/model.keras", f"--run_dir={path}"]

    code, text = forked.done(folder / "log", "evaluate", *flags(base))
    assert code == 0, text
    expected_records = (base / _files.RECORDS).read_bytes()
    held = []
    for name, (change, expected) in EVALUATION.items():
        here = folder / "here"
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(base, here)
        change(here)
        code, text = forked.done(folder / "log", "evaluate", *flags(here))
        if expected is CUT:
            found = (here / _files.RECORDS).read_bytes()
            okay = code == 0 and found == expected_records
        elif expected is None:
            # A flipped byte is found, or lies where it changes no weight.
            same = (here / _files.RECORDS).read_bytes() == expected_records
            okay = _named(code, text, "model.keras") or (code == 0 and same)
        else:
            okay = _named(code, text, expected)
        held.append((name, okay, text))
    return _counted(held)
