"""Collisions of the ego vehicle, by kind, each crash counted once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.scoring.tick import CollisionEvent, Infraction, Kind, Tick, has_passed, place_text

SAME_PLACE_M = 5.0
SAME_ACTOR_S = 5.0
STANDING_MPS = 0.1
MAX_DELAY_TICKS = 10
"""How many ticks after an impact its report may arrive and still be judged by the speed before."""


def kind_of(other_type: str) -> Kind | None:
    """Which infraction a contact with an actor of this type is; None: not counted."""
    if ("static" in other_type or "traffic" in other_type) and "sidewalk" not in other_type:
        return Kind.COLLISION_LAYOUT
    if "vehicle" in other_type:
        return Kind.COLLISION_VEHICLE
    if "walker" in other_type:
        return Kind.COLLISION_PEDESTRIAN
    return None


class Collision:
    """Whoever hits something at 0.1 m/s or more is to blame; the speed is that of the tick before
    the impact, for the impact itself stops a slow vehicle. What is hit within 5 m of the last
    collision, or is the same actor within 5 s of it, belongs to the same crash; sidewalks, which
    are no infraction, are remembered like everything else (scenario_runner, CollisionTest)."""

    def __init__(self) -> None:
        self._before: deque[Tick] = deque(maxlen=MAX_DELAY_TICKS)
        self._place_m: NDArray[np.float64] | None = None
        self._actor_id: int | None = None
        self._time_s = 0.0

    def step(self, tick: Tick) -> Sequence[Infraction]:
        found = [
            infraction
            for event in tick.collisions
            for infraction in self._judge(event, self._tick_before(event, tick))
        ]
        self._forget(tick)
        self._before.append(tick)
        return found

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()

    def _tick_before(self, event: CollisionEvent, tick: Tick) -> Tick:
        """The last tick before the impact; of an impact in the first tick, that one."""
        known = (*self._before, tick)
        return next((one for one in reversed(known) if one.frame < event.frame), known[0])

    def _forget(self, tick: Tick) -> None:
        if self._place_m is not None:
            distance_m = float(np.linalg.norm(tick.location_world_m - self._place_m))
            if distance_m > SAME_PLACE_M:
                self._place_m = None
        if has_passed(tick.time_s - self._time_s, SAME_ACTOR_S):
            self._actor_id = None

    def _judge(self, event: CollisionEvent, before: Tick) -> Sequence[Infraction]:
        same_crash = self._place_m is not None or event.other_id == self._actor_id
        if same_crash or before.speed_mps < STANDING_MPS:
            return ()
        self._place_m = before.location_world_m
        self._time_s = before.time_s
        if event.other_id != 0:
            self._actor_id = event.other_id
        kind = kind_of(event.other_type)
        if kind is None:
            return ()
        message = (
            f"Agent collided against object with type={event.other_type} "
            f"and id={event.other_id} at {place_text(before.place_world_m)}"
        )
        found = Infraction(
            kind,
            event.frame,
            message,
            actor_id=event.other_id,
            actor_type=event.other_type,
            place_world_m=before.place_world_m,
        )
        return (found,)
