"""Where traffic waits: the lanes that a traffic light or sign rules, up to their stop line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import cos, degrees, radians, sin

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.town.survey import LaneStrip, Survey
from evaluation.simulator.wire.codec import BoundingBox, Rotation, Transform, Vector3D

F64 = NDArray[np.float64]

_SEARCH_M = 60.0


@dataclass(frozen=True)
class Approach:
    """Neighbouring lanes of one direction where they meet a junction.

    `left` and `right` (3,) are the ends of the line across all lanes, in CARLA's world;
    `lane_centres` (n, 3) run from the inner to the outer lane.
    """

    road_id: int
    lane_ids: tuple[int, ...]
    junction_id: int
    left: F64
    right: F64
    lane_centres: F64
    yaw_rad: float

    @property
    def forward(self) -> F64:
        return np.array([cos(self.yaw_rad), sin(self.yaw_rad), 0.0])

    @property
    def rightward(self) -> F64:
        return np.array([-sin(self.yaw_rad), cos(self.yaw_rad), 0.0])

    @property
    def middle(self) -> F64:
        return 0.5 * (self.left + self.right)

    @property
    def half_width_m(self) -> float:
        return 0.5 * float(np.linalg.norm(self.right - self.left))

    def trigger_box(
        self, actor: Transform, before_m: float, half_length_m: float, half_height_m: float
    ) -> BoundingBox:
        """Box over all lanes, centred `before_m` before the line, in the actor's frame."""
        centre = self.middle - before_m * self.forward + half_height_m * np.array([0.0, 0.0, 1.0])
        dx, dy, dz = centre - np.array(actor.location)
        yaw = radians(actor.rotation.yaw)
        return BoundingBox(
            Vector3D(
                float(cos(yaw) * dx + sin(yaw) * dy),
                float(-sin(yaw) * dx + cos(yaw) * dy),
                float(dz),
            ),
            Vector3D(0.95 * self.half_width_m, half_length_m, half_height_m),
            Rotation(),
        )

    def actor_transform(self, location: F64) -> Transform:
        """Pose of a light or sign: x across the lanes, to the right of the driver."""
        yaw = (degrees(self.yaw_rad) + 270.0) % 360.0 - 180.0
        return Transform(Vector3D(*(float(v) for v in location)), Rotation(0.0, yaw, 0.0))


class ApproachFinder:
    """Finds the approach that a landmark of the map rules."""

    def __init__(self, carla_map: carla.Map, survey: Survey) -> None:
        self._map = carla_map
        self._ends: Mapping[tuple[int, int], LaneStrip] = _last_strips(survey.strips)

    def of_landmarks(self, landmarks: Iterable[carla.Landmark]) -> Approach | None:
        """Approach ruled by all landmarks of one id; None where they name no usable lane.

        Landmarks without a valid lane of their own count through the lane nearest to them.
        """
        landmarks = list(landmarks)
        lanes = [
            lane
            for landmark in landmarks
            for waypoint in self._valid_waypoints(landmark)
            if (lane := self._lane_before_junction(waypoint)) is not None
        ]
        if not lanes:
            nearest = self._map.get_waypoint(landmarks[0].transform.location)
            lane = None if nearest is None else self._lane_before_junction(nearest)
            lanes = [] if lane is None else [lane]
        return self._join(lanes) if lanes else None

    def beside(self, location: carla.Location) -> tuple[carla.Waypoint, list[carla.Waypoint]]:
        """Nearest driving lane, and all lanes of its direction from the inner one outwards."""
        nearest = self._map.get_waypoint(location)
        lanes = [nearest]
        while (left := lanes[0].get_left_lane()) is not None and _same_way(left, nearest):
            lanes.insert(0, left)
        while (right := lanes[-1].get_right_lane()) is not None and _same_way(right, nearest):
            lanes.append(right)
        return nearest, lanes

    def _valid_waypoints(self, landmark: carla.Landmark) -> list[carla.Waypoint]:
        found = []
        for first, last in landmark.get_lane_validities():
            for lane_id in range(min(first, last), max(first, last) + 1):
                if lane_id == 0:
                    continue
                waypoint = self._map.get_waypoint_xodr(landmark.road_id, lane_id, landmark.s)
                if waypoint is not None and waypoint.lane_type == carla.LaneType.Driving:
                    found.append(waypoint)
        return found

    def _lane_before_junction(self, waypoint: carla.Waypoint) -> tuple[int, int, int] | None:
        """(road, lane, junction) of the lane that leads into the junction at or after a point."""
        if waypoint.is_junction:
            junction_id = waypoint.junction_id
            for _ in range(int(_SEARCH_M)):
                before = waypoint.previous(1.0)
                if not before:
                    return None
                waypoint = before[0]
                if not waypoint.is_junction:
                    return waypoint.road_id, waypoint.lane_id, junction_id
            return None
        for _ in range(int(_SEARCH_M)):
            after = waypoint.next(1.0)
            if not after:
                return None
            if after[0].is_junction:
                return waypoint.road_id, waypoint.lane_id, after[0].junction_id
            waypoint = after[0]
        return None

    def _join(self, lanes: list[tuple[int, int, int]]) -> Approach | None:
        road_id, first_lane, junction_id = lanes[0]
        ids = sorted(
            {lane for road, lane, _ in lanes if road == road_id and lane * first_lane > 0}, key=abs
        )
        strips = [self._ends[road_id, lane] for lane in ids if (road_id, lane) in self._ends]
        if not strips:
            return None
        return Approach(
            road_id, tuple(strip.lane_id for strip in strips), junction_id,
            strips[0].left[-1], strips[-1].right[-1],
            np.array([strip.centre[-1] for strip in strips]), float(strips[0].yaw_rad[-1]),
        )  # fmt: skip


def _same_way(lane: carla.Waypoint, other: carla.Waypoint) -> bool:
    return bool(lane.lane_type == carla.LaneType.Driving and lane.lane_id * other.lane_id > 0)


def _last_strips(strips: Iterable[LaneStrip]) -> dict[tuple[int, int], LaneStrip]:
    """Of each lane of a road the strip where its traffic leaves the road."""
    last: dict[tuple[int, int], LaneStrip] = {}
    for strip in strips:
        key = (strip.road_id, strip.lane_id)
        if strip.kind == "driving" and (strip.lane_id < 0 or key not in last):
            last[key] = strip
    return last
