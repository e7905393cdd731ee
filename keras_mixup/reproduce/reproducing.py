"""Reproduces entries of the papers: trains, attacks, writes the pages."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from keras_mixup import _stopping
from keras_mixup import _types
from keras_mixup import runs
from keras_mixup.reproduce import arguments
from keras_mixup.reproduce import costs as costs_lib
from keras_mixup.reproduce import images
from keras_mixup.reproduce import lookup
from keras_mixup.reproduce import measuring
from keras_mixup.reproduce import own
from keras_mixup.reproduce import planned
from keras_mixup.reproduce import running
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import store as store_lib
from keras_mixup.reproduce import writing
from keras_mixup.reproduce.catalogue import Entry

# Above it a call asks for `yes`.
_LONG = 3 * 3600.0


class ReproduceResult(NamedTuple):
    """The result of `reproduce`.

    Attributes:
        results: list of `Results` and `FigureResults`, one for each entry
            that was asked.
        files: list of `pathlib.Path`: the index, where it is written, then
            the pages.
    """

    results: list
    files: list

    @property
    def text(self) -> str:
        """str: the verdicts and the first page, for a terminal."""
        lines = []
        for one in self.results:
            lines.append(f"{one.plan.entry.name}:")
            if one.plan.missing:
                lines.append(f"  {one.plan.missing}")
            lines += [f"  {v.word}: {v.claim.text}" for v in one.verdicts]
        return "\n".join([*lines, f"\nPages: {self.files[0]}"])


def reproduce(
    entry: str | Entry | Sequence[str | Entry],
    scale: str | scales.Scale,
    results_dir: _types.Path,
    output: _types.Path | None = None,
    data_dir: _types.Path | None = None,
    threads: int = 0,
    yes: bool = False,
    progress: _types.Progress | None = None,
    stop: _types.AskStop | None = None,
    jobs: int = 1,
    rows: Sequence[str] = (),
    corruption_dir: _types.Path | None = None,
) -> ReproduceResult:
    """Trains and attacks what an entry needs, and writes its page.

    Each training and each evaluation is a job, told by its settings and by
    those of the jobs that it needs. A finished job in `results_dir` is not
    done again, whichever entry it was done for. A killed or stopped call
    goes on where it was. The pages have all that is there. Of entries and
    scales of the papers all pages and an index are written, and else the
    pages of what was asked.

    Args:
        entry: str, such as "mixup_inference/table2" or "all", an `Entry` of
            your own, or a sequence of these.
        scale: str: "digits", "cifar10_cpu" or "paper", or a `Scale` of your
            own.
        results_dir: str or path of the folder of the jobs, one for all
            entries and scales.
        output: str or path of the folder of the pages; None: a folder with
            the scale's name in `results_dir`.
        data_dir: str, the folder of prepared tfds data sets, or None for that
            of tfds.
        threads: int >= 0, CPU threads in and between ops; 0: as many as cores.
        yes: bool, go on although it takes hours.
        progress: callable of a str, called at each step; None for silence.
        stop: callable without arguments, such as a `runs.Stop`, asked during
            each job; it returns the reason to stop, a str, or something false.
        jobs: int >= 1, how many jobs run at once, each in a process of its
            own. Numbers are the same; with `threads=0` they share the cores.
        rows: sequence of str, labels of rows of the tables that are asked for:
            what only the others need is left for a later call. Empty: all.
        corruption_dir: str or path of the folder with CIFAR-100-C and
            Tiny-ImageNet-C, unpacked, where an entry scores them.
            CIFAR-10-C lies in `data_dir`.

    Returns:
        `ReproduceResult`.

    Raises:
        ValueError: an argument that cannot be used; an unknown entry or
            scale, with the nearest; one of your own with a name of the
            papers, or without data at the scale; results of other settings in
            `results_dir`; or more than some hours of work without `yes`.
        FileNotFoundError: the data set is not there, or corrupted images.
        OSError: a folder that cannot be written, or in which another process
            works.
        Stopped: `stop` gave a reason; the pages have what is there.
        RuntimeError: one of several jobs at once failed; the text names it.

    Example:

    >>> reproduce("mixup_inference/table2", "digits", "results")
    """
    arguments.check_call(
        results_dir, output, data_dir, threads, yes, progress, stop, jobs
    )
    arguments.check_rows(rows)
    say = progress or (lambda text: None)
    asked, chosen = own.entries(entry), own.scale(scale)
    store = store_lib.Store(results_dir)
    plans = [planned.plan(one, chosen) for one in asked]
    for plan in plans:
        own.check_plan(plan)
    planned.check_rows(plans, rows)
    wanted = planned.wanted(plans, rows)
    # Reading the data may be TensorFlow's first op.
    runs.prepare(runs.TrainSettings(threads=threads))
    store.data = images.digests(wanted, data_dir)
    missing = [job for job in wanted if not store.finished(job)]
    costs = costs_lib.Costs(store)
    machine = {"data_dir": data_dir, "threads": threads or None}
    machine["corruption_dir"] = images.corruption_dir(wanted, corruption_dir)
    images.check_corrupted(missing, **machine)
    costs.time_steps(missing, say, **machine)
    _ask(costs.left(missing), missing, chosen, yes, jobs)
    try:
        running.run_missing(
            wanted,
            store,
            say,
            stop or _stopping.never,
            costs.left,
            jobs,
            **machine,
        )
    finally:
        if any(lookup.is_own(one, chosen) for one in asked):
            found = _write(plans, chosen, store, output, False)
        else:
            found = _write_all(chosen, store, output)
    names = {one.name for one in asked}
    shown = [one for one in found.results if one.plan.entry.name in names]
    return ReproduceResult(shown, found.files)


def write_pages(
    scale: str,
    results_dir: _types.Path,
    output: _types.Path | None = None,
    data_dir: _types.Path | None = None,
    progress: _types.Progress | None = None,
) -> ReproduceResult:
    """Writes the pages of all entries from the jobs that are finished.

    That they are of the images of this machine is checked where the data set
    is there, and else said.

    Args:
        scale, results_dir, output, data_dir, progress: as for `reproduce`.

    Returns:
        `ReproduceResult` of all entries.

    Raises:
        ValueError: no path, an unknown scale, or results of other settings
            or images.
    """
    arguments.check_call(results_dir, output, data_dir, progress=progress)
    chosen, store = scales.find(scale), store_lib.Store(results_dir)
    plans = _all_plans(chosen)
    begun = [j for plan in plans for j in plan.jobs if store.known(j)]
    say = progress or (lambda text: None)
    store.data = images.present_digests(begun, say, data_dir)
    return _write(plans, chosen, store, output, True)


def _all_plans(scale):
    return [planned.plan(one, scale) for one in lookup.entries().values()]


def _write_all(scale, store, output):
    return _write(_all_plans(scale), scale, store, output, True)


def _write(plans, scale, store, output, whole):
    """Writes the pages of plans, and their index if they are the whole."""
    reader = measuring.Reader(store)
    found = [planned.results(plan, store, reader) for plan in plans]
    place = pathlib.Path(output or store.path / scale.name)
    return ReproduceResult(found, writing.write(found, scale, place, whole))


def _ask(seconds, missing, scale, yes, num_jobs):
    """Raises `ValueError` for hours of work without `yes`."""
    if yes or not missing:
        return
    shown = "an unknown time"
    if seconds is not None:
        seconds /= num_jobs
        shown = f"about {running.time_text(seconds)} on this machine"
    if seconds is None or seconds > _LONG:
        raise ValueError(
            f"{len(missing)} jobs at the scale {scale.name} take {shown}. Set "
            "`yes` to begin; a stopped call goes on where it was."
        )
