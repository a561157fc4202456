"""Measures every lane of a map: cross-sections along it, from carla.Map waypoints.

Only lane ids and section limits are read from the OpenDRIVE text; all geometry comes from
carla.Map, so that what is drawn is where the official client drives. So does the direction of
travel: lane ids tell it on right-hand roads only.
Frame: CARLA's world (y right/south, z up). Left and right are those of the lane's traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import carla
import numpy as np
import shapely
from numpy.typing import NDArray

from evaluation.simulator.town.opendrive_file import OpenDriveFile
from evaluation.simulator.town.opendrive_records import (
    LaneRecord,
    OpenDriveError,
    RoadRecord,
    SectionRecord,
)

F64 = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_STEP_M = 2.0
_JUNCTION_STEP_M = 1.0
_TOLERANCE_M = 0.02
_LONGEST_M = 30.0
_NARROWEST_M = 0.05
_EDGE_S_M = 1e-3
_OVERLAP_M = 0.01
_FLOAT_STEP = 2.0**-22
"""carla.Map takes s as a 32-bit float: at most so much of it is lost."""


@dataclass(frozen=True)
class Mark:
    """A lane marking: `kind` and `colour` as carla.LaneMarkingType/-Color name them."""

    kind: str
    colour: str
    width_m: float


NO_MARK = Mark("NONE", "Other", 0.0)


@dataclass(frozen=True)
class LaneStrip:
    """One lane of one section, cut across at `s_m` (n,), ordered along its traffic.

    `left` and `right` (n, 3) are its borders, `yaw_rad` (n,) its direction; `along_s` tells that
    its traffic runs as the road's s grows. `inner_mark` is the marking towards the road's centre
    line, `outer_mark` the one away from it.
    """

    road_id: int
    section: int
    lane_id: int
    kind: str
    junction_id: int
    s_m: F64
    left: F64
    right: F64
    yaw_rad: F64
    along_s: bool
    inner_mark: tuple[Mark, ...]
    outer_mark: tuple[Mark, ...]

    @property
    def centre_line_on_left(self) -> bool:
        """Whether traffic keeps right here: the road's centre line lies to the left of it."""
        return (self.lane_id < 0) == self.along_s

    @property
    def inner(self) -> F64:
        """(n, 3) border towards the road's centre line."""
        return self.left if self.centre_line_on_left else self.right

    @property
    def outer(self) -> F64:
        """(n, 3) border away from the road's centre line."""
        return self.right if self.centre_line_on_left else self.left

    @property
    def centre(self) -> F64:
        return 0.5 * (self.left + self.right)

    @property
    def is_junction(self) -> bool:
        return self.junction_id >= 0

    def outline(self) -> shapely.Polygon:
        """The lane in the ground plan, a centimetre longer at both ends.

        The first and last cut lie a millimetre inside the section: so lanes that follow each
        other touch.
        """
        ends = self.yaw_rad[[0, -1]]
        reach = _OVERLAP_M * np.column_stack([np.cos(ends), np.sin(ends)])
        left, right = self.left[:, :2].copy(), self.right[:, :2].copy()
        for line in (left, right):
            line[0] -= reach[0]
            line[-1] += reach[1]
        ring = np.concatenate([left, right[::-1]])
        polygon = shapely.Polygon(ring)
        return polygon if polygon.is_valid else polygon.buffer(0.0)

    @property
    def length_m(self) -> float:
        return float(np.linalg.norm(np.diff(self.centre, axis=0), axis=1).sum())


@dataclass(frozen=True)
class Survey:
    """All lanes with a surface, and what the text says of controllers."""

    strips: tuple[LaneStrip, ...]
    controllers: Mapping[int, tuple[tuple[str, ...], ...]]
    """Signals of each junction: one tuple of signal ids per phase, in sequence."""


def survey_map(carla_map: carla.Map, document: OpenDriveFile) -> Survey:
    """Measure a map made from a document.

    Raises:
        OpenDriveError: no driving lane, or a road that carla.Map gives no position on.
    """
    strips: list[LaneStrip] = []
    for road in document.roads:
        for section in road.sections:
            strips += _measure_section(carla_map, road, section)
    if not any(strip.kind == "driving" for strip in strips):
        raise OpenDriveError(f"no driving lane is wider than {_NARROWEST_M} m")
    return Survey(tuple(strips), document.controllers)


def _measure_section(
    carla_map: carla.Map, road: RoadRecord, section: SectionRecord
) -> list[LaneStrip]:
    """Cut all lanes of a section at the same places, so that neighbours share their border."""
    edge = _EDGE_S_M + _FLOAT_STEP * section.end_m
    start, end = section.start_m + edge, section.end_m - edge
    if end - start < 0.01:
        return []
    step = _JUNCTION_STEP_M if road.junction_id >= 0 else _STEP_M
    stations = np.linspace(start, end, max(2, int(np.ceil((end - start) / step)) + 1))
    cuts: list[tuple[LaneRecord, list[carla.Waypoint], F64, F64, F64]] = []
    for lane in section.lanes:
        if lane.lane_id == 0 or lane.kind == "none":
            continue
        points = _waypoints(carla_map, road, lane, stations)
        if points is not None:
            cuts.append((lane, points, *_borders(points)))
    if not cuts:
        return []
    kept = _keep(np.concatenate([np.stack(cut[2:4]) for cut in cuts]))
    strips = []
    for lane, points, left, right, yaw in cuts:
        if np.linalg.norm(left - right, axis=1).max() < _NARROWEST_M:
            continue
        along_s = _runs_along_s(left + right, yaw)
        order = kept if along_s else kept[::-1]
        marks = tuple(
            tuple(_mark(getattr(points[i], side)) for i in order)
            for side in ("left_lane_marking", "right_lane_marking")
        )
        inner, outer = marks if (lane.lane_id < 0) == along_s else marks[::-1]
        strips.append(
            LaneStrip(
                road.road_id, section.index, lane.lane_id, lane.kind, road.junction_id,
                stations[order], left[order], right[order], yaw[order], along_s, inner, outer,
            )
        )  # fmt: skip
    return strips


def _waypoints(
    carla_map: carla.Map, road: RoadRecord, lane: LaneRecord, stations: F64
) -> list[carla.Waypoint] | None:
    """Waypoints of a lane, or None where carla.Map does not know it.

    Raises:
        OpenDriveError: carla.Map fails on the lane.
    """
    try:
        points = [carla_map.get_waypoint_xodr(road.road_id, lane.lane_id, float(s))
                  for s in stations]  # fmt: skip
    except (RuntimeError, IndexError) as error:
        raise OpenDriveError(
            f"road {road.road_id}, lane {lane.lane_id}: CARLA cannot place it ({error})"
        ) from error
    if any(point is None for point in points):
        return None
    for s, point in zip(stations, points, strict=True):
        location = point.transform.location
        if not np.isfinite([location.x, location.y, location.z, point.lane_width]).all():
            raise OpenDriveError(
                f"road {road.road_id}, lane {lane.lane_id}: CARLA gives no position at s={s:.1f}"
            )
    return points


def _runs_along_s(centres: F64, yaw_rad: F64) -> bool:
    """Whether points (n, 3) in the order of s follow each other along their direction."""
    steps = np.diff(centres[:, :2], axis=0)
    direction = np.column_stack([np.cos(yaw_rad[:-1]), np.sin(yaw_rad[:-1])])
    return bool((steps * direction).sum() > 0.0)


def _borders(points: list[carla.Waypoint]) -> tuple[F64, F64, F64]:
    """Left and right border (n, 3) and direction (n,) at waypoints."""
    rows = np.empty((len(points), 5))
    for row, point in zip(rows, points, strict=True):
        transform = point.transform
        location = transform.location
        row[:] = (location.x, location.y, location.z, transform.rotation.yaw, point.lane_width)
    yaw = np.radians(rows[:, 3])
    across = 0.5 * rows[:, 4:] * np.column_stack([-np.sin(yaw), np.cos(yaw), np.zeros(len(yaw))])
    return rows[:, :3] - across, rows[:, :3] + across, (yaw + np.pi) % (2.0 * np.pi) - np.pi


def _keep(lines: F64) -> NDArray[np.intp]:
    """Indices of the cuts needed to keep all `lines` (k, n, 3) within the tolerance."""
    count = lines.shape[1]
    kept = [0]
    while kept[-1] < count - 1:
        first = kept[-1]
        last = first + 1
        while last + 1 < count and _is_straight(lines[:, first : last + 2]):
            last += 1
        kept.append(last)
    return np.array(kept)


def _is_straight(lines: F64) -> bool:
    span = lines[:, -1] - lines[:, 0]
    if np.linalg.norm(span, axis=1).max() > _LONGEST_M:
        return False
    fraction = np.linspace(0.0, 1.0, lines.shape[1])[None, :, None]
    chord = lines[:, :1] + fraction * span[:, None]
    return bool(np.abs(lines - chord).max() < _TOLERANCE_M)


def _mark(marking: carla.LaneMarking | None) -> Mark:
    if marking is None:
        return NO_MARK
    return Mark(str(marking.type), str(marking.color), float(marking.width))
