"""Calls that CARLA does not have: the whole world as bytes, and back.

No file is read or written here; whoever asks keeps the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evaluation.simulator.calls.call import Call
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.state_codec import StateError


def save_state(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> bytes:
    """Return the whole world: actors, physics, lights, weather, clock, noise."""
    return simulator.save_state()


def restore_state(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Replace the world by a saved one of the same town."""
    if not isinstance(arguments[0], bytes):
        raise CallError("a saved state is a string of bytes")
    try:
        simulator.restore_state(arguments[0])
    except StateError as error:
        raise CallError(str(error)) from error


def show_state(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> int:
    """Send the world's state once more, without a step; return its frame."""
    simulator.show_state()
    return simulator.world.frame


CALLS = {
    "save_state": Call(save_state, Reply.VALUE),
    "restore_state": Call(restore_state, Reply.VOID, 1),
    "show_state": Call(show_state, Reply.VALUE),
}
