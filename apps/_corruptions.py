"""--corruptions: accuracy under common corruptions (VarMixup, Table 4).

figures/corruptions.jsonl holds one line per set, model, kind and severity;
what is there is not computed again. A published set and what the package
imagecorruptions makes of the same images never share a name.
"""

import json
import pathlib

from apps import _common
from apps import _run_folder
from keras_mixup import _checks
from keras_mixup import _corruption_kinds

SOURCES = ("none", "imagecorruptions", "published")
_STUDY = "corruptions"


def define(flags):
    """Defines the flags.

    Args:
        flags: `_common.Flags`.
    """
    flags.choice(
        "corruptions",
        "none",
        list(SOURCES),
        "Also score on corrupted images: those that imagecorruptions makes of "
        "the examples, or the published test set (CIFAR-10-C, CIFAR-100-C, "
        "Tiny-ImageNet-C).",
    )
    flags.string(
        "corruption_dir",
        None,
        "Published set: its unpacked folder; CIFAR-10-C: the tfds folder, "
        "default: --data_dir.",
    )
    flags.string_list(
        "corruption_kinds",
        "",
        "Kinds of corruption; default: the 15 standard ones.",
    )


def check(flags):
    """Refuses what cannot be done, before anything is computed.

    Raises:
        ValueError: an unknown kind, or a data set without a published set.
        UsageError: flags without effect, or another split.
        FileNotFoundError: the published set is not there.
        ImportError: imagecorruptions is not installed.
    """
    kinds = (*_corruption_kinds.STANDARD, *_corruption_kinds.EXTRA)
    for kind in flags.corruption_kinds:
        _checks.check_choice(kind, "corruption_kinds", kinds)
    once = len(set(flags.corruption_kinds)) == len(flags.corruption_kinds)
    given = flags.corruption_kinds
    _checks.check(once, "corruption_kinds", "free of repetitions", given)
    source = flags.corruptions
    for name, needs in (
        ("corruption_kinds", SOURCES[1:]),
        ("corruption_dir", SOURCES[2:]),
    ):
        if flags[name].present and source not in needs:
            raise _common.UsageError(
                f"--{name} has no effect with --corruptions={source}."
            )
    if source == "none":
        return
    if source == "published" and flags.split != "test":
        raise _common.UsageError(
            "--corruptions=published is a test set. Received: "
            f"--split={flags.split}"
        )
    # The first cell, of a single image if it is made here.
    _make_set(flags, _grey())(_kinds(flags)[0], 1)


def run(flags, models, image_set):
    """Scores the models on every kind and severity; prints the means.

    Args:
        flags: the parsed flag values.
        models: dict name -> model.
        image_set: the clean examples.
    """
    if flags.corruptions == "none":
        return
    from keras_mixup import evaluation
    from keras_mixup.evaluation import study_files

    path = pathlib.Path(flags.run_dir, study_files.FOLDER, f"{_STUDY}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = _read(path)
    common = _common_values(flags, image_set)
    print(f"Corruptions: {common['set']}, {common['num_examples']} examples")

    def note(name, kind, severity, accuracy):
        cell = {"model": name, "kind": kind, "severity": severity}
        rows.append({**common, **cell, "accuracy": accuracy})
        text = "".join(json.dumps(row) + "\n" for row in rows)
        _run_folder.write_text(path, text)
        if flags.verbose:
            print(f"  {kind} {severity}, {name}: {100 * accuracy:.1f} %")

    known = {
        (row["model"], row["kind"], row["severity"]): row["accuracy"]
        for row in rows
        if {name: row[name] for name in common} == common
    }
    evaluation.corruption_accuracies(
        models,
        _make_set(flags, image_set),
        flags.batch_size,
        flags.eval_seeds,
        _kinds(flags),
        known,
        note,
    )
    study_files.write_study(flags.run_dir, _STUDY, rows)
    _show(rows, common)


def _common_values(flags, image_set):
    """What the lines of this call have in common, and tells them apart."""
    from keras_mixup import data

    count = len(image_set.labels)
    if flags.corruptions == "published":
        name = data.published_name(flags.dataset)
        count = flags.num_examples
    else:
        name = data.corrupted_name(flags.dataset)
    return {
        "set": name,
        "split": flags.split,
        "num_examples": count or "all",
        "seed": flags.seed,
        "eval_seeds": list(flags.eval_seeds),
    }


def _kinds(flags):
    return flags.corruption_kinds or list(_corruption_kinds.STANDARD)


def _make_set(flags, image_set):
    """Returns (kind, severity) -> `ImageSet`."""
    from keras_mixup import data

    if flags.corruptions == "imagecorruptions":
        return lambda kind, severity: data.corrupt(
            image_set, kind, severity, flags.seed
        )
    name = data.published_name(flags.dataset)
    folder = flags.corruption_dir
    if name == "cifar10_c":
        folder = folder or flags.data_dir
    elif folder is None:
        raise _common.UsageError(
            "--corruptions=published needs --corruption_dir=DIR, the unpacked "
            f"folder of {name}."
        )
    return lambda kind, severity: data.load_corrupted(
        name,
        kind,
        severity,
        folder,
        num_examples=flags.num_examples,
        seed=flags.seed,
    )


def _grey():
    """One image, to see whether corrupting works."""
    import numpy as np

    from keras_mixup import data

    image = np.full((1, 32, 32, 3), 128, np.uint8)
    return data.ImageSet(image, np.zeros(1, np.int32), np.zeros(1, np.int64))


def _read(path):
    """Returns the lines that are there, as dicts."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _show(rows, common):
    from keras_mixup import evaluation

    own = [r for r in rows if {name: r[name] for name in common} == common]
    means = evaluation.corruption_means(own)
    for (name, model), mean in means.items():
        shown = "not all of the 15 standard kinds were scored"
        if mean is not None:
            shown = f"{100 * mean:.1f} % over 15 kinds x 5 severities"
        print(f"  {name}, {model}: {shown}")
