"""A full disk: one line with the file, and the same end once there is room."""

import contextlib
import functools
import resource
import signal
import subprocess

import forked
import kills

SIZES = (40, 120, 200, 280)  # KiB; a run needs more.


def cases():
    """Yields (name, function of a folder)."""
    yield "training", _training


def _training(folder):
    told = [*kills.TRAIN, *forked.FEW]
    whole = folder / "whole"
    end = forked.done(folder / "log", "train", *told, f"--run_dir={whole}")
    assert end[0] == 0, end
    tried = held = 0
    kind = "a tmpfs"
    for size in SIZES:
        with _small(folder / f"disk-{size}", size) as (disk, limit, grow):
            kind = kind if limit is None else "a limit of each file's size"
            flags = [*told, f"--run_dir={disk / 'run'}", "--resume"]
            log = folder / "log"
            code, text = forked.done(log, "train", *flags, before=limit)
            said = code == 74 and "Make room" in text
            said = said and text.count("error: ") == 1
            grow()
            code, text = forked.done(folder / "log", "train", *flags)
            alike = functools.partial(kills.equal, whole, disk / "run")
            good = code == 0 and forked.yes(folder / "log2", alike)
            tried, held = tried + 1, held + bool(said and good)
            if not (said and good):
                print(size, said, good, code, text[-300:])
    return {"tried": tried, "held": held, "lost": tried - held, "note": kind}


@contextlib.contextmanager
def _small(path, size):
    """Yields (folder, what limits a process or None, what makes room)."""
    path.mkdir()
    options = ["mount", "-t", "tmpfs", "-o"]
    mounted = subprocess.run(
        [*options, f"size={size}k", "tmpfs", str(path)], capture_output=True
    )
    if mounted.returncode:
        yield path, functools.partial(_limit, size), lambda: None
        return
    more = [*options, "remount,size=64m", str(path)]
    try:
        yield path, None, lambda: subprocess.run(more, check=True)
    finally:
        subprocess.run(["umount", str(path)], check=True)


def _limit(size):
    """Where nothing may be mounted: no file of this process grows larger."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * 256, size * 256))
