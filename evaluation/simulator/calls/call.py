"""The form of an entry in a topic's table of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.simulator import Simulator

Function = Callable[[Simulator, Caller, Sequence[Any]], Any]
"""(simulator, caller, arguments without the client's meta data) -> result to be wrapped."""


class Call(NamedTuple):
    """A function with the form of its answer and the least number of its arguments."""

    function: Function
    reply: Reply
    arity: int = 0


def accept(_simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> None:
    """Take a call that has no effect in this simulator."""


def empty_list(_simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> list[Any]:
    """Answer a call for things that this simulator does not have."""
    return []
