"""Getting going again after standing still for very long.

A network that predicts "stay" while standing can stay for ever; a short push moves it into a state
in which it drives on. The state machine is a pure function; the caller keeps the state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner.records import Control


@dataclass(frozen=True)
class CreepSettings:
    """When to push and how.

    Attributes:
        standing_mps: speeds below this count as standing.
        patience_ticks: ticks of standing before a push. A light of two phases is red for about
            15 s, so who stands for 20 s has missed a green one. (SimLingo's agent waits for 40 s.)
        push_ticks: length of a push, enough to carry the car over the stop line. (SimLingo: 15.)
        throttle: least throttle during a push, as SimLingo's.
    """

    standing_mps: float = 0.1
    patience_ticks: int = 400
    push_ticks: int = 80
    throttle: float = 0.4


@dataclass(frozen=True)
class CreepState:
    """Ticks spent standing, and ticks that are left of a push (0: no push)."""

    standing_ticks: int = 0
    push_ticks_left: int = 0


def advance_creep(state: CreepState, speed_mps: float, settings: CreepSettings) -> CreepState:
    """The state of this tick from that of the last one and the present speed.

    A push runs its full length, whatever the speed; standing is counted anew after it. A speed that
    is not finite says nothing: the count is kept.
    """
    if state.push_ticks_left > 1:
        return CreepState(0, state.push_ticks_left - 1)
    if not math.isfinite(speed_mps):
        return CreepState(state.standing_ticks, 0)
    if abs(speed_mps) >= settings.standing_mps:
        return CreepState()
    if state.standing_ticks + 1 >= settings.patience_ticks:
        return CreepState(0, settings.push_ticks)
    return CreepState(state.standing_ticks + 1, 0)


def apply_creep(control: Control, state: CreepState, settings: CreepSettings) -> Control:
    """The control with at least the push's throttle and no brake while a push lasts."""
    if state.push_ticks_left == 0:
        return control
    return Control(control.steer, max(control.throttle, settings.throttle), 0.0)
