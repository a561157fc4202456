"""Driving outside the lanes, or in a lane that leads the other way."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import carla

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.route_progress import RouteProgress
from evaluation.scoring.tick import Infraction, Kind, Tick

WINDOW = 3
MARGIN_M = 0.5
"""Width of the strip between the lane and the sidewalk that is still allowed."""
MAX_VEHICLE_ANGLE_RAD = math.radians(120.0)
MAX_LANE_ANGLE_RAD = math.radians(150.0)
MAP_SLACK_M = 2.0
"""Chosen: more than the map's nearest point of a lane, which it seeks among chords, is off."""

METRES_IN_SENTENCE = re.compile(r"for about ([-+.\deE]+) meters")


def metres_in(message: str) -> float:
    """Metres outside the lanes, from the sentence of a record that has no field for them: one that
    another evaluator wrote. Raises ValueError if the sentence does not name them."""
    found = METRES_IN_SENTENCE.search(message)
    if found is None:
        raise ValueError(f"no metres in {message!r}")
    return float(found[1])


def _turn_rad(first_rad: float, second_rad: float) -> float:
    """Unsigned angle between two directions."""
    return abs(math.remainder(first_rad - second_rad, math.tau))


class NearestParking:
    """The parking lane nearest to a place, which the map searches for in full: where it has none
    at all that takes most of a tick. So it is asked again only where one can have come near."""

    def __init__(self, world_map: carla.Map) -> None:
        self._map = world_map
        self._asked_at: carla.Location | None = None
        self._was_m = math.inf

    def within(self, location: carla.Location, distance_m: float) -> carla.Waypoint | None:
        """The lane if its middle is no farther than this."""
        if self._asked_at is not None:
            moved_m = location.distance(self._asked_at)
            if self._was_m - moved_m - MAP_SLACK_M > distance_m:
                return None
        found = self._map.get_waypoint(location, lane_type=carla.LaneType.Parking)
        self._asked_at = location
        self._was_m = math.inf if found is None else location.distance(found.transform.location)
        return found if self._was_m <= distance_m else None


class OutsideLanes:
    """Share of the driven route that was spent more than 0.5 m beyond the edge of the nearest
    driving or parking lane, or in a lane of the other direction (scenario_runner,
    OutsideRouteLanesTest). The one infraction is of the frame in which the ego last came on along
    the route. events: how many times the ego went outside."""

    def __init__(self, route: DenseRoute, world_map: carla.Map) -> None:
        self._progress = RouteProgress(route, WINDOW)
        self._map = world_map
        self._parking = NearestParking(world_map)
        self._outside = False
        self._wrong_lane = False
        self._counts = False
        self._last: carla.Waypoint | None = None
        self._frame = 0
        self.outside_m = 0.0
        self.events = 0

    @property
    def percent(self) -> float:
        driven_m = self._progress.driven_m
        return 100.0 * self.outside_m / driven_m if driven_m > 0.0 else 0.0

    def step(self, tick: Tick) -> Sequence[Infraction]:
        location = carla.Location(*tick.place_world_m)
        was_outside = self._counts
        driving = self._map.get_waypoint(location, lane_type=carla.LaneType.Driving)
        self._outside = self._beyond_edge(location, driving)
        self._wrong_lane = self._in_wrong_lane(driving, tick.yaw_rad)
        before_m = self._progress.driven_m
        self._progress.step(tick.place_world_m)
        if self._progress.driven_m > before_m:
            self._frame = tick.frame
        # Scenarios that block the lane switch the second half off (SwitchWrongDirectionTest).
        self._counts = self._outside or (self._wrong_lane and not tick.allows_wrong_way)
        if self._counts:
            self.outside_m += self._progress.driven_m - before_m
            self.events += not was_outside
        return ()

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        if self.outside_m <= 0.0:
            return ()
        message = (
            f"Agent went outside its route lanes for about {round(self.outside_m, 3)} meters "
            f"({round(self.percent, 2)}% of the completed route)"
        )
        found = Infraction(
            Kind.OUTSIDE_LANES, self._frame, message, self.percent, outside_m=self.outside_m
        )
        return (found,)

    def _beyond_edge(self, location: carla.Location, driving: carla.Waypoint) -> bool:
        distance_m = location.distance(driving.transform.location)
        if distance_m <= MARGIN_M:
            # A parking lane counts only where it is nearer still: whatever its width, the strip
            # beside it is not left.
            return False
        nearest, parking = driving, self._parking.within(location, distance_m)
        if parking is not None:
            nearest, distance_m = parking, location.distance(parking.transform.location)
        return bool(distance_m > 0.5 * nearest.lane_width + MARGIN_M)

    def _in_wrong_lane(self, waypoint: carla.Waypoint, yaw_rad: float) -> bool:
        """Inside junctions lanes overlap and none is wrong; behind one the heading decides;
        elsewhere a jump to a lane of opposite direction goes out of (or back into) the own one."""
        last, self._last = self._last, waypoint
        if waypoint.is_junction:
            return False
        lane_yaw_rad = math.radians(waypoint.transform.rotation.yaw)
        if last is None:
            return False
        if (last.road_id, last.lane_id) == (waypoint.road_id, waypoint.lane_id):
            return self._wrong_lane
        if last.is_junction:
            return _turn_rad(lane_yaw_rad, yaw_rad) > MAX_VEHICLE_ANGLE_RAD
        last_yaw_rad = math.radians(last.transform.rotation.yaw)
        if _turn_rad(last_yaw_rad, lane_yaw_rad) > MAX_LANE_ANGLE_RAD:
            return not self._wrong_lane
        return self._wrong_lane
