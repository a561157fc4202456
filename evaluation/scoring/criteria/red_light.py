"""Crossing a stop line while its light is red."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.scoring.nearby import Nearby
from evaluation.scoring.tick import Infraction, Kind, Place, Tick, place_text

NEAR_M = 15.0
BOX_SHARE = 0.9
"""Part of the trigger box that is searched for lanes, so as not to reach into the next one."""
LINE_SHARE = 0.6
"""Half length of a stop line, in lane widths."""
STEP_M = 0.5


@dataclass(frozen=True)
class StopLine:
    """Where one lane ends before a junction: ends_world_m (2, 2), direction (2,) of the lane."""

    road_id: int
    lane_id: int
    ends_world_m: NDArray[np.float64]
    direction: NDArray[np.float64]


@dataclass(frozen=True)
class Light:
    """A traffic light: centre of its trigger box (3,), place of its pole, lanes it governs."""

    actor_id: int
    centre_world_m: NDArray[np.float64]
    pole_world_m: Place
    lines: tuple[StopLine, ...]


def find_lights(actors: Iterable[carla.Actor], world_map: carla.Map) -> tuple[Light, ...]:
    """The lights among the actors with the stop lines of the lanes their trigger boxes cover."""
    return tuple(
        _light_of(actor, world_map) for actor in actors if "traffic_light" in actor.type_id
    )


def _light_of(actor: carla.Actor, world_map: carla.Map) -> Light:
    transform = actor.get_transform()
    box = actor.trigger_volume
    # transform() works in place in some versions of the wheel, hence the copy.
    centre = transform.transform(carla.Location(box.location.x, box.location.y, box.location.z))
    yaw_rad = math.radians(transform.rotation.yaw)
    lines: list[StopLine] = []
    for across_m in np.arange(-BOX_SHARE * box.extent.x, BOX_SHARE * box.extent.x, 1.0):
        place = carla.Location(
            centre.x + across_m * math.cos(yaw_rad),
            centre.y + across_m * math.sin(yaw_rad),
            centre.z,
        )
        waypoint = world_map.get_waypoint(place)
        if lines and (lines[-1].road_id, lines[-1].lane_id) == (waypoint.road_id, waypoint.lane_id):
            continue
        lines.append(_stop_line(waypoint))
    pole = transform.location
    return Light(
        actor_id=actor.id,
        centre_world_m=np.array([centre.x, centre.y, centre.z]),
        pole_world_m=(pole.x, pole.y, pole.z),
        lines=tuple(lines),
    )


def _stop_line(waypoint: carla.Waypoint) -> StopLine:
    """The line across the waypoint's lane just before the junction it leads to."""
    while not waypoint.is_junction:
        following = waypoint.next(STEP_M)
        if not following or following[0].is_junction:
            break
        waypoint = following[0]
    transform = waypoint.transform
    yaw_rad = math.radians(transform.rotation.yaw)
    direction = np.array([math.cos(yaw_rad), math.sin(yaw_rad)])
    middle_m = np.array([transform.location.x, transform.location.y])
    half_m = LINE_SHARE * waypoint.lane_width * np.array([-direction[1], direction[0]])
    ends_m = np.stack([middle_m - half_m, middle_m + half_m])
    return StopLine(waypoint.road_id, waypoint.lane_id, ends_m, direction)


def segments_cross(first_m: NDArray[np.float64], second_m: NDArray[np.float64]) -> bool:
    """Whether two segments, each (2, 2) end points, have a point in common."""

    def sides(line: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
        along, offsets = line[1] - line[0], points - line[0]
        return np.asarray(along[0] * offsets[:, 1] - along[1] * offsets[:, 0])

    one, other = sides(first_m, second_m), sides(second_m, first_m)
    return bool(one[0] * one[1] <= 0.0 and other[0] * other[1] <= 0.0)


def _infraction(tick: Tick, light: Light) -> Infraction:
    return Infraction(
        Kind.RED_LIGHT,
        tick.frame,
        f"Agent ran a red light {light.actor_id} at {place_text(light.pole_world_m)}",
        actor_id=light.actor_id,
        actor_type="traffic.traffic_light",
        place_world_m=light.pole_world_m,
    )


class RedLight:
    """The tail of the vehicle crosses the stop line of its lane while the light is red; the same
    light counts once until another is run (scenario_runner, RunningRedLightTest)."""

    def __init__(self, lights: Sequence[Light], world_map: carla.Map) -> None:
        self._lights = lights
        self._near = Nearby([one.centre_world_m for one in lights], NEAR_M)
        self._map = world_map
        self._last_id: int | None = None

    def step(self, tick: Tick) -> Sequence[Infraction]:
        found = []
        for index in self._near.within(tick.place_world_m):
            light = self._lights[index]
            if light.actor_id not in tick.red_light_ids or light.actor_id == self._last_id:
                continue
            if self._crosses(tick, light):
                self._last_id = light.actor_id
                found.append(_infraction(tick, light))
        return found

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()

    def _crosses(self, tick: Tick, light: Light) -> bool:
        """Tests the stretch from inside the boot to a metre behind the vehicle."""
        length_m = float(tick.half_extent_m[0])
        backs_m = np.array([0.8 * length_m, length_m + 1.0])
        tail_m = tick.location_world_m[:2] - backs_m[:, None] * tick.forward
        crossed = [
            line
            for line in light.lines
            if float(tick.forward @ line.direction) > 0.0
            and segments_cross(tail_m, line.ends_world_m)
        ]
        if not crossed:
            return False
        far = carla.Location(
            float(tail_m[1, 0]), float(tail_m[1, 1]), float(tick.location_world_m[2])
        )
        lane = self._map.get_waypoint(far)
        return any((line.road_id, line.lane_id) == (lane.road_id, lane.lane_id) for line in crossed)
