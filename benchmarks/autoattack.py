"""Our AutoAttack against torchattacks', on the same weights, in one run.

    python -m benchmarks.autoattack --classifier=runs/at/final.keras \
        --dataset=digits --eps=0.15 --threads=1 --results=runs/aa.jsonl
    python -m benchmarks.autoattack --results=runs/aa.jsonl
    python -m benchmarks.autoattack --classifier=runs/at/final.keras \
        --versions=standard,fast,torchattacks --results=runs/versions.jsonl

The first form adds one line to --results and prints it; the second prints the
table of all lines. The classifier is a SmallConvNet; the version is
"standard" with equal settings on both sides. The third form compares our
versions by what they spend, on any classifier, and without the name
torchattacks without PyTorch. Seconds are
those of the process on one thread or as many as given, so that other work on
the machine does not count; ours hold the tracing of every attack.
"""

import os
import time

import keras
import numpy as np

from benchmarks import program
from benchmarks import torch_twin
from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import runs
from keras_mixup.data import pipeline

_PEER = "torchattacks"
FLAGS = program.Flags(__doc__)
FLAGS.string("classifier", None, "File of a trained SmallConvNet.")
FLAGS.string("title", None, "Name of the row; the file's folder unless given.")
FLAGS.of_training("dataset", "data_dir", "norm", eps="8/255")
FLAGS.integer("num_examples", 500, "Test images, class-balanced.", minimum=1)
FLAGS.integer("batch_size", 250, "Images at a time.", minimum=1)
FLAGS.integer("num_steps", 100, "Steps of APGD and FAB.", minimum=1)
FLAGS.integer("num_targets", 9, "Targets of APGD-T and FAB-T.", minimum=1)
FLAGS.integer("num_queries", 5000, "Queries of Square.", minimum=1)
FLAGS.string_list(
    "versions",
    "",
    f"Our versions, and {_PEER}, to compare with the first.",
)
FLAGS.string("results", None, "JSON-lines file, added to and read.")
FLAGS.runtime()


def main(flags):
    """Compares on one classifier, or prints the table."""
    if not flags.classifier and not flags.results:
        raise ValueError("--classifier or --results is needed.")
    results = runs.Results(flags.results) if flags.results else None
    if not flags.classifier:
        print(table(results.rows))
        return
    program.prepare(flags)
    row = compare_versions(flags) if flags.versions else compare(flags)
    print(table([row]))
    if results is not None:
        results.add(row)


def compare_versions(flags):
    """Returns the row of one classifier under our versions, a dict."""
    classifier, _, images, labels = _subject(flags)
    threat = ThreatModel(flags.norm, flags.eps)
    sides = {}
    for version in flags.versions:
        subject = (flags, classifier, threat, images, labels)
        known = version == _PEER
        sides[version] = _peer(*subject) if known else _own(version, *subject)
    return {
        "title": _title(flags),
        "dataset": flags.dataset,
        "norm": flags.norm,
        "eps": float(flags.eps),
        "images": len(labels),
        "versions": sides,
    }


def _own(version, flags, classifier, threat, images, labels):
    attack = attacks.AutoAttack(threat, version, flags.seed, flags.batch_size)
    start = time.process_time()
    report = attack.evaluate(classifier, images, labels)
    return {
        "robust_accuracy": report.robust_accuracy,
        "counts": report.counts,
        "gradient_passes": float(report.gradient_passes.mean()),
        "queries": float(report.queries.mean()),
        "cpu_seconds": time.process_time() - start,
    }


def _peer(flags, classifier, threat, images, labels):
    net = torch_twin.twin(classifier, flags.threads)
    settings = _settings(flags)
    classes = torch_twin.logits_of(net, images[:1]).shape[-1]
    stages = torch_twin.attacks(net, threat, classes, **settings)
    net.passes = net.queries = 0
    found = torch_twin.run(net, stages, images, labels, flags.batch_size)
    counts = {n: found.broken_by.count(n) for n in ("clean", *stages)}
    return {
        "robust_accuracy": found.broken_by.count("") / len(labels),
        "counts": counts,
        "gradient_passes": net.passes / len(labels),
        "queries": net.queries / len(labels),
        "cpu_seconds": found.cpu_seconds,
    }


def _settings(flags):
    names = ("num_steps", "num_targets", "num_queries")
    return {name: getattr(flags, name) for name in names}


def _title(flags):
    return flags.title or os.path.basename(os.path.dirname(flags.classifier))


def _subject(flags):
    classifier = keras.saving.load_model(flags.classifier, compile=False)
    examples = data.load_arrays(
        flags.dataset, "test", flags.data_dir, num_examples=flags.num_examples
    )
    images = pipeline.as_float(examples.images)
    return classifier, examples, images, np.asarray(examples.labels, "int32")


def compare(flags):
    """Returns the row of one classifier, a dict for JSON."""
    classifier, examples, images, labels = _subject(flags)
    threat = ThreatModel(flags.norm, flags.eps)
    settings = _settings(flags)
    net = torch_twin.twin(classifier, flags.threads)
    logits = classifier.predict(images, batch_size=250, verbose=0)
    apart = float(np.abs(torch_twin.logits_of(net, images) - logits).max())
    ours = run_ours(classifier, threat, images, labels, flags, settings)
    theirs = torch_twin.run(
        net,
        torch_twin.attacks(net, threat, logits.shape[-1], **settings),
        images,
        labels,
        flags.batch_size,
    )
    return {
        "title": _title(flags),
        "dataset": flags.dataset,
        "norm": flags.norm,
        "eps": float(flags.eps),
        "images": len(labels),
        "logits_apart": apart,
        **settings,
        "ours": _side(ours),
        "theirs": _side(theirs),
        "disagreements": disagreements(
            classifier, net, threat, images, labels, examples, ours, theirs
        ),
    }


def run_ours(classifier, threat, images, labels, flags, settings):
    """Returns the `Outcome` of this package."""
    attack = attacks.AutoAttack(
        threat, batch_size=flags.batch_size, seed=flags.seed, **settings
    )
    start = time.process_time(), time.perf_counter()
    report = attack.evaluate(classifier, images, labels)
    return torch_twin.Outcome(
        report.images,
        report.broken_by,
        time.process_time() - start[0],
        time.perf_counter() - start[1],
    )


def _side(outcome):
    names = ("clean", "apgd-ce", "apgd-t", "fab-t", "square", "")
    return {
        "counts": {name: outcome.broken_by.count(name) for name in names},
        "cpu_seconds": outcome.cpu_seconds,
        "wall_seconds": outcome.wall_seconds,
        "stage_seconds": outcome.stage_seconds,
    }


def disagreements(
    classifier, net, threat, images, labels, examples, ours, theirs
):
    """Returns a list of dicts: the examples that one side alone broke.

    The margin of the side that broke it is that of its adversarial image; of
    the other side, the highest that its APGD on DLR reaches in 5 restarts.
    Positive means wrong.
    """
    robust = np.array([not name for name in ours.broken_by])
    apart = robust != np.array([not name for name in theirs.broken_by])
    rows = np.flatnonzero(apart)
    if not len(rows):
        return []
    x, y = images[rows], labels[rows]
    search = attacks.APGD(threat, "dlr", 100, 5, best="loss")
    tried = search(classifier, x, y, seed=0).images
    mine = torch_twin.margins(classifier.predict_on_batch(tried), y)
    found = classifier.predict_on_batch(ours.images[rows])
    mine = np.where(robust[rows], mine, torch_twin.margins(found, y))
    other = torch_twin.highest_margins(net, threat, x, y, 100)
    found = torch_twin.logits_of(net, theirs.images[rows])
    other = np.where(robust[rows], torch_twin.margins(found, y), other)
    return [
        {
            "example_id": int(examples.example_ids[row]),
            "ours": ours.broken_by[row],
            "our_margin": float(mine[index]),
            "theirs": theirs.broken_by[row],
            "their_margin": float(other[index]),
        }
        for index, row in enumerate(rows)
    ]


def table(rows):
    """Returns the rows as markdown, the disagreements below."""
    ours = [row for row in rows if "versions" in row]
    rows = [row for row in rows if "versions" not in row]
    parts = [_peer_table(rows)] if rows else []
    return "\n\n".join(parts + ([_version_table(ours)] if ours else []))


def _version_table(rows):
    lines = [
        "| network | eps | version | robust % | gradient passes | queries "
        "| share of both | CPU s | broken by |",
        "|---|---:|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        sides = list(row["versions"].items())
        first = sides[0][1]
        spent = first["gradient_passes"] + first["queries"]
        for version, side in sides:
            own = side["gradient_passes"] + side["queries"]
            broken = ", ".join(f"{n} {k}" for n, k in side["counts"].items())
            lines.append(
                f"| {row['title']} | {row['eps']:.4f} | {version} "
                f"| {100 * side['robust_accuracy']:.1f} "
                f"| {side['gradient_passes']:.0f} | {side['queries']:.0f} "
                f"| {own / spent:.2f} | {side['cpu_seconds']:.0f} | {broken} |"
            )
    return "\n".join(lines)


def _peer_table(rows):
    lines = [
        "| network | eps | side | clean | apgd-ce | apgd-t | fab-t | square "
        "| robust % | CPU s | ratio |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    notes = []
    for row in rows:
        theirs = row["theirs"]["cpu_seconds"]
        for side in ("ours", "theirs"):
            counts, seconds = row[side]["counts"], row[side]["cpu_seconds"]
            broken = (str(n) for name, n in counts.items() if name)
            robust = 100.0 * counts[""] / row["images"]
            lines.append(
                f"| {row['title']} | {row['eps']:.4f} | {side} | "
                + " | ".join(broken)
                + f" | {robust:.1f} | {seconds:.0f} | {seconds / theirs:.2f} |"
            )
        notes += [
            f"- {row['title']}, example {d['example_id']}: "
            f"ours {d['ours'] or 'none'} ({d['our_margin']:+.4f}), "
            f"theirs {d['theirs'] or 'none'} ({d['their_margin']:+.4f})"
            for d in row["disagreements"]
        ]
    heading = ["", "Broken by one side alone, with each side's margin:", ""]
    return "\n".join(lines + (heading + notes if notes else []))


if __name__ == "__main__":
    program.run(main, FLAGS)
