"""Free TCP ports. A simulator uses two neighbouring ones: requests and streams."""

from __future__ import annotations

import socket

from evaluation.errors import MachineError

LOOPBACK = "127.0.0.1"
ATTEMPTS = 100


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
