"""The table of calls: rpc name -> handler, form of the answer, number of arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from evaluation.simulator.calls import (
    actors,
    batch,
    bones,
    episode,
    missing,
    motion,
    parts,
    recordings,
    saved_state,
    scenery,
    traffic_lights,
    traffic_managers,
    vehicles,
)
from evaluation.simulator.calls.call import Call
from evaluation.simulator.net.rpc import Caller, Method
from evaluation.simulator.simulator import Simulator

CALLS: Mapping[str, Call] = {
    **episode.CALLS,
    **actors.CALLS,
    **motion.CALLS,
    **vehicles.CALLS,
    **traffic_lights.CALLS,
    **traffic_managers.CALLS,
    **scenery.CALLS,
    **batch.CALLS,
    **saved_state.CALLS,
    **recordings.CALLS,
    **bones.CALLS,
    **parts.CALLS,
    **missing.CALLS,
}


def method_table(simulator: Simulator) -> dict[str, Method]:
    """Bind all calls to one simulator."""
    return {
        name: Method(partial(_call, simulator, call), call.reply, call.arity, call.tells)
        for name, call in CALLS.items()
    }


def _call(simulator: Simulator, call: Call, caller: Caller, arguments: Sequence[Any]) -> Any:
    # Several hundred calls a tick come this way.
    if simulator.has_undrawn:
        simulator.finish_tick()
    return call.function(simulator, caller, arguments)
