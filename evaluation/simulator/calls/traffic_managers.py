"""Calls with which clients register the traffic managers that they run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from evaluation.simulator.calls.call import Call
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.codec import integer, sequence, text

logger = logging.getLogger(__name__)


def is_running(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> bool:
    """Whether a traffic manager is registered at a port."""
    return integer("port", arguments[0]) in simulator.traffic_managers


def get_running(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return [address, port] of a traffic manager, or ["", 0]."""
    port = integer("port", arguments[0])
    if port not in simulator.traffic_managers:
        return "", 0
    return simulator.traffic_managers[port][0], port


def add_running(simulator: Simulator, caller: Caller, arguments: Sequence[Any]) -> bool:
    """Register a traffic manager until its client disconnects; false where the port is taken."""
    address, port = sequence("traffic manager", arguments[0], at_least=2)[:2]
    port = integer("port", port)
    if port in simulator.traffic_managers:
        return False
    simulator.traffic_managers[port] = (text("address", address), caller)

    def forget() -> None:
        if simulator.traffic_managers.get(port, ("", None))[1] is caller:
            del simulator.traffic_managers[port]
            logger.info("traffic manager %d: its client is gone", port)

    caller.on_closed.append(forget)
    return True


def destroy(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Take a traffic manager off the register."""
    simulator.traffic_managers.pop(integer("port", arguments[0]), None)


CALLS = {
    "is_traffic_manager_running": Call(is_running, Reply.VALUE, 1),
    "get_traffic_manager_running": Call(get_running, Reply.VALUE, 1),
    "add_traffic_manager_running": Call(add_running, Reply.VALUE, 1),
    "destroy_traffic_manager": Call(destroy, Reply.VOID, 1),
}
