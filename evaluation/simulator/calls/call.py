"""The form of an entry in a topic's table of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.errors import NotSimulatedError

Function = Callable[[Simulator, Caller, Sequence[Any]], Any]
"""(simulator, caller, arguments without the client's meta data) -> result to be wrapped."""


class Effect(Enum):
    """What becomes of a call."""

    ANSWERED = "answered"
    NONE = "accepted without effect"
    REFUSED = "refused"


class Call(NamedTuple):
    """A function with the form of its answer and the least number of its arguments.

    `effect` says what becomes of the call; `tells` is false for the calls that the client's traffic
    manager makes in a thread of its own, which an error would end together with the process: they
    never tell of asynchronous calls that were refused before.
    """

    function: Function
    reply: Reply
    arity: int = 0
    effect: Effect = Effect.ANSWERED
    tells: bool = True


def accepted(reply: Reply, function: Function | None = None) -> Call:
    """Return the entry of a call that is taken, or answered with nothing, and changes nothing."""
    return Call(function or accept, reply, effect=Effect.NONE)


def refused(reply: Reply, what: str) -> Call:
    """Return the entry of a call for `what`, which is not simulated."""

    def refuse(_simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> None:
        raise NotSimulatedError(f"{what} not simulated")

    refuse.__doc__ = f"{what[0].upper()}{what[1:]} not simulated."
    return Call(refuse, reply, effect=Effect.REFUSED)


def accept(_simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> None:
    """Take a call that has no effect in this simulator."""
