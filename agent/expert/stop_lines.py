"""Lights and stop signs on the ego's way: where to stop, and whether a stop sign has been obeyed.

A light's stop line is found as the leaderboard's red-light criterion finds it (scenario_runner,
RunningRedLightTest): the trigger volume is cut into points, each is taken to its lane and advanced
to the last place before the junction. A stop sign counts as obeyed after a halt with the actor's
origin within four metres of the trigger volume's centre (RunningStopTest).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from agent.expert.lane_forecast import LaneKey
from agent.expert.lane_path import LanePath

F64 = NDArray[np.float64]

ADVANCE_STEP_M = 0.5
MAX_ADVANCE_M = 30.0
ON_PATH_M = 1.0
SIGN_ON_PATH_M = 2.5
ALIGNED_COSINE = 0.7
HALT_MPS = 0.1
STOP_BEFORE_SIGN_M = 2.2
"""The actor's origin halts this far before the centre of a stop sign's trigger volume."""


@dataclass(frozen=True)
class StopPlace:
    """A place on the path. For lights `distance_m` is where the junction begins, for stop signs the
    centre of the trigger volume; metres along the path."""

    actor_id: int
    distance_m: float


@dataclass(frozen=True)
class LightLanes:
    """The lanes that end at a light, with the last waypoint of each before the junction."""

    actor_id: int
    lane_keys: tuple[LaneKey, ...]
    points_world_m: F64
    yaws_rad: F64


def light_lanes(light: carla.TrafficLight, world_map: carla.Map) -> LightLanes:
    """Stop lines of one light."""
    transform = light.get_transform()
    volume = light.trigger_volume
    reach = 0.9 * volume.extent.x
    ends: dict[LaneKey, carla.Waypoint] = {}
    for across in np.arange(-reach, reach + 1e-6, 1.0):
        local = carla.Location(volume.location.x + float(across), volume.location.y, 0.0)
        local.z = volume.location.z
        waypoint = world_map.get_waypoint(transform.transform(local))
        if waypoint is None:
            continue
        end = _before_junction(waypoint)
        ends[(end.road_id, end.section_id, end.lane_id)] = end
    locations = [end.transform.location for end in ends.values()]
    return LightLanes(
        actor_id=light.id,
        lane_keys=tuple(ends),
        points_world_m=np.array([(place.x, place.y) for place in locations]).reshape(-1, 2),
        yaws_rad=np.radians([end.transform.rotation.yaw for end in ends.values()]),
    )


def _before_junction(waypoint: carla.Waypoint) -> carla.Waypoint:
    for _ in range(int(MAX_ADVANCE_M / ADVANCE_STEP_M)):
        following = waypoint.next(ADVANCE_STEP_M)
        if waypoint.is_junction or not following or following[0].is_junction:
            break
        waypoint = following[0]
    return waypoint


def places_of_lights(lights: Sequence[LightLanes], path: LanePath) -> list[StopPlace]:
    """Stop lines that the path crosses in their direction, nearest to the start first."""
    places: list[StopPlace] = []
    for light in lights:
        for point, yaw in zip(light.points_world_m, light.yaws_rad, strict=True):
            places.extend(
                StopPlace(light.actor_id, distance)
                for distance in _crossings(path, point, ON_PATH_M, float(yaw))
            )
    return sorted(places, key=lambda place: place.distance_m)


def places_of_signs(signs: Sequence[carla.Actor], path: LanePath) -> list[StopPlace]:
    """Stop signs whose trigger volume the path runs through, nearest to the start first."""
    places: list[StopPlace] = []
    for sign in signs:
        volume = sign.trigger_volume
        centre = sign.get_transform().transform(volume.location)
        reach_m = min(SIGN_ON_PATH_M, max(volume.extent.x, volume.extent.y, 1.0))
        places.extend(
            StopPlace(sign.id, distance)
            for distance in _crossings(path, np.array([centre.x, centre.y]), reach_m, None)
        )
    return sorted(places, key=lambda place: place.distance_m)


def _crossings(path: LanePath, point: F64, reach_m: float, yaw_rad: float | None) -> list[float]:
    """Distances at which the path passes a point, one for each passage."""
    gap = np.linalg.norm(path.points_world_m - point, axis=1)
    near = gap < reach_m
    if yaw_rad is not None:
        near &= np.cos(path.yaw_rad - yaw_rad) > ALIGNED_COSINE
    passages: list[float] = []
    indices = np.flatnonzero(near)
    for group in np.split(indices, np.flatnonzero(np.diff(indices) > 4) + 1):
        if len(group):
            passages.append(path.locate(point, _at(path, int(group[np.argmin(gap[group])])))[0])
    return passages


def _at(path: LanePath, index: int) -> float:
    return index * path.length_m / max(len(path.points_world_m) - 1, 1)


class StopSigns:
    """Remembers at which of the stop signs on the path the ego has halted long enough."""

    def __init__(self, places: Sequence[StopPlace], halt_s: float = 0.6) -> None:
        self._places = list(places)
        self._halt_s = halt_s
        self._halted_s = 0.0

    def stop_distance_m(
        self, distance_m: float, speed_mps: float, dt_s: float, front_m: float
    ) -> float | None:
        """Room from the front bumper to where to halt for the next sign; None: no sign ahead.

        To be called once per tick; a sign is done after a halt in its reach.
        """
        while self._places and self._places[0].distance_m < distance_m - 1.0:
            self._places.pop(0)
            self._halted_s = 0.0
        if not self._places:
            return None
        room_m = self._places[0].distance_m - STOP_BEFORE_SIGN_M - distance_m
        if speed_mps < HALT_MPS and room_m < 1.2:
            self._halted_s += dt_s
            if self._halted_s >= self._halt_s:
                self._places.pop(0)
                self._halted_s = 0.0
                return None
        return room_m
