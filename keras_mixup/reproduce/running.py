"""Does what is missing of the jobs."""

import gc
import time

from keras_mixup import _stopping
from keras_mixup import runs
from keras_mixup.reproduce import jobs as jobs_lib
from keras_mixup.reproduce import parallel


def run_missing(
    wanted, store, progress, stop, left=None, num_jobs=1, **machine
):
    """Does the jobs that are not finished, in their order.

    Args:
        wanted: list of `Job`, what is needed first.
        store: `Store`.
        progress: callable of a str.
        stop: callable without arguments that returns a reason to stop, a str,
            or something false.
        left: callable of a list of `Job` that returns the seconds that they
            take, or None where that is unknown; None for never.
        num_jobs: int >= 1; above 1 that many run at once, each in a process
            of its own, with its share of the threads.
        **machine: settings of the machine, `data_dir` and `threads`.

    Raises:
        Stopped: `stop` gave a reason. The finished jobs and the part of the
            current ones are kept.
        RuntimeError: a process of a job failed.
    """
    missing = [job for job in wanted if not store.finished(job)]

    def say(job, place, rest):
        shown = _left(left, rest, min(num_jobs, len(rest)))
        progress(f"[{place}/{len(missing)}] {job.kind}: {job.label}{shown}")

    if num_jobs > 1:
        threads = machine.get("threads")
        machine["threads"] = parallel.share_threads(threads, num_jobs)
        parallel.run(missing, store, num_jobs, say, stop, machine)
        return
    for place, job in enumerate(missing, start=1):
        _stopping.check_stop(stop, f"before job {place} of {len(missing)}")
        say(job, place, missing[place - 1 :])
        run_job(job, store, stop, machine)


def _left(left, missing, num_jobs):
    seconds = left(missing) if left is not None else None
    if seconds is None:
        return ""
    return f"; about {time_text(seconds / num_jobs)} left"


def run_job(job, store, stop, machine):
    """Does one job, and notes what it cost; arguments as for `run_missing`."""
    start, cpu = time.monotonic(), time.process_time()
    finished = False
    try:
        _do(job, store, stop, machine)
        finished = True
    finally:
        if store.folder(job).is_dir():
            spent = time.monotonic() - start, time.process_time() - cpu
            store.note(job, *spent, finished)
        _forget()


def _do(job, store, stop, machine):
    settings = job.made(**store.places(job), **machine)
    if job.kind == jobs_lib.TRAIN:
        runs.train(settings, store.folder(job), resume=True, stop=stop)
    else:
        store.prepare_evaluation(job)
        runs.evaluate(settings, store.folder(job), stop=stop)


def _forget():
    """Frees the graphs of a job, of which a process would keep hundreds."""
    import keras

    keras.backend.clear_session()
    gc.collect()


def time_text(seconds):
    """Returns a time in words, such as "about" precedes: "25 min"."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"
