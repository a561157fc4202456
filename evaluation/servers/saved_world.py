"""The embedded simulator's own calls, which the carla package does not know: its world as bytes.

They go over a connection of their own, in the same msgpack-rpc that the carla package speaks.
"""

from __future__ import annotations

import socket
from typing import Any

import msgpack

from evaluation.errors import UserError
from evaluation.servers.ports import LOOPBACK

TIMEOUT_S = 60.0
META: list[bool] = [False]
"""What a client sends before its arguments: it waits for the answer."""


class SavedWorldError(UserError, RuntimeError):
    """The simulator has refused a state, or cannot give one; the message names the fix."""


def save_world(port: int) -> bytes:
    """The whole world of the embedded simulator at a port."""
    return bytes(_call(port, "save_state"))


def restore_world(port: int, world: bytes) -> None:
    """Replaces the world; SavedWorldError for one of another town or version."""
    _call(port, "restore_state", world)


def show_world(port: int) -> int:
    """Has the world's state sent once more, without a step; its frame."""
    return int(_call(port, "show_state"))


def _call(port: int, name: str, *arguments: Any) -> Any:
    unpacker = msgpack.Unpacker(max_buffer_size=1 << 30)
    request = msgpack.packb([0, 1, name, [META, *arguments]], use_bin_type=True)
    try:
        with socket.create_connection((LOOPBACK, port), TIMEOUT_S) as connection:
            connection.sendall(request)
            while True:
                data = connection.recv(1 << 16)
                if not data:
                    raise SavedWorldError(f"the simulator closed the connection during {name}")
                unpacker.feed(data)
                for message in unpacker:
                    return _result(name, message[3])
    except OSError as error:
        raise SavedWorldError(f"the simulator does not answer {name}: {error}") from error


def _result(name: str, wrapped: Any) -> Any:
    """The value, or the error, in the forms that the carla package gets them in."""
    content = wrapped[0]
    if content[0] is False:
        return None
    if content[0] == 1 and content[0] is not True:
        return content[1]
    message = content[1][0]
    if "does not know the call" in str(message):
        message = f"{message}: it is of another version"
    raise SavedWorldError(f"{name}: {message}")
