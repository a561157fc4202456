"""Collisions of the ego vehicle, by kind, each crash counted once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.scoring.tick import CollisionEvent, Infraction, Kind, Tick, place_text

SAME_PLACE_M = 5.0
SAME_ACTOR_S = 5.0
STANDING_MPS = 0.1


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
    """Contacts within 5 m of the last counted one, or with the same actor within 5 s, belong to the
    same crash; whoever stands is not to blame (scenario_runner, CollisionTest)."""

    def __init__(self) -> None:
        self._place_m: NDArray[np.float64] | None = None
        self._actor_id: int | None = None
        self._time_s = 0.0

    def step(self, tick: Tick) -> Sequence[Infraction]:
        if self._place_m is not None:
            distance_m = float(np.linalg.norm(tick.location_world_m - self._place_m))
            if distance_m > SAME_PLACE_M:
                self._place_m = None
        if self._actor_id is not None and tick.time_s - self._time_s > SAME_ACTOR_S:
            self._actor_id = None
        return [found for event in tick.collisions for found in self._judge(tick, event)]

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()

    def _judge(self, tick: Tick, event: CollisionEvent) -> Sequence[Infraction]:
        same_crash = self._place_m is not None or event.other_id == self._actor_id
        kind = kind_of(event.other_type)
        if same_crash or kind is None or tick.speed_mps < STANDING_MPS:
            return ()
        self._place_m = tick.location_world_m
        self._time_s = tick.time_s
        if event.other_id != 0:
            self._actor_id = event.other_id
        message = (
            f"Agent collided against object with type={event.other_type} "
            f"and id={event.other_id} at {place_text(tick.place_world_m)}"
        )
        found = Infraction(
            kind,
            tick.frame,
            message,
            actor_id=event.other_id,
            actor_type=event.other_type,
            place_world_m=tick.place_world_m,
        )
        return (found,)
