"""The settings of the process: threads, precision, strategy, seed."""

import contextlib
import glob
import os
import sys
import tempfile

from keras_mixup import _checks
from keras_mixup import _settings
from keras_mixup.runs import _devices

# Whether TensorFlow's start-up notices are let through.
notices_shown = False


def import_tensorflow():
    """Imports TensorFlow without its start-up notices.

    Some are written before TensorFlow reads the variables that silence it, so
    the file descriptor is redirected. A failed import shows them. With an
    NVIDIA device everything is shown, since driver messages matter.
    """
    if "tensorflow" in sys.modules or glob.glob("/dev/nvidia*"):
        return
    if notices_shown:
        return
    with tempfile.TemporaryFile() as notices:
        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(notices.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            notices.seek(0)
            os.write(stderr, notices.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def prepared(settings):
    """Applies the settings of the process; restores the policy afterwards.

    The global seed affects the initial weights alone, since all other draws of
    the package are stateless. Deterministic ops stay so until the process ends,
    since TensorFlow has no way back.

    Yields:
        `tf.distribute.Strategy`; the default one changes nothing.

    Raises:
        ValueError: another number of threads or devices, or `deterministic`,
            after TensorFlow's first op.
    """
    prepare(settings)
    import keras

    before = keras.config.dtype_policy()
    strategy = _devices.strategy_of(settings)
    try:
        keras.config.set_dtype_policy(getattr(settings, "precision", before))
        yield strategy
    finally:
        keras.config.set_dtype_policy(before)


def prepare(settings: _settings.Settings) -> None:
    """Applies seed, threads, devices and `deterministic` to the process.

    Raises:
        ValueError: another number of threads or devices, or `deterministic`,
            after TensorFlow's first op.
    """
    okay = hasattr(settings, "seed") and hasattr(settings, "threads")
    _checks.check(okay, "settings", "settings with seed and threads", settings)
    import_tensorflow()
    import keras
    import tensorflow as tf

    _devices.split(settings)
    _set_threads(settings.threads, getattr(settings, "deterministic", False))
    if getattr(settings, "deterministic", False):
        tf.config.experimental.enable_op_determinism()
        # TensorFlow moves constant factors in a graph, one way for replicas of
        # one process and another for those of several: the last digit differs.
        options = {"constant_folding": False}
        tf.config.optimizer.set_experimental_options(options)
    if settings.seed is not None:
        keras.utils.set_random_seed(settings.seed % 2**32)


def _set_threads(threads, deterministic):
    """Sets the threads in an op and between ops.

    How an op splits a sum depends on the threads in it, so that equal weights
    at any number of threads need one.
    """
    import tensorflow as tf

    config = tf.config.threading
    inside = 1 if deterministic else threads
    if not inside or config.get_intra_op_parallelism_threads() == inside:
        return
    try:
        config.set_intra_op_parallelism_threads(inside)
        config.set_inter_op_parallelism_threads(threads)
    except RuntimeError as error:
        name = "deterministic" if deterministic else "threads"
        raise ValueError(
            f"`{name}` must be set before TensorFlow's first op. Received: "
            f"{name}={deterministic or threads}. Start another process."
        ) from error
