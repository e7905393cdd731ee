"""What a run asks of the process, and that it takes it back."""

import os
import subprocess
import sys

import keras
import pytest

from keras_mixup import runs
from keras_mixup.runs import _process

CODE = """
from keras_mixup.runs import _process
_process.import_tensorflow()
import keras
import tensorflow as tf
from keras_mixup import runs
import sys
print("still here", file=sys.stderr)
settings = runs.TrainSettings(
    precision="mixed_bfloat16",
    strategy="mirrored",
    logical_devices=3,
    threads=3,
)
with _process.prepared(settings) as strategy:
    print(keras.config.dtype_policy().name, strategy.num_replicas_in_sync)
    print(type(strategy).__name__)
    print(tf.config.threading.get_intra_op_parallelism_threads())
"""


@pytest.fixture(scope="module")
def process():
    """What a process with settings of its own printed."""
    return subprocess.run(
        [sys.executable, "-c", CODE],
        check=True,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        },
    )


def test_the_settings_are_applied(process):
    lines = process.stdout.split("\n")
    assert lines[:3] == ["mixed_bfloat16 3", "MirroredStrategy", "3"]


def test_the_seed_reaches_the_initial_weights():
    found = []
    for seed in (1, 2, 1):
        with _process.prepared(runs.TrainSettings(seed=seed)):
            made = keras.initializers.GlorotUniform()((1, 1))
        found.append(float(made[0, 0]))
    assert found[0] == found[2] != found[1]


def test_the_policy_is_taken_back():
    before = keras.config.dtype_policy()
    settings = runs.TrainSettings(precision="mixed_bfloat16")
    with _process.prepared(settings):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.dtype_policy() == before


def test_threads_after_the_first_op_are_refused():
    keras.ops.ones(2)
    with pytest.raises(ValueError, match="`threads` must be set before"):
        with _process.prepared(runs.TrainSettings(threads=7)):
            pass


def test_devices_after_the_first_op_are_refused():
    keras.ops.ones(2)
    settings = runs.TrainSettings(strategy="mirrored", logical_devices=7)
    with pytest.raises(ValueError, match="`logical_devices` must be set bef"):
        with _process.prepared(settings):
            pass


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["train", "--algorithm=erm", "--dataset=nowhere"],
        ["evaluate", "--run_dir=nowhere"],
        ["export", "--verify=nowhere"],
    ],
)
def test_tensorflow_is_silent_in_a_command(command, tmp_path):
    """A mistake is one line, also one that is found after the import."""
    done = subprocess.run(
        [sys.executable, "-m", "keras_mixup", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_importing_tensorflow_is_silent(process):
    assert process.stderr.startswith("still here\n")


def test_deterministic_ops_are_asked_for(monkeypatch):
    import tensorflow as tf

    asked = []
    config = tf.config
    monkeypatch.setattr(
        config.experimental,
        "enable_op_determinism",
        lambda: asked.append("ops"),
    )
    monkeypatch.setattr(
        config.optimizer, "set_experimental_options", asked.append
    )
    expected = ["ops", {"constant_folding": False}]
    for deterministic in (False, True):
        settings = runs.TrainSettings(deterministic=deterministic)
        with _process.prepared(settings):
            assert asked == expected * deterministic


DETERMINISTIC = """
import sys
from keras_mixup import runs
import hashlib
threads, folder = int(sys.argv[1]), sys.argv[2]
settings = runs.TrainSettings(
    algorithm="interpolated_adversarial_training", eps=0.1, num_steps=1,
    step_size=0.1, width=4, num_train=64, batch_size=32, epochs=1,
    threads=threads, deterministic=True, seed=0,
)
runs.train(settings, folder)
import keras
model = keras.saving.load_model(folder + "/final.keras")
weights = b"".join(w.tobytes() for w in model.get_weights())
print(hashlib.sha256(weights).hexdigest())
"""


@pytest.mark.slow
def test_deterministic_runs_are_equal_at_any_number_of_threads(tmp_path):
    found = [
        subprocess.run(
            [sys.executable, "-c", DETERMINISTIC, str(n), f"{tmp_path}/{k}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for k, n in enumerate((1, 2, 2))
    ]
    assert found[0] == found[1] == found[2]
