"""A full disk: one line with the file, and the same end once there is room."""

import contextlib
import functools
import resource
import signal
import subprocess

import forked
import kills

# Shares of what a whole run keeps; on its way it needs more than that.
SHARES = (0.1, 0.4, 0.7, 0.95)
PAGE = 4  # KiB; a tmpfs keeps whole pages.


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
    for share in SHARES:
        place = folder / f"disk-{share}"
        with _small(place, whole, share) as (disk, limit, grow):
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
                print(share, said, good, code, text[-300:])
    return {"tried": tried, "held": held, "lost": tried - held, "note": kind}


@contextlib.contextmanager
def _small(path, whole, share):
    """Yields (folder, what limits a process or None, what makes room).

    The limit is a share of what is needed.
    """
    path.mkdir()
    pages = [-(-f.stat().st_size // 1024 // PAGE) * PAGE for f in _all(whole)]
    size = int(sum(pages) * share)
    options = ["mount", "-t", "tmpfs", "-o"]
    mounted = subprocess.run(
        [*options, f"size={size}k", "tmpfs", str(path)], capture_output=True
    )
    if mounted.returncode:
        limit = functools.partial(_limit, int(max(pages) * share))
        yield path, limit, lambda: None
        return
    more = [*options, "remount,size=64m", str(path)]
    try:
        yield path, None, lambda: subprocess.run(more, check=True)
    finally:
        subprocess.run(["umount", str(path)], check=True)


def _all(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def _limit(size):
    """Where nothing may be mounted: no file of this process grows larger.

    `size` is in KiB.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * 1024, size * 1024))
