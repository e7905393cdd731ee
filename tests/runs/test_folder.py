"""The run folder: never overwritten, owned by one, whole or absent."""

import json
import os
import subprocess
import sys

import pytest

from keras_mixup import _files
from keras_mixup import runs
from keras_mixup.runs import folder

SETTINGS = runs.TrainSettings(alpha=0.5)


def create(path, settings=SETTINGS, resume=False):
    return folder.create(path, "train", settings, resume)


def test_create_writes_the_config_and_nothing_else(tmp_path):
    path, resumed = create(tmp_path / "deep" / "run")
    assert not resumed
    assert os.listdir(path) == ["config.json"]
    assert os.listdir(tmp_path / "deep") == ["run"]
    config = json.loads((path / "config.json").read_text())
    assert config["settings"] == SETTINGS.as_dict()
    assert folder.read_config(path) == config
    assert runs.TrainSettings.from_dict(folder.read_settings(path)) == SETTINGS


def test_check_writes_nothing(tmp_path):
    folder.check(str(tmp_path / "deep" / "run"))
    assert os.listdir(tmp_path) == []


def test_an_existing_run_is_refused(tmp_path):
    path, _ = create(tmp_path / "run")
    before = (path / "config.json").read_bytes()
    with pytest.raises(FileExistsError, match="exists. Continue .* resume"):
        create(path)
    assert (path / "config.json").read_bytes() == before


def test_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / "run").mkdir()
    assert not create(tmp_path / "run")[1]


def test_resume_opens_the_run_and_starts_one_where_there_is_none(tmp_path):
    path, resumed = create(tmp_path / "run", resume=True)
    assert not resumed
    assert create(path, resume=True) == (path, True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"alpha": 0.2}, "started with alpha=0.5. Received: alpha=0.2"),
        ({"alpha": None}, "alpha=0.5. Received: alpha=None"),
        ({"epochs": 3}, "epochs=120. Received: epochs=3"),
    ],
)
def test_resume_with_other_settings_is_refused(tmp_path, changes, expected):
    path, _ = create(tmp_path / "run")
    with pytest.raises(ValueError, match=expected):
        create(path, SETTINGS.replace(**changes), resume=True)


@pytest.mark.parametrize("change", [{"data_dir": "d"}, {"threads": 2}])
def test_what_changes_no_result_may_differ(tmp_path, change):
    path, _ = create(tmp_path / "run")
    assert create(path, SETTINGS.replace(**change), resume=True)[1]


def test_a_folder_of_release_0_1_is_read(tmp_path):
    """It called the settings flags, and had null for what was not given."""
    path, _ = create(tmp_path / "run")
    config = folder.read_config(path)
    flags = {**config.pop("settings"), "norm": None, "resume": False}
    _files.write_json(path / "config.json", {**config, "flags": flags})
    assert folder.read_settings(path)["alpha"] == 0.5
    assert create(path, resume=True)[1]


def test_resume_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="config.json is missing"):
        folder.check(tmp_path, resume=True)


def test_files_in_the_way_and_no_name(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file, not a run"):
        folder.check(tmp_path / "file")
    with pytest.raises(NotADirectoryError, match="is a file, not a folder"):
        folder.check(tmp_path / "file" / "run")
    with pytest.raises(ValueError, match="`run_dir` must be"):
        folder.check(None)


def test_no_permission(tmp_path, monkeypatch):
    # The test may run as root, whom no mode bits stop.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="No permission to write in"):
        folder.check(tmp_path / "run")


def test_a_failed_start_leaves_nothing(tmp_path, monkeypatch):
    def fail(path, value):
        raise OSError("disk full")

    monkeypatch.setattr(_files, "write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        create(tmp_path / "run")
    assert os.listdir(tmp_path) == []


def test_read_config_of_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no run folder"):
        folder.read_config(tmp_path)


HOLD = """
import sys, time
from keras_mixup.runs import folder
with folder.owned(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_has_one_owner_until_that_process_ends(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match=f"Process {other.pid} is"):
            with folder.owned(tmp_path):
                pass
        other.kill()
        other.wait()
    with folder.owned(tmp_path):
        pass


def test_description_of_a_run():
    import keras
    import tensorflow as tf

    config = folder.describe("train", SETTINGS)
    assert config["run"] == "train"
    assert config["settings"]["alpha"] == 0.5
    assert config["versions"]["keras"] == keras.__version__
    assert config["versions"]["tensorflow"] == tf.__version__
    assert config["versions"]["python"] == sys.version.split()[0]


def test_commit_is_that_of_the_checkout(monkeypatch, tmp_path):
    here = folder.pathlib.Path(folder.__file__).parent
    try:
        head = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    assert folder._git_commit().split("+")[0] == head
    # Installed inside some other repository: not its commit.
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    copy = tmp_path / "folder.py"
    copy.write_text("")
    monkeypatch.setattr(folder, "__file__", str(copy))
    assert folder._git_commit() is None


@pytest.fixture
def trained_vae(tmp_path, monkeypatch):
    """A run begun with the autoencoder in tmp_path/vae, and its settings."""
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "vae.keras").write_bytes(b"weights")
    settings = runs.TrainSettings(
        algorithm="var_mixup", vae=str(tmp_path / "vae")
    )
    create(tmp_path / "run", settings)
    monkeypatch.chdir(tmp_path)
    return settings


@pytest.mark.parametrize("vae", ["vae", "vae/", "./vae", "vae/vae.keras"])
def test_another_path_to_the_same_file_resumes(trained_vae, tmp_path, vae):
    settings = trained_vae.replace(vae=vae)
    assert create(tmp_path / "run", settings, resume=True)[1]


def test_a_moved_run_with_a_moved_autoencoder_resumes(trained_vae, tmp_path):
    (tmp_path / "vae").rename(tmp_path / "elsewhere")
    (tmp_path / "run").rename(tmp_path / "moved")
    settings = trained_vae.replace(vae="elsewhere")
    assert create("moved/", settings, resume=True)[1]


def test_another_autoencoder_is_refused(trained_vae, tmp_path):
    (tmp_path / "vae" / "vae.keras").write_bytes(b"others")
    with pytest.raises(ValueError, match="`vae` must be .*has changed"):
        create(tmp_path / "run", trained_vae, resume=True)
    (tmp_path / "b.keras").write_bytes(b"others")
    with pytest.raises(ValueError, match="started with vae="):
        create(tmp_path / "run", trained_vae.replace(vae="b.keras"), True)


def test_another_version_is_said(tmp_path):
    path, _ = create(tmp_path / "run")
    assert folder.changed_versions(path) is None
    config = folder.read_config(path)
    now = config["versions"]["keras"]
    config["versions"]["keras"] = "3.0.0"
    _files.write_json(path / "config.json", config)
    assert f"keras 3.0.0, now {now}." in folder.changed_versions(path)


def test_what_a_dead_process_left_is_removed_by_the_next_owner(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    path, _ = create(tmp_path / "run")
    (path / f".{dead.pid}.classifier.keras").write_bytes(b"half")
    (tmp_path / f".{dead.pid}.run.1").mkdir()
    (tmp_path / f".{dead.pid}.other.1").mkdir()
    with folder.owned(path):
        assert sorted(os.listdir(path)) == [".lock", "config.json"]
    (path / "config.json").unlink()
    (path / ".lock").unlink()
    create(path)
    assert sorted(os.listdir(tmp_path)) == [f".{dead.pid}.other.1", "run"]
