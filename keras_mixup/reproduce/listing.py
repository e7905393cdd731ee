"""What entries there are, what they cost, and how far they are here."""

from keras_mixup import _tables
from keras_mixup.reproduce import costs as costs_lib
from keras_mixup.reproduce import lookup
from keras_mixup.reproduce import planning
from keras_mixup.reproduce import running
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import store as store_lib


def listing(results_dir):
    """Returns a table of all entries at all scales, a str.

    The cost is that of the missing jobs, from earlier jobs of the kind in
    `results_dir`, or from a step that an earlier call timed. It is unknown
    before that.

    Args:
        results_dir: str or path of the folder of the jobs.

    Raises:
        ValueError: no path.
    """
    store = store_lib.Store(results_dir)
    costs = costs_lib.Costs(store)
    lines = [("entry", *scales.SCALES)]
    for name, entry in lookup.entries().items():
        cells = [
            _state(planning.plan(entry, scale), store, costs)
            for scale in scales.SCALES.values()
        ]
        lines.append((name, *cells))
    return "\n".join(_tables.to_columns(lines))


def _state(plan, store, costs):
    if plan.missing:
        return "not at this scale"
    wanted = plan.jobs
    missing = [job for job in wanted if not store.known(job).get("finished")]
    done = f"{len(wanted) - len(missing)} of {len(wanted)} jobs"
    if not missing:
        return f"{done}, finished"
    seconds = costs.left(missing)
    if seconds is None:
        return f"{done}, cost unknown"
    return f"{done}, about {running.time_text(seconds)}"
