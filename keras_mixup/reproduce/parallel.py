"""Does several jobs at once, each in a process of its own."""

import os
import pickle
import signal
import subprocess
import sys
import time

from keras_mixup import _stopping

_CHILD = "keras_mixup.reproduce.one_job"
_POLL = 0.2
# What a process that was asked to stop may take for its checkpoint.
_PATIENCE = 120.0


def run(missing, store, num_jobs, say, stop, machine):
    """Does jobs at once, each as soon as what it needs is finished.

    Args:
        missing: list of `Job`, what is needed first.
        store: `Store`.
        num_jobs: int >= 1, how many at once.
        say: callable of a job, its number, from 1, and the jobs that are not
            finished, a list.
        stop: callable without arguments that returns a reason to stop, a str,
            or something false.
        machine: dict of settings of the machine.

    Raises:
        Stopped: `stop` gave a reason. The parts of the current jobs are kept.
        RuntimeError: a job failed; the text has its last line and its log.
    """
    waiting, running, started = list(missing), {}, 0
    try:
        while waiting or running:
            current = [job for job, _ in running.values()]
            place = f"with {len(waiting) + len(current)} jobs left"
            _stopping.check_stop(stop, place)
            free = num_jobs - len(current)
            for job in _ready([*current, *waiting], running)[:free]:
                waiting.remove(job)
                started += 1
                say(job, started, [job, *current, *waiting])
                running[job.key] = job, _start(job, store, machine)
                current.append(job)
            _collect(running, store)
            time.sleep(_POLL)
    finally:
        _end([child for _, child in running.values()])


def log_of(job, store):
    """Returns the path of what the process of a job printed."""
    return store.folder(job).with_suffix(".log")


def _ready(left, running):
    """The jobs that nothing else of what is left has to precede, a list."""
    keys = {job.key for job in left}
    return [
        job
        for job in left
        if job.key not in running
        and not any(own.key in keys for own in job.in_order[:-1])
    ]


def _start(job, store, machine):
    log = log_of(job, store)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    told = (job, str(store.path), store.data, machine, os.getpid())
    with child.stdin:
        child.stdin.write(pickle.dumps(told))
    return child


def _collect(running, store):
    """Forgets the jobs that are finished; raises for one that failed."""
    for key, (job, child) in list(running.items()):
        if child.poll() is None:
            continue
        del running[key]
        if child.returncode == 0:
            log_of(job, store).unlink(missing_ok=True)
            continue
        raise RuntimeError(_failure(job, child, store))


def _failure(job, child, store):
    log = log_of(job, store)
    lines = log.read_text("utf-8", "replace").strip().splitlines() or [""]
    return (
        f"{job.kind} {job.label} ended with exit code {child.returncode}: "
        f"{lines[-1]} (all of it: {log})"
    )


def _end(children):
    """Asks processes to stop, and waits for their checkpoints."""
    children = [child for child in children if child.poll() is None]
    for child in children:
        child.send_signal(signal.SIGTERM)
    end = time.monotonic() + _PATIENCE
    for child in children:
        try:
            child.wait(max(end - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def share_threads(threads, num_jobs):
    """Returns the threads of each process: what is given, or its share."""
    return threads or max((os.cpu_count() or 1) // num_jobs, 1)
