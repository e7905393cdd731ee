"""What the workers of a strategy agree on, and which of them writes.

Every function takes any `tf.distribute.Strategy`. Without other workers it
changes nothing and communicates nothing. With them all workers must call it at
the same place, since it waits for all.
"""

import contextlib
import functools
import pathlib
import re
import tempfile

from keras_mixup import _stopping

_LOST = (
    "Another worker is gone, or cannot be reached ({error}). End all workers, "
    "and start them again with resume: they go on from the newest checkpoint."
)


class WorkerLost(_stopping.Stopped):
    """Another worker ended, or did not start.

    The same call of all workers goes on from there. What was finished is on
    the disk: the newest checkpoint at least.
    """


def _resolver(strategy):
    import tensorflow as tf

    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return strategy.cluster_resolver
    return None


def count(strategy):
    """Returns the number of workers, an int >= 1."""
    resolver = _resolver(strategy)
    jobs = resolver.cluster_spec().as_dict() if resolver else {}
    kinds = ("chief", "worker")
    return max(1, sum(len(jobs.get(kind, ())) for kind in kinds))


def leads(resolver):
    """Whether a `ClusterResolver` is that of the chief, which writes.

    It is the task "chief", or the first worker of a cluster without one.
    """
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return resolver.task_type == first and not resolver.task_id


def is_chief(strategy):
    """Whether this worker writes the files that all of them share."""
    resolver = _resolver(strategy)
    return resolver is None or leads(resolver)


def from_chief(strategy, value):
    """Returns the chief's value at every worker, a float.

    Args:
        strategy: `tf.distribute.Strategy`.
        value: int, float or bool; that of the chief counts.
    """
    return float(value) if count(strategy) == 1 else _sum(strategy, value, 0)


def any_of(strategy, flag):
    """Returns whether the flag, a bool, is true at any worker."""
    return flag if count(strategy) == 1 else _sum(strategy, flag) > 0


def _sum(strategy, value, replica=None):
    """The sum over all replicas, or the value of one of them."""
    import tensorflow as tf

    return float(_summing(strategy, replica)(tf.constant(value, tf.float64)))


@functools.lru_cache(maxsize=4)
def _summing(strategy, replica):
    import tensorflow as tf

    def own(value):
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        counts = replica is None or tf.equal(number, replica)
        return tf.where(counts, value, tf.zeros_like(value))

    def over_all(value):
        found = strategy.run(own, args=(value,))
        return strategy.reduce("SUM", found, axis=None)

    return tf.function(over_all, autograph=False)


@contextlib.contextmanager
def place_for(strategy, folder):
    """Yields the folder that this worker writes a shared file into.

    Some variables are read by all workers together, so all of them save. The
    chief saves into `folder`, the others into one that vanishes.

    Args:
        strategy: `tf.distribute.Strategy`.
        folder: str or path.
    """
    if is_chief(strategy):
        yield pathlib.Path(folder)
        return
    with tempfile.TemporaryDirectory() as vanishing:
        yield pathlib.Path(vanishing)


@contextlib.contextmanager
def watched(strategy):
    """Raises `WorkerLost` where TensorFlow reports that a worker is gone."""
    import tensorflow as tf

    kinds = (
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
        tf.errors.UnavailableError,
    )
    try:
        yield
    except kinds as error:
        if count(strategy) == 1:
            raise
        words = " ".join(re.sub(r"\{\{.*?\}\}", "", error.message).split())
        raise WorkerLost(_LOST.format(error=words[:120])) from error
