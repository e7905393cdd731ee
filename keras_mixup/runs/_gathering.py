"""Waits until all workers of a run have started, but not without an end.

TensorFlow's own start waits for hours, and holds Python meanwhile, so that no
signal is heard. Before it each worker opens its own address and knocks at the
others'. Nothing is sent. An address that has answered once counts, since its
worker may be a step ahead.
"""

import contextlib
import socket
import time
from typing import Any

from keras_mixup import _stopping
from keras_mixup import _types
from keras_mixup import _workers

_PAUSE = 0.2  # seconds between two rounds of knocking
_PATIENCE = 1.0  # seconds for an answer

_MISSING = (
    "Not started, or not reachable, within {seconds} seconds: {missing}. Start "
    "all workers again, each with the same settings, and with resume where "
    "the run has begun."
)


def gather(
    resolver: Any, seconds: float, stop: _types.AskStop | None = None
) -> None:
    """Returns as soon as every worker has been reached once.

    Args:
        resolver: `ClusterResolver`.
        seconds: number > 0, how long to wait at most.
        stop: callable that returns the reason to stop, or something false.

    Raises:
        ValueError: another process holds this worker's port, or an address
            is not host:port.
        WorkerLost: a worker is not there in time; the text names it.
        Stopped: `stop` gave a reason.
    """
    missing = _addresses(resolver)
    for address in missing.values():
        _split(address)
    own = missing.pop((resolver.task_type, resolver.task_id))
    end = time.monotonic() + seconds
    with _listening(own):
        while missing:
            missing = {k: v for k, v in missing.items() if not _answers(v)}
            _stopping.check_stop(stop or _stopping.never, "before the start")
            if missing and time.monotonic() >= end:
                raise _workers.WorkerLost(_said(missing, seconds))
            time.sleep(_PAUSE if missing else 0.0)


def _addresses(resolver):
    """Returns dict (job, index) -> "host:port" of all that train."""
    spec = resolver.cluster_spec()
    kinds = [kind for kind in ("chief", "worker") if kind in spec.jobs]
    return {
        (kind, index): spec.task_address(kind, index)
        for kind in kinds
        for index in spec.task_indices(kind)
    }


def _split(address):
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise ValueError(
            "TF_CONFIG must give each worker as host:port. Received: "
            f"{address!r}"
        )
    return host.strip("[]"), int(port)


def _said(missing, seconds):
    named = (f"{kind} {index} ({at})" for (kind, index), at in missing.items())
    return _MISSING.format(seconds=f"{seconds:g}", missing=", ".join(named))


def _answers(address):
    """Whether something listens at an address."""
    try:
        with socket.create_connection(_split(address), timeout=_PATIENCE):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _listening(address):
    """Holds this worker's port until TensorFlow takes it."""
    try:
        opened = _server(_split(address)[1])
    except OSError as error:
        raise ValueError(
            "TF_CONFIG or Slurm must give this worker a port that is free. "
            f"Received: {address} ({error.strerror}). Another process holds "
            "it, perhaps a former worker."
        ) from error
    with opened:
        yield


def _server(port):
    """Returns a socket that listens, on IPv6 as well where there is one."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True
            )
    return socket.create_server(("", port))
