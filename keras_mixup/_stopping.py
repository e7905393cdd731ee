"""What a run raises when it was asked to stop before its end."""

# Of a process that was asked to stop: EX_TEMPFAIL of sysexits.h.
EXIT_CODE = 75


class Stopped(Exception):
    """The run stopped as it was asked to; the same call goes on from there.

    What was finished is on the disk. The text says how far the run came.
    """


def never():
    """Returns None: the run need not stop."""


def check_stop(stop, place):
    """Raises where a run should stop.

    Args:
        stop: callable without arguments that returns the reason, a str, or
            something false.
        place: str, how far the run came.

    Raises:
        Stopped: names reason and place.
    """
    if reason := stop():
        raise Stopped(
            f"Stopped {place} ({reason}). The same call, for training with "
            "resume, goes on from there."
        )
