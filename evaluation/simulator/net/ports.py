"""Finds and binds the two neighbouring ports of a simulator."""

from __future__ import annotations

import errno
import socket

_TRIES = 100
_FIRST_OFFERED_PORT = 2000
_LAST_PORT = 65535


class PortError(OSError):
    """The ports cannot be had; the text names them and offers others."""


def bind_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return listening sockets on `port` and the next one; `port` 0 takes any free pair.

    Raises:
        PortError: there are no such ports, one of them is in use, or the host is not an address of
            this machine.
    """
    if not 0 <= port < _LAST_PORT:
        raise PortError(
            f"port {port} cannot be used: streams take the port after it; give --port 1 to "
            f"{_LAST_PORT - 1}, or 0 for any that is free"
        )
    if port:
        return _bind_two(host, port)
    for _ in range(_TRIES):
        first = socket.create_server((host, 0), backlog=128)
        try:
            second = socket.create_server((host, first.getsockname()[1] + 1), backlog=128)
        except (OSError, OverflowError):
            first.close()
        else:
            return first, second
    raise PortError(f"no two neighbouring free ports found on {host}")


def _bind_two(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    bound: list[socket.socket] = []
    for wanted in (port, port + 1):
        try:
            bound.append(socket.create_server((host, wanted), backlog=128))
        except (OSError, OverflowError) as error:
            for sock in bound:
                sock.close()
            raise PortError(_explain(host, port, wanted, error)) from error
    return bound[0], bound[1]


def _explain(host: str, port: int, wanted: int, error: Exception) -> str:
    if not isinstance(error, OSError) or error.errno not in (errno.EADDRINUSE, errno.EACCES):
        return f"cannot listen on {host} port {wanted}: {error}"
    role = "" if wanted == port else f" (the streams of --port {port})"
    trouble = "in use" if error.errno == errno.EADDRINUSE else "not allowed"
    return f"port {wanted}{role} is {trouble}; free is for example --port {free_port(host)}"


def free_port(host: str) -> int:
    """Return a port that is free now together with the next one."""
    for port in range(_FIRST_OFFERED_PORT, _LAST_PORT, 10):
        try:
            pair = _bind_two_quietly(host, port)
        except OSError:
            continue
        for sock in pair:
            sock.close()
        return port
    return 0


def _bind_two_quietly(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    first = socket.create_server((host, port))
    try:
        return first, socket.create_server((host, port + 1))
    except OSError:
        first.close()
        raise
