"""Driving past a stop sign without coming to a halt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.scoring.nearby import Nearby
from evaluation.scoring.tick import Infraction, Kind, Place, Tick, place_text

NEAR_M = 4.0
STANDING_MPS = 0.1
BOX_SCALE = 1.2
STEP_M = 0.5
MAX_BACKWARDS = -0.17
"""Cosine of 100 degrees: farther round, the vehicle goes backwards or against its lane."""


@dataclass(frozen=True)
class StopSign:
    """A stop sign's trigger box on the road: centre (3,), half extent (2,) along the axes of the
    world, however the sign is turned (as scenario_runner, RunningStopTest, takes it)."""

    actor_id: int
    centre_world_m: NDArray[np.float64]
    half_extent_m: NDArray[np.float64]
    pole_world_m: Place

    def covers(self, points_world_m: NDArray[np.float64]) -> bool:
        """Whether any of the points (n, 2) lies in the box, widened by a fifth."""
        offsets_m = np.abs(points_world_m - self.centre_world_m[:2])
        return bool(np.any(np.all(offsets_m < BOX_SCALE * self.half_extent_m, axis=1)))


def find_stop_signs(actors: Iterable[carla.Actor]) -> tuple[StopSign, ...]:
    return tuple(_sign_of(actor) for actor in actors if "traffic.stop" in actor.type_id)


def _sign_of(actor: carla.Actor) -> StopSign:
    transform = actor.get_transform()
    box = actor.trigger_volume
    # transform() works in place in some versions of the wheel, hence the copy.
    centre = transform.transform(carla.Location(box.location.x, box.location.y, box.location.z))
    pole = transform.location
    return StopSign(
        actor_id=actor.id,
        centre_world_m=np.array([centre.x, centre.y, centre.z]),
        half_extent_m=np.array([box.extent.x, box.extent.y]),
        pole_world_m=(pole.x, pole.y, pole.z),
    )


class Stop:
    """From entering the trigger box of a stop sign to leaving it, the vehicle must once be slower
    than 0.1 m/s; the lane up to 4 m ahead counts as its place (scenario_runner, RunningStopTest).
    """

    def __init__(self, signs: Sequence[StopSign], world_map: carla.Map) -> None:
        self._signs = signs
        self._near = Nearby([one.centre_world_m for one in signs], 3.0 * NEAR_M)
        self._map = world_map
        self._target: StopSign | None = None
        self._stopped = False
        self._last_failed_id: int | None = None

    def step(self, tick: Tick) -> Sequence[Infraction]:
        if self._target is None:
            self._target = self._find(tick)
            return ()
        self._stopped = self._stopped or tick.speed_mps < STANDING_MPS
        if self._affects(self._target, self._lane_ahead(tick)):
            return ()
        target, stopped = self._target, self._stopped
        self._target, self._stopped = None, False
        if stopped or target.actor_id == self._last_failed_id:
            return ()
        self._last_failed_id = target.actor_id
        found = Infraction(
            Kind.STOP,
            tick.frame,
            f"Agent ran a stop with id={target.actor_id} at {place_text(target.pole_world_m)}",
            actor_id=target.actor_id,
            actor_type="traffic.stop",
            place_world_m=target.pole_world_m,
        )
        return (found,)

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()

    def _find(self, tick: Tick) -> StopSign | None:
        if not self._near.within(tick.place_world_m):
            return None
        if float(tick.velocity_world_mps[:2] @ tick.forward) < MAX_BACKWARDS:
            return None
        lane = self._lane_ahead(tick)
        if float(tick.forward @ lane.direction) < MAX_BACKWARDS:
            return None
        return next((sign for sign in self._signs if self._affects(sign, lane)), None)

    @staticmethod
    def _affects(sign: StopSign, lane: _LaneAhead) -> bool:
        near = np.linalg.norm(sign.centre_world_m - lane.points_world_m[0]) <= NEAR_M
        return bool(near) and sign.covers(lane.points_world_m[:, :2])

    def _lane_ahead(self, tick: Tick) -> _LaneAhead:
        waypoint = self._map.get_waypoint(carla.Location(*tick.place_world_m))
        yaw_rad = math.radians(waypoint.transform.rotation.yaw)
        locations = [waypoint.transform.location]
        for _ in range(int(NEAR_M / STEP_M)):
            following = waypoint.next(STEP_M)
            if not following:
                break
            waypoint = following[0]
            locations.append(waypoint.transform.location)
        return _LaneAhead(
            points_world_m=np.array([(place.x, place.y, place.z) for place in locations]),
            direction=np.array([math.cos(yaw_rad), math.sin(yaw_rad)]),
        )


@dataclass(frozen=True)
class _LaneAhead:
    """Lane centre from beside the vehicle onwards, (n, 3), and its direction there, (2,)."""

    points_world_m: NDArray[np.float64]
    direction: NDArray[np.float64]
