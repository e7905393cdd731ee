"""What entries there are, what they cost, and how far they are here."""

from collections.abc import Sequence

from keras_mixup import _tables
from keras_mixup import _types
from keras_mixup.reproduce import arguments
from keras_mixup.reproduce import costs as costs_lib
from keras_mixup.reproduce import own
from keras_mixup.reproduce import planned
from keras_mixup.reproduce import running
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import store as store_lib
from keras_mixup.reproduce.catalogue import Entry


def listing(
    results_dir: _types.Path,
    scale: str | scales.Scale | None = None,
    progress: _types.Progress | None = None,
    threads: int = 0,
    entry: str | Entry | Sequence[str | Entry] = "all",
    rows: Sequence[str] = (),
    jobs: int = 1,
) -> str:
    """Returns a table of entries, a str: what is here, what is missing.

    The cost is that of the missing jobs on this machine, from earlier jobs of
    the kind in `results_dir`, or from a step of each network. Steps that were
    not timed before are timed if a scale is given.

    Args:
        results_dir: str or path of the folder of the jobs.
        scale: the only scale, as for `reproduce`; None for all of the papers.
        progress: callable of a str; None for silence.
        threads: int >= 0, CPU threads for the timing; 0: as many as cores.
        entry: the entries that are shown, as for `reproduce`.
        rows: sequence of str, the rows of the tables that are counted, as for
            `reproduce`. Empty: all.
        jobs: int >= 1, how many jobs would run at once, among which the time
            is divided.

    Raises:
        ValueError: an argument that cannot be used, or an unknown entry, scale
            or row.
    """
    arguments.check_call(
        results_dir, threads=threads, progress=progress, jobs=jobs
    )
    arguments.check_rows(rows)
    asked = own.entries(entry)
    shown = list(scales.SCALES.values())
    if scale is not None:
        shown = [own.scale(scale)]
    plans = {
        one.name: [planned.plan(one, place) for place in shown] for one in asked
    }
    planned.check_rows([every[0] for every in plans.values()], rows)
    store = store_lib.Store(results_dir)
    costs = costs_lib.Costs(store)
    if scale is not None:
        needed = planned.wanted([every[0] for every in plans.values()], rows)
        say = progress or (lambda text: None)
        costs.time_steps(needed, say, threads=threads or None)
    lines = [
        (name, *(_state(plan, rows, jobs, store, costs) for plan in every))
        for name, every in plans.items()
    ]
    names = (one.name for one in shown)
    return "\n".join(_tables.to_columns([("entry", *names), *lines]))


def _state(plan, rows, num_jobs, store, costs):
    if plan.missing:
        return "not at this scale"
    needed = planned.wanted([plan], rows)
    if not needed:
        return "no jobs" if rows else "no jobs, computed with the page"
    missing = [job for job in needed if not store.known(job).get("finished")]
    done = f"{len(needed) - len(missing)} of {len(needed)} jobs"
    if not missing:
        return f"{done}, finished"
    seconds = costs.left(missing)
    if seconds is None:
        return f"{done}, cost unknown"
    return f"{done}, about {running.time_text(seconds / num_jobs)}"
