"""What entries there are, what they cost, and how far they are here."""

from keras_mixup import _tables
from keras_mixup import _types
from keras_mixup.reproduce import arguments
from keras_mixup.reproduce import costs as costs_lib
from keras_mixup.reproduce import lookup
from keras_mixup.reproduce import planned
from keras_mixup.reproduce import running
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import store as store_lib


def listing(
    results_dir: _types.Path,
    scale: str | None = None,
    progress: _types.Progress | None = None,
    threads: int = 0,
) -> str:
    """Returns a table of all entries, a str: what is here, what is missing.

    The cost is that of the missing jobs on this machine, from earlier jobs of
    the kind in `results_dir`, or from a step of each network. Steps that were
    not timed before are timed if a scale is given.

    Args:
        results_dir: str or path of the folder of the jobs.
        scale: str, the only scale, or None for all.
        progress: callable of a str; None for silence.
        threads: int >= 0, CPU threads for the timing; 0: as many as cores.

    Raises:
        ValueError: an argument that cannot be used, or an unknown scale.
    """
    arguments.check_call(results_dir, threads=threads, progress=progress)
    store = store_lib.Store(results_dir)
    costs = costs_lib.Costs(store)
    shown = scales.SCALES
    if scale is not None:
        shown = {scale: scales.find(scale)}
    plans = {
        name: [planned.plan(entry, own) for own in shown.values()]
        for name, entry in lookup.entries().items()
    }
    if scale is not None:
        wanted = [job for own in plans.values() for job in own[0].jobs]
        say = progress or (lambda text: None)
        costs.time_steps(wanted, say, threads=threads or None)
    lines = [
        (name, *(_state(plan, store, costs) for plan in own))
        for name, own in plans.items()
    ]
    return "\n".join(_tables.to_columns([("entry", *shown), *lines]))


def _state(plan, store, costs):
    if plan.missing:
        return "not at this scale"
    wanted = plan.jobs
    if not wanted:
        return "no jobs, computed with the page"
    missing = [job for job in wanted if not store.known(job).get("finished")]
    done = f"{len(wanted) - len(missing)} of {len(wanted)} jobs"
    if not missing:
        return f"{done}, finished"
    seconds = costs.left(missing)
    if seconds is None:
        return f"{done}, cost unknown"
    return f"{done}, about {running.time_text(seconds)}"
