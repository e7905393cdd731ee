"""Shared set-up: one thread, two logical CPUs (for replicas), fixed seeds."""

import gc
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# For the modules beside the tests of several packages.
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import numpy as np
import pytest
import tensorflow as tf

_DEVICE = tf.config.list_physical_devices("CPU")[0]
# Must run before any TensorFlow op; MirroredStrategy tests need two devices.
tf.config.set_logical_device_configuration(
    _DEVICE, [tf.config.LogicalDeviceConfiguration()] * 2
)
# Small ops are faster on one thread, and it adds in one order.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def pytest_collection_finish():
    """Spares the collector what TensorFlow and Keras keep for ever.

    Tracing makes objects by the million, and each would set it off again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


@pytest.fixture(autouse=True)
def _seeds():
    np.random.seed(0)
    tf.random.set_seed(0)
    yield
    # Keeps a test's seed from reaching the next file through a module scope.
    tf.random.set_seed(None)


@pytest.fixture(scope="session")
def strategy():
    """MirroredStrategy over the two logical CPUs.

    One for all tests: each strategy numbers its all-reduces from the start,
    and TensorFlow refuses a number that comes again with another shape.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
