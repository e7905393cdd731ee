"""Flags, one-line errors and the record of a run."""

import subprocess
import sys

import pytest

from apps import _common


@pytest.fixture
def flags():
    made = _common.Flags("Does a thing.\n\nAt length.")
    made.number("eps", "8/255", "Radius.")
    made.number_list("drops", "", "Drops.")
    made.integer_list("seeds", "1,2", "Seeds.")
    made.string_list("names", "a", "Names.")
    made.string("dataset", None, "Data set.")
    made.runtime()
    return made


def run(flags, *argv, main=lambda values: None):
    return _common.exit_code(main, flags, ["app", *argv])


def test_fractions_and_lists_are_read(flags):
    values = flags.parse(
        ["app", "--eps=2/255", "--drops=100, 0.9", "--seeds=", "--names=b,c"]
    )
    assert values.eps == 2 / 255
    assert values.drops == [100.0, 0.9]
    assert values.seeds == []
    assert values.names == ["b", "c"]


def test_defaults_hold_and_do_not_leak_between_parses(flags):
    flags.parse(["app", "--eps=0.5"])
    values = flags.parse(["app"])
    assert values.eps == 8 / 255
    assert values.seeds == [1, 2]
    assert values.dataset is None


def test_flag_file_with_comment_and_nested_file(flags, tmp_path):
    (tmp_path / "base.flags").write_text("# base\n--eps=0.25\n--seed=3\n")
    outer = tmp_path / "outer.flags"
    outer.write_text(f"--flagfile={tmp_path}/base.flags\n--seed=4\n")
    values = flags.parse(["app", f"--flagfile={outer}", "--threads=2"])
    assert (values.eps, values.seed, values.threads) == (0.25, 4, 2)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--esp=1", "Unknown command line flag 'esp'. Did you mean: eps"),
        ("--eps=x", 'must be a number or a fraction such as "8/255"'),
        ("--eps=1/0", "Received: value='1/0'"),
        ("--seeds=a", "invalid literal for int() with base 10: 'a'"),
        ("--seed=-1", "seed"),
        ("--precision=float16", "float32|mixed_bfloat16"),
        ("mixup", "Arguments are flags, --name=value. Received: 'mixup'"),
        ("--flagfile=/nowhere.flags", "/nowhere.flags"),
    ],
)
def test_a_wrong_argument_is_one_line(flags, capsys, argument, expected):
    assert run(flags, argument) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert expected in shown.err


@pytest.mark.parametrize(
    "error",
    [
        ValueError("two\n  lines"),
        FileNotFoundError("two lines"),
        PermissionError("two lines"),
        FileExistsError("two lines"),
        ImportError("two lines"),
        FloatingPointError("two lines"),
        _common.UsageError("two lines"),
    ],
)
def test_a_mistake_of_the_users_is_one_line(flags, capsys, error):
    def main(values):
        raise error

    assert run(flags, main=main) == 2
    assert capsys.readouterr().err == "error: two lines\n"


def test_debug_shows_where_an_error_came_from(flags, capsys):
    def main(values):
        raise ValueError("found me")

    assert run(flags, "--debug", main=main) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("error: found me\n")


def test_a_fault_of_ours_keeps_its_traceback(flags):
    def main(values):
        return values.parse.nothing

    with pytest.raises(AttributeError):
        run(flags, main=main)


def test_an_interrupt_is_no_traceback(flags, capsys):
    def main(values):
        raise KeyboardInterrupt

    assert run(flags, main=main) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_main_gets_the_values_and_run_exits(flags):
    seen = []
    with pytest.raises(SystemExit) as left:
        _common.run(
            lambda values: seen.append(values.eps), flags, ["app", "--eps=1/4"]
        )
    assert left.value.code == 0
    assert seen == [0.25]


def test_help_lists_each_flag_and_does_no_work(flags, capsys):
    def main(values):
        raise ValueError("did work")

    assert run(flags, "--help", main=main) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Does a thing.\n\nAt length.\n")
    for name in ("flagfile", "eps", "drops", "precision", "seed", "debug"):
        assert f"  --{name}" in shown
    assert "Radius. Default: 0.031372" in shown


def test_description_of_a_run(flags):
    flags.parse(["app", "--eps=0.5", "--debug"])
    config = _common.describe_run("apps.train", flags)
    assert config["app"] == "apps.train"
    assert config["flags"] == {
        "dataset": None,
        "drops": [],
        "eps": 0.5,
        "names": ["a"],
        "precision": "float32",
        "seed": 0,
        "seeds": [1, 2],
        "strategy": "none",
        "threads": 0,
    }
    import keras
    import tensorflow as tf

    assert config["versions"]["keras"] == keras.__version__
    assert config["versions"]["tensorflow"] == tf.__version__
    assert config["versions"]["python"] == sys.version.split()[0]


def test_commit_is_that_of_the_checkout(monkeypatch, tmp_path):
    here = _common.pathlib.Path(_common.__file__).parent
    try:
        head = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    assert _common._git_commit().split("+")[0] == head
    # Installed inside some other repository: not its commit.
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    copy = tmp_path / "_common.py"
    copy.write_text("")
    monkeypatch.setattr(_common, "__file__", str(copy))
    assert _common._git_commit() is None


SET_UP = """
import keras
import tensorflow as tf
from apps import _common
flags = _common.Flags("x")
flags.runtime()
strategy = _common.set_up(flags.parse(["app", {arguments}]))
print(keras.config.dtype_policy().name, strategy.num_replicas_in_sync)
print(type(strategy).__name__)
print(tf.config.threading.get_intra_op_parallelism_threads())
print(float(
      keras.initializers.GlorotUniform()((1, 1))[0, 0]))
"""


def set_up(*arguments):
    listed = ", ".join(repr(argument) for argument in arguments)
    done = subprocess.run(
        [sys.executable, "-c", SET_UP.format(arguments=listed)],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split("\n")


def test_set_up_applies_the_flags():
    lines = set_up(
        "--precision=mixed_bfloat16", "--strategy=mirrored", "--threads=3"
    )
    assert lines[:3] == ["mixed_bfloat16 1", "MirroredStrategy", "3"]


def test_set_up_seeds_the_initial_weights():
    first, second = set_up("--seed=1"), set_up("--seed=2")
    assert first[:3] == ["float32 1", "_DefaultDistributionStrategy", "0"]
    assert first[3] != second[3]
    assert first == set_up("--seed=1")


def test_importing_tensorflow_is_silent():
    code = (
        "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2';"
        "from apps import _common; _common.import_tensorflow();"
        "import sys; print('still here', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**_common.os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert done.stderr == "still here\n"


def test_typed_are_the_flags_of_the_command_line_itself(flags, tmp_path):
    profile = tmp_path / "base.flags"
    profile.write_text("--eps=0.25\n--seed=3\n")
    flags.boolean("switch", True, "Switch.")
    flags.parse(["app", f"--flagfile={profile}", "--noswitch", "--names=b"])
    assert flags.typed == {"flagfile", "switch", "names"}
    assert flags.values["eps"].present and flags.values.eps == 0.25
