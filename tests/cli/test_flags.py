"""Flags made from settings, one-line errors, exit codes."""

import subprocess
import sys
import types

import pytest

from keras_mixup import _settings
from keras_mixup._setting import Setting
from keras_mixup._settings import field
from keras_mixup._types import MixWeight
from keras_mixup.cli import flags as flags_lib
from keras_mixup.cli import main as main_lib


class _Thing(_settings.Settings):
    """Settings of a thing."""

    eps: "float" = field(8 / 255, "Radius.")
    drops: "tuple[float, ...]" = field((), "Drops.")
    seeds: "tuple[int, ...]" = field((1, 2), "Seeds.")
    names: "tuple[str, ...]" = field(("a",), "Names.")
    weights: "tuple[MixWeight, ...]" = field((0.5,), "Weights.")
    dataset: "str | None" = field(None, "Data set.")
    switch: "bool" = field(True, "Switch.")
    seed: "int" = field(0, "Seed.", 0)
    depth: "int | None" = field(None, "Depth.", owners=(("names", ("b", "c")),))


Thing = _settings.complete(_Thing)
OWN = (Setting("run_dir", "str", None, "Folder."),)


def make():
    return flags_lib.Flags(Thing.declared, OWN, "Does a thing.\n\nAt length.")


def settings(*argv):
    return make().parse(["app", *argv]).settings(Thing)


@pytest.fixture
def run(monkeypatch):
    """Runs a command whose work is `main`; returns the exit code."""

    def run(*argv, main=lambda flags: flags.settings(Thing)):
        module = types.SimpleNamespace(make_flags=make, main=main)
        monkeypatch.setitem(sys.modules, "keras_mixup.cli.thing", module)
        return main_lib.exit_code("thing", ["app", *argv])

    return run


def test_fractions_lists_and_switches_are_read():
    found = settings(
        "--eps=2/255",
        "--drops=100, 0.9",
        "--seeds=",
        "--names=b,c",
        "--noswitch",
        "--weights=0.6,uniform:0.4:0.6",
    )
    assert found.eps == 2 / 255
    assert found.drops == (100.0, 0.9)
    assert (found.seeds, found.names) == ((), ("b", "c"))
    assert not found.switch
    assert found.weights == (0.6, ("uniform", 0.4, 0.6))


def test_defaults_hold_and_do_not_leak_between_parses():
    flags = make()
    flags.parse(["app", "--eps=0.5"])
    found = flags.parse(["app"]).settings(Thing)
    assert found == Thing()
    assert flags.run_dir is None


def test_a_flag_that_is_no_setting():
    flags = make().parse(["app", "--run_dir=here", "--seed=3"])
    assert (flags.run_dir, flags.seed) == ("here", 3)
    assert flags.settings(Thing) == Thing(seed=3)


def test_flag_file_with_comment_and_nested_file(tmp_path):
    (tmp_path / "base.flags").write_text("# base\n--eps=0.25\n--seed=3\n")
    outer = tmp_path / "outer.flags"
    outer.write_text(f"--flagfile={tmp_path}/base.flags\n--seed=4\n")
    for argv in ([f"--flagfile={outer}"], ["--flagfile", str(outer)]):
        assert settings(*argv) == Thing(eps=0.25, seed=4)


def test_a_flag_file_of_the_settings_themselves(tmp_path):
    given = Thing(
        eps=0.3,
        names=["b"],
        depth=2,
        weights=(0.1, ("beta", 2, 1)),
        switch=False,
    )
    path = tmp_path / "mine.flags"
    path.write_text(given.to_flags())
    assert settings(f"--flagfile={path}") == given


@pytest.mark.parametrize(
    "name",
    [
        "digits/mixup",
        "digits/mixup.flags",
        "apps/flagfiles/digits/mixup.flags",
        "./apps/flagfiles/digits/mixup.flags",
    ],
)
def test_a_flag_file_of_the_package_is_found_anywhere(
    name, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    assert flags_lib.flag_file(name) == flags_lib.FLAGFILES / "digits" / (
        "mixup.flags"
    )


def test_a_file_of_the_users_comes_first(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "mixup").write_text("")
    assert flags_lib.flag_file("digits/mixup") == flags_lib.pathlib.Path(
        "digits/mixup"
    )


def test_an_unknown_flag_file_names_the_nearest():
    with pytest.raises(FileNotFoundError, match="Did you mean digits/mixup"):
        flags_lib.flag_file("digits/mixupp")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--esp=1", "Unknown command line flag 'esp'. Did you mean: eps"),
        ("--eps=x", 'must be a number or a fraction such as "8/255"'),
        ("--eps=1/0", "Received: eps='1/0'"),
        ("--seeds=a", "`seeds` must be a whole number. Received: seeds='a'"),
        ("--seed=-1", "`seed` must be 0 or more"),
        ("mixup", "Arguments are flags, --name=value. Received: 'mixup'"),
        ("--flagfile=/nowhere.flags", "/nowhere.flags"),
        ("--flagfile", "--flagfile needs the path or name of a flag file"),
        ("--depth=3", "`depth` has no effect with names=a"),
    ],
)
def test_a_wrong_argument_is_one_line(run, capsys, argument, expected):
    assert run(argument) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert expected in shown.err


def test_a_flag_file_is_a_profile(tmp_path):
    """What it says of a thing that the command line replaces is left aside."""
    profile = tmp_path / "profile.flags"
    profile.write_text("--names=b\n--depth=3\n")
    assert settings(f"--flagfile={profile}").depth == 3
    found = settings(f"--flagfile={profile}", "--names=a")
    assert (found.names, found.depth) == (("a",), None)
    with pytest.raises(ValueError, match="`depth` has no effect"):
        settings(f"--flagfile={profile}", "--names=a", "--depth=4")
    # By itself a profile is held to the same rule.
    profile.write_text("--depth=3\n")
    with pytest.raises(ValueError, match="`depth` has no effect"):
        settings(f"--flagfile={profile}", "--eps=0.5")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("two\n  lines"),
        FileNotFoundError("two lines"),
        PermissionError("two lines"),
        FileExistsError("two lines"),
        BlockingIOError("two lines"),
        ImportError("two lines"),
        FloatingPointError("two lines"),
    ],
)
def test_a_mistake_of_the_users_is_one_line(run, capsys, error):
    def main(flags):
        raise error

    assert run(main=main) == 2
    assert capsys.readouterr().err == "error: two lines\n"


def test_debug_shows_where_an_error_came_from(run, capsys):
    def main(flags):
        raise ValueError("found me")

    assert run("--debug", main=main) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("error: found me\n")


def test_a_fault_of_ours_keeps_its_traceback(run):
    def main(flags):
        raise AttributeError("ours")

    with pytest.raises(AttributeError, match="ours"):
        run(main=main)


def test_an_interrupt_is_no_traceback(run, capsys):
    def main(flags):
        raise KeyboardInterrupt

    assert run(main=main) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_main_gets_the_flags_and_success_is_zero(run):
    seen = []
    assert run("--eps=1/4", main=lambda flags: seen.append(flags.eps)) == 0
    assert seen == [0.25]


def test_help_lists_each_flag_and_does_no_work(run, capsys):
    def main(flags):
        raise ValueError("did work")

    assert run("--help", main=main) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Does a thing.\n\nAt length.\n")
    assert "  --flagfile=PATH\n" in shown
    for name in ("eps", "drops", "seed", "debug", "run_dir"):
        assert f"  --{name}\n" in shown
    assert "Radius. Default: 0.031372" in shown
    assert "Depth. With names=b|c." in shown


@pytest.mark.parametrize(
    ("argv", "code", "shown"),
    [
        ([], 0, "keras-mixup COMMAND"),
        (["--help"], 0, "keras-mixup COMMAND"),
        (["trian"], 2, "Did you mean 'train'?"),
        (["train", "--algorithm=mixupp"], 2, 'Did you mean "mixup"?'),
        (["export", "--help"], 0, "--default_signature"),
    ],
)
def test_the_console_command(argv, code, shown, capsys):
    assert main_lib.main(["keras-mixup", *argv]) == code
    streams = capsys.readouterr()
    assert shown in streams.out + streams.err


def test_the_package_is_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "keras_mixup", "train", "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "  --algorithm\n" in done.stdout
