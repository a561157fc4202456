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
_NEAR_M = 30.0
"""A light whose lanes are not stated stands this close to the junction that it guards."""


@dataclass(frozen=True)
class Approach:
    """Neighbouring lanes of one direction where they meet a junction.

    `left` and `right` (3,) are the ends of the line across all lanes, in CARLA's world;
    `lane_ids` and `lane_centres` (n, 3) run from left to right; `keeps_right` tells that the kerb
    is on the right. `other_roads` are roads whose lanes the light or sign names besides.
    """

    road_id: int
    lane_ids: tuple[int, ...]
    junction_id: int
    left: F64
    right: F64
    lane_centres: F64
    yaw_rad: float
    keeps_right: bool = True
    other_roads: tuple[int, ...] = ()

    @property
    def lanes(self) -> frozenset[tuple[int, int]]:
        """Road and id of each lane."""
        return frozenset((self.road_id, lane_id) for lane_id in self.lane_ids)

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


@dataclass(frozen=True)
class _Entry:
    """A lane that leads into a junction, `ahead_m` before it."""

    road_id: int
    lane_id: int
    junction_id: int
    ahead_m: float


class ApproachFinder:
    """Finds the approach that a landmark of the map rules."""

    def __init__(self, carla_map: carla.Map, survey: Survey) -> None:
        self._map = carla_map
        self._ends: Mapping[tuple[int, int], LaneStrip] = _last_strips(survey.strips)

    def of_landmarks(
        self, landmarks: Iterable[carla.Landmark], lanes_are_stated: bool
    ) -> Approach | None:
        """Approach ruled by all landmarks of one id; None where no lane of theirs leads into a
        junction.

        The lanes are those that carla.Map gives the landmarks. Where the document does not state
        them, carla.Map takes orientation "+" for the lanes with positive ids, the standard for
        those along s: the ones that lead into a junction nearby are meant. Landmarks without any
        such lane count through the lane nearest to them.
        """
        landmarks = list(landmarks)
        given = [entry for mark in landmarks for entry in self._entries(mark, _given_lanes(mark))]
        if not lanes_are_stated:
            near = [entry for entry in given if entry.ahead_m <= _NEAR_M]
            given = near or self._opposite_entries(landmarks) or given
        if not given:
            nearest, lanes = self.beside(landmarks[0].transform.location)
            given = [] if nearest is None else self._entries_of(lanes)
        return self._join(given) if given else None

    def beside(
        self, location: carla.Location
    ) -> tuple[carla.Waypoint | None, list[carla.Waypoint]]:
        """Nearest driving lane, and all lanes of its direction from left to right."""
        nearest = self._map.get_waypoint(location)
        return (None, []) if nearest is None else (nearest, _row_of(nearest))

    def lanes_at(self, landmark: carla.Landmark, lane_ids: Iterable[int]) -> list[carla.Waypoint]:
        """Driving lanes among `lane_ids` where a landmark stands, of the direction of the first,
        from left to right."""
        found = self._driving(landmark.road_id, lane_ids, landmark.s)
        same = [point for point in found if self._along_s(point) == self._along_s(found[0])]
        chosen = {point.lane_id for point in same}
        return [point for point in _row_of(same[0]) if point.lane_id in chosen] if same else []

    def lanes_along(self, landmark: carla.Landmark, along_s: bool) -> list[carla.Waypoint]:
        """Driving lanes of one direction where a landmark stands, from left to right."""
        ids = [lane for road, lane in self._ends if road == landmark.road_id]
        found = self._driving(landmark.road_id, ids, landmark.s)
        return next((_row_of(point) for point in found if self._along_s(point) == along_s), [])

    def _along_s(self, waypoint: carla.Waypoint) -> bool:
        return self._ends[waypoint.road_id, waypoint.lane_id].along_s

    def _driving(self, road_id: int, lane_ids: Iterable[int], s_m: float) -> list[carla.Waypoint]:
        found = []
        for lane_id in lane_ids:
            if (road_id, lane_id) not in self._ends:
                continue
            waypoint = self._map.get_waypoint_xodr(road_id, lane_id, s_m)
            if waypoint is not None and waypoint.lane_type == carla.LaneType.Driving:
                found.append(waypoint)
        return found

    def _entries(self, landmark: carla.Landmark, lane_ids: Iterable[int]) -> list[_Entry]:
        return self._entries_of(self._driving(landmark.road_id, lane_ids, landmark.s))

    def _entries_of(self, waypoints: Iterable[carla.Waypoint]) -> list[_Entry]:
        entries = (self._lane_before_junction(waypoint) for waypoint in waypoints)
        return [entry for entry in entries if entry is not None]

    def _opposite_entries(self, landmarks: Iterable[carla.Landmark]) -> list[_Entry]:
        """Lanes that carla.Map does not give the landmarks, though they pass them on their way
        into a junction nearby."""
        found = []
        for landmark in landmarks:
            given = _given_lanes(landmark)
            others = [
                lane
                for road, lane in self._ends
                if road == landmark.road_id and given and lane not in given
            ]
            found += [e for e in self._entries(landmark, others) if e.ahead_m <= _NEAR_M]
        return found

    def _lane_before_junction(self, waypoint: carla.Waypoint) -> _Entry | None:
        """The lane that leads into the junction at or after a point."""
        if waypoint.is_junction:
            junction_id = waypoint.junction_id
            for behind_m in range(1, int(_SEARCH_M) + 1):
                before = waypoint.previous(1.0)
                if not before:
                    return None
                waypoint = before[0]
                if not waypoint.is_junction:
                    return _Entry(waypoint.road_id, waypoint.lane_id, junction_id, behind_m)
            return None
        for ahead_m in range(int(_SEARCH_M)):
            after = waypoint.next(1.0)
            if not after:
                return None
            if after[0].is_junction:
                return _Entry(waypoint.road_id, waypoint.lane_id, after[0].junction_id, ahead_m)
            waypoint = after[0]
        return None

    def _join(self, entries: list[_Entry]) -> Approach | None:
        """One approach of the lanes beside each other; those of the first entry's road count."""
        first = self._ends.get((entries[0].road_id, entries[0].lane_id))
        if first is None:
            return None
        ids = {entry.lane_id for entry in entries if entry.road_id == first.road_id}
        strips = [self._ends[first.road_id, lane] for lane in ids
                  if (first.road_id, lane) in self._ends]  # fmt: skip
        strips = [strip for strip in strips if strip.along_s == first.along_s]
        # Against s, lane ids grow to the right; along it they fall.
        strips.sort(key=lambda strip: strip.lane_id, reverse=first.along_s)
        return Approach(
            first.road_id, tuple(strip.lane_id for strip in strips), entries[0].junction_id,
            strips[0].left[-1], strips[-1].right[-1],
            np.array([strip.centre[-1] for strip in strips]), float(strips[0].yaw_rad[-1]),
            first.centre_line_on_left,
            tuple(sorted({entry.road_id for entry in entries} - {first.road_id})),
        )  # fmt: skip


def _given_lanes(landmark: carla.Landmark) -> list[int]:
    """Lane ids that carla.Map gives a landmark, whether stated or not."""
    return [
        lane_id
        for first, last in landmark.get_lane_validities()
        for lane_id in range(min(first, last), max(first, last) + 1)
        if lane_id != 0
    ]


def _row_of(waypoint: carla.Waypoint) -> list[carla.Waypoint]:
    """All driving lanes of one direction beside a point, from left to right."""
    lanes = [waypoint]
    while _same_way(left := lanes[0].get_left_lane(), waypoint):
        lanes.insert(0, left)
    while _same_way(right := lanes[-1].get_right_lane(), waypoint):
        lanes.append(right)
    return lanes


def _same_way(lane: carla.Waypoint | None, other: carla.Waypoint) -> bool:
    return lane is not None and bool(
        lane.lane_type == carla.LaneType.Driving
        and cos(radians(lane.transform.rotation.yaw - other.transform.rotation.yaw)) > 0.0
    )


def _last_strips(strips: Iterable[LaneStrip]) -> dict[tuple[int, int], LaneStrip]:
    """Of each lane of a road the strip where its traffic leaves the road."""
    last: dict[tuple[int, int], LaneStrip] = {}
    for strip in strips:
        key = (strip.road_id, strip.lane_id)
        if strip.kind == "driving" and (strip.along_s or key not in last):
            last[key] = strip
    return last
