"""The settings of the process: threads, precision, strategy, seed."""

import contextlib
import glob
import os
import sys
import tempfile

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
        ValueError: another number of threads after TensorFlow's first op.
    """
    prepare(settings)
    import keras
    import tensorflow as tf

    before = keras.config.dtype_policy()
    strategy = tf.distribute.get_strategy()
    if getattr(settings, "strategy", "none") == "mirrored":
        strategy = tf.distribute.MirroredStrategy()
    try:
        keras.config.set_dtype_policy(getattr(settings, "precision", before))
        yield strategy
    finally:
        keras.config.set_dtype_policy(before)


def prepare(settings):
    """Applies seed, threads and `deterministic` of settings to the process.

    Raises:
        ValueError: another number of threads after TensorFlow's first op.
    """
    import_tensorflow()
    import keras
    import tensorflow as tf

    _set_threads(settings.threads)
    if getattr(settings, "deterministic", False):
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(settings.seed)


def _set_threads(threads):
    import tensorflow as tf

    get = tf.config.threading.get_intra_op_parallelism_threads
    if not threads or get() == threads:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError as error:
        raise ValueError(
            f"`threads` must be set before TensorFlow's first op. Received: "
            f"threads={threads}"
        ) from error
