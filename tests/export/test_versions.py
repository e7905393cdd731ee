"""Version folders appear whole or not at all."""

import os
import subprocess
import sys
import threading

import pytest

from keras_mixup.export.versions import check_version
from keras_mixup.export.versions import list_versions
from keras_mixup.export.versions import write_version


def _fill(folder):
    with open(os.path.join(folder, "saved_model.pb"), "w") as file:
        file.write("graph")


def test_first_version_makes_every_parent_folder(tmp_path):
    base = tmp_path / "saved_models" / "digits"
    path = write_version(base, None, _fill)
    assert path == str(base / "1")
    assert os.listdir(base) == ["1"]
    assert os.listdir(path) == ["saved_model.pb"]


def test_next_version_is_above_the_largest(tmp_path):
    for name in ("2", "10", "notes", ".incoming-3", "-4", "1.5", "²"):
        (tmp_path / name).mkdir()
    assert list_versions(tmp_path) == [2, 10]
    assert write_version(tmp_path, None, _fill) == str(tmp_path / "11")


def test_given_version_may_fill_a_gap(tmp_path):
    (tmp_path / "5").mkdir()
    assert write_version(tmp_path, 3, _fill) == str(tmp_path / "3")


@pytest.mark.parametrize("name", ["5", "005"])
def test_existing_version_is_refused_before_any_work(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(FileExistsError, match="Version 5 exists already"):
        write_version(tmp_path, 5, lambda folder: pytest.fail("was called"))
    assert os.listdir(tmp_path) == [name]


def test_nothing_is_visible_to_a_server_while_writing(tmp_path):
    base = tmp_path / "digits"
    seen = []

    def write(folder):
        _fill(folder)
        seen.extend(list_versions(base))
        # A server under another user must be able to read the version.
        assert os.stat(folder).st_mode & 0o055 == 0o055 & ~_umask()

    write_version(base, None, write)
    assert seen == []
    assert list_versions(base) == [1]


def _umask():
    value = os.umask(0)
    os.umask(value)
    return value


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_no_trace(tmp_path, error):
    def write(folder):
        _fill(folder)
        raise error("stopped")

    with pytest.raises(error, match="stopped"):
        write_version(tmp_path / "a" / "b", None, write)
    assert os.listdir(tmp_path) == []


def test_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "1").mkdir()

    def write(folder):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write_version(tmp_path, None, write)
    assert os.listdir(tmp_path) == ["1"]


def test_base_path_below_a_file_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    for base in (tmp_path / "file", tmp_path / "file" / "digits"):
        with pytest.raises(NotADirectoryError, match="`base_path` cannot be"):
            write_version(base, None, _fill)
    assert (tmp_path / "file").read_text() == ""


def test_no_permission_is_one_clear_error(tmp_path, monkeypatch):
    # The tests may run as root, whom no mode bits stop.
    def refuse(path, *arguments):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", refuse)
    expected = "`base_path` cannot be written: Permission denied"
    with pytest.raises(PermissionError, match=expected):
        write_version(tmp_path / "digits", None, _fill)
    assert os.listdir(tmp_path) == []


def test_a_look_ahead_refuses_the_same_and_writes_nothing(
    tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    (tmp_path / "digits" / "3").mkdir(parents=True)
    check_version(tmp_path / "digits")
    check_version(tmp_path / "new" / "deep", 3)
    with pytest.raises(FileExistsError, match="Version 3 exists already"):
        check_version(tmp_path / "digits", 3)
    with pytest.raises(NotADirectoryError, match="cannot be written: no fold"):
        check_version(tmp_path / "file" / "deep")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="cannot be written: no permis"):
        check_version(tmp_path / "new")
    assert sorted(os.listdir(tmp_path)) == ["digits", "file"]


def test_concurrent_exports_get_versions_of_their_own(tmp_path):
    barrier = threading.Barrier(4)
    paths = []

    def write(folder):
        _fill(folder)
        barrier.wait()

    def export():
        paths.append(write_version(tmp_path, None, write))

    threads = [threading.Thread(target=export) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(paths) == [str(tmp_path / str(n)) for n in (1, 2, 3, 4)]
    assert sorted(os.listdir(tmp_path)) == ["1", "2", "3", "4"]


def test_version_taken_in_the_meantime_is_refused(tmp_path):
    def write(folder):
        _fill(folder)
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "saved_model.pb").write_text("another")

    with pytest.raises(FileExistsError, match="Version 1 exists already"):
        write_version(tmp_path, 1, write)
    assert os.listdir(tmp_path) == ["1"]
    assert (tmp_path / "1" / "saved_model.pb").read_text() == "another"


def test_two_first_exports_of_a_model_share_its_folder(tmp_path, monkeypatch):
    base = tmp_path / "saved_models" / "digits"
    mkdir = os.mkdir

    def late(path, *arguments):
        # Just before, another export has made it.
        if str(path) == str(base):
            mkdir(path)
        return mkdir(path, *arguments)

    monkeypatch.setattr(os, "mkdir", late)
    assert write_version(base, None, _fill) == str(base / "1")


def test_what_a_killed_export_left_is_removed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    (tmp_path / f".{dead.pid}.incoming.1").mkdir()
    (tmp_path / f".{os.getpid()}.incoming.1").mkdir()
    write_version(tmp_path, None, lambda path: None)
    assert sorted(os.listdir(tmp_path)) == [f".{os.getpid()}.incoming.1", "1"]
