"""The driving lanes of a CARLA map, sampled in the direction of their traffic.

World frame as in CARLA: x forward/east, y right/south, z up, metres; yaw in radians, clockwise
positive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.town.opendrive_file import roads_of
from evaluation.simulator.town.opendrive_records import SectionRecord

LaneId = tuple[int, int, int]
"""Road, section and lane number: one stretch of one lane."""

EDGE_S_M = 1e-3
"""How far inside its section a lane is sampled: carla.Map takes s as a 32-bit float."""


@dataclass(frozen=True)
class Lane:
    """One lane of one road section, sampled in driving direction from its start to its end."""

    lane_id: LaneId
    points_world_m: NDArray[np.float64]
    yaw_rad: NDArray[np.float64]
    junction: bool

    @property
    def length_m(self) -> float:
        return float(np.linalg.norm(np.diff(self.points_world_m, axis=0), axis=1).sum())

    def nearest(self, point_world_m: NDArray[np.float64]) -> int:
        offsets_m = self.points_world_m - point_world_m
        return int(np.argmin(np.einsum("ij,ij->i", offsets_m, offsets_m)))


def lane_id_of(waypoint: carla.Waypoint) -> LaneId:
    return (waypoint.road_id, waypoint.section_id, waypoint.lane_id)


class LaneSampler:
    """Samples lanes by their s, from what the map's own text says of its sections.

    The wheel's walk to the end of a lane (`Waypoint.next_until_lane_end`) ends the process where
    the links of a map are incomplete, and its topology leaves out lanes without a successor.
    """

    def __init__(self, world_map: carla.Map, spacing_m: float) -> None:
        self._map = world_map
        self._spacing_m = spacing_m
        self._roads = roads_of(world_map.to_opendrive())

    def driving_lanes(self) -> Iterator[tuple[LaneId, list[carla.Waypoint]]]:
        """Every driving lane with waypoints in the order of its traffic."""
        for road in self._roads:
            for section in road.sections:
                stations = self._stations(section)
                for lane in section.lanes:
                    if lane.lane_id == 0 or lane.kind.lower() != "driving":
                        continue
                    lane_id = (road.road_id, section.index, lane.lane_id)
                    points = self._points(lane_id, stations)
                    if points:
                        yield lane_id, points

    def _stations(self, section: SectionRecord) -> list[float]:
        """Values of s a spacing apart, and the section's two ends."""
        edge_m = min(EDGE_S_M, 0.25 * (section.end_m - section.start_m))
        start_m, end_m = section.start_m + edge_m, section.end_m - edge_m
        steps = np.arange(start_m, end_m, self._spacing_m).tolist()
        return [*steps, end_m] if end_m > start_m else [start_m]

    def _points(self, lane_id: LaneId, stations: Sequence[float]) -> list[carla.Waypoint]:
        road, _, lane = lane_id
        found = (self._map.get_waypoint_xodr(road, lane, s) for s in stations)
        points = [point for point in found if point is not None and lane_id_of(point) == lane_id]
        return points if len(points) < 2 or _leads_on(points[0], points[1]) else points[::-1]


def _leads_on(first: carla.Waypoint, second: carla.Waypoint) -> bool:
    """Whether traffic passes the second waypoint of a lane after the first."""
    step = second.transform.location - first.transform.location
    forward = first.transform.get_forward_vector()
    return bool(step.x * forward.x + step.y * forward.y > 0.0)


def lane_of(lane_id: LaneId, waypoints: Sequence[carla.Waypoint]) -> Lane:
    transforms = [waypoint.transform for waypoint in waypoints]
    points = np.array([(t.location.x, t.location.y, t.location.z) for t in transforms])
    yaw_rad = np.radians([t.rotation.yaw for t in transforms])
    return Lane(
        lane_id=lane_id,
        points_world_m=points.astype(np.float64),
        yaw_rad=np.arctan2(np.sin(yaw_rad), np.cos(yaw_rad)),
        junction=bool(waypoints[0].is_junction),
    )
