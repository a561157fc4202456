"""Free TCP ports. A simulator uses two neighbouring ones: requests and streams.

A port that was only looked at may be another process's by the time it is used, and two traffic
managers on one port become one without a word. So whoever starts a server that cannot choose its
port itself takes a lease: a lock that every process of this user heeds.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from evaluation.errors import MachineError

LOOPBACK = "127.0.0.1"
ATTEMPTS = 100
LEASED = range(20_000, 32_000)
"""Below those that Linux gives to connections that it opens (ip_local_port_range, from 32768)."""
POLL_S = 0.1


class PortInUseError(MachineError):
    """Someone else listens on a port that was asked for; the message offers a free one."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, so that a port that was just closed counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port(neighbours: int = 1, host: str = LOOPBACK) -> int:
    """A port that is free together with the `neighbours` - 1 ports behind it."""
    for _ in range(ATTEMPTS):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
            port: int = probe.getsockname()[1]
        if port + neighbours <= 65536 and all(
            is_free(port + offset, host) for offset in range(neighbours)
        ):
            return port
    raise PortInUseError(f"found no {neighbours} free neighbouring ports on {host}")


def require_free(port: int, neighbours: int, host: str = LOOPBACK) -> None:
    """Raises PortInUseError if the port or one of its neighbours is taken."""
    for offset in range(neighbours):
        if not is_free(port + offset, host):
            raise PortInUseError(
                f"port {port + offset} on {host} is in use; free is for instance "
                f"{free_port(neighbours, host)}"
            )


def wait_until_free(port: int, neighbours: int, patience_s: float) -> None:
    """As `require_free`, but waits for a server that is just about to end."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        if all(is_free(port + offset) for offset in range(neighbours)):
            return
        time.sleep(POLL_S)
    require_free(port, neighbours)


@dataclass(frozen=True)
class PortLease:
    """Neighbouring ports that nobody else takes a lease on. handles: open files that hold it; a
    child that inherits them holds it as well, after this process too."""

    port: int
    handles: tuple[int, ...]

    def close(self) -> None:
        for handle in self.handles:
            os.close(handle)

    def __enter__(self) -> PortLease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def lease_ports(neighbours: int = 1, port: int = 0) -> PortLease:
    """A lease on that port and its neighbours; 0 takes any that are free.

    Raises PortInUseError if they are not to be had.
    """
    for first in [port] if port else _candidates(neighbours):
        handles = _locked(first, neighbours)
        if handles and all(is_free(first + offset) for offset in range(neighbours)):
            return PortLease(first, handles)
        PortLease(first, handles).close()
    if port:
        require_free(port, neighbours)
        raise PortInUseError(f"port {port} is another run's; choose another one")
    raise PortInUseError(f"found no {neighbours} free neighbouring ports")


def _candidates(neighbours: int) -> Iterator[int]:
    starts = range(LEASED.start, LEASED.stop - neighbours, neighbours)
    yield from random.SystemRandom().sample(starts, min(ATTEMPTS, len(starts)))


def _locked(first: int, neighbours: int) -> tuple[int, ...]:
    """Open lock files of all the ports, none if one of them is locked."""
    folder = Path(tempfile.gettempdir()) / f"carla_ports_{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    handles: list[int] = []
    for number in range(first, first + neighbours):
        handle = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        handles.append(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            for taken in handles:
                with suppress(OSError):
                    os.close(taken)
            return ()
    return tuple(handles)
