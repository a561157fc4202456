"""Measures every lane of a map: cross-sections along it, from carla.Map waypoints.

Only lane ids and section limits are read from the OpenDRIVE text; all geometry comes from
carla.Map, so that what is drawn is where the official client drives.
Frame: CARLA's world (y right/south, z up). Left and right are those of the lane's traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import carla
import numpy as np
import shapely
from numpy.typing import NDArray

F64 = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_STEP_M = 2.0
_JUNCTION_STEP_M = 1.0
_TOLERANCE_M = 0.02
_LONGEST_M = 30.0
_NARROWEST_M = 0.05
_EDGE_S_M = 1e-3
_OVERLAP_M = 0.01
_KMH_PER_UNIT = {"km/h": 1.0, "mph": 1.609344, "m/s": 3.6}


class EmptyMapError(ValueError):
    """The OpenDRIVE text has no lane that can be driven on."""


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

    `left` and `right` (n, 3) are its borders, `yaw_rad` (n,) its direction. `inner_mark` is the
    marking towards the road's centre line, `outer_mark` the one away from it.
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
    inner_mark: tuple[Mark, ...]
    outer_mark: tuple[Mark, ...]

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
    """All lanes with a surface, and what the text says of roads, objects and controllers."""

    strips: tuple[LaneStrip, ...]
    speed_limits_mps: Mapping[int, float]
    controllers: Mapping[int, tuple[tuple[str, ...], ...]]
    """Signals of each junction: one tuple of signal ids per phase, in sequence."""


def survey_map(carla_map: carla.Map, root: Element) -> Survey:
    """Measure a map; `root` is the OpenDRIVE document it was made from.

    Raises:
        EmptyMapError: no driving lane.
    """
    strips: list[LaneStrip] = []
    limits: dict[int, float] = {}
    for road in root.findall("road"):
        road_id = int(road.get("id", "-1"))
        limit = _speed_limit_mps(road)
        if limit is not None:
            limits[road_id] = limit
        for index, start, end, lanes in _sections(road):
            strips += _measure_section(carla_map, road, index, (start, end), lanes)
    if not any(strip.kind == "driving" for strip in strips):
        raise EmptyMapError("no driving lane")
    return Survey(tuple(strips), limits, _controllers(root))


def _speed_limit_mps(road: Element) -> float | None:
    speed = road.find("type/speed")
    if speed is None:
        return None
    try:
        return float(speed.get("max", "")) * _KMH_PER_UNIT[speed.get("unit", "m/s")] / 3.6
    except (ValueError, KeyError):
        return None


def _controllers(root: Element) -> dict[int, tuple[tuple[str, ...], ...]]:
    signals = {
        controller.get("id", ""): tuple(
            dict.fromkeys(control.get("signalId", "") for control in controller.iter("control"))
        )
        for controller in root.findall("controller")
    }
    phases = {}
    for junction in root.findall("junction"):
        entries = sorted(
            junction.findall("controller"), key=lambda entry: int(entry.get("sequence") or 0)
        )
        listed = tuple(signals.get(entry.get("id", ""), ()) for entry in entries)
        if listed:
            phases[int(junction.get("id", "-1"))] = listed
    return phases


def _sections(road: Element) -> Iterator[tuple[int, float, float, list[tuple[int, str]]]]:
    sections = road.findall("lanes/laneSection")
    starts = [float(section.get("s", "0")) for section in sections]
    ends = [*starts[1:], float(road.get("length", "0"))]
    for index, section in enumerate(sections):
        lanes = [
            (int(lane.get("id", "0")), lane.get("type", "none"))
            for lane in section.iter("lane")
            if lane.get("id") != "0" and lane.get("type", "none") != "none"
        ]
        yield index, starts[index], ends[index], lanes


def _measure_section(
    carla_map: carla.Map,
    road: Element,
    index: int,
    limits_m: tuple[float, float],
    lanes: list[tuple[int, str]],
) -> list[LaneStrip]:
    """Cut all lanes of a section at the same places, so that neighbours share their border."""
    start, end = limits_m[0] + _EDGE_S_M, limits_m[1] - _EDGE_S_M
    if end - start < 0.01:
        return []
    road_id, junction_id = int(road.get("id", "-1")), int(road.get("junction", "-1"))
    step = _JUNCTION_STEP_M if junction_id >= 0 else _STEP_M
    stations = np.linspace(start, end, max(2, int(np.ceil((end - start) / step)) + 1))
    cuts = []
    for lane_id, kind in lanes:
        points = [carla_map.get_waypoint_xodr(road_id, lane_id, float(s)) for s in stations]
        if all(point is not None for point in points):
            cuts.append((lane_id, kind, points, *_borders(points)))
    if not cuts:
        return []
    kept = _keep(np.concatenate([np.stack(cut[3:5]) for cut in cuts]))
    strips = []
    for lane_id, kind, points, left, right, yaw in cuts:
        if np.linalg.norm(left - right, axis=1).max() < _NARROWEST_M:
            continue
        order = kept if lane_id < 0 else kept[::-1]
        chosen = [points[i] for i in order]
        strips.append(
            LaneStrip(
                road_id, index, lane_id, kind, junction_id, stations[order],
                left[order], right[order], yaw[order],
                tuple(_mark(point.left_lane_marking) for point in chosen),
                tuple(_mark(point.right_lane_marking) for point in chosen),
            )
        )  # fmt: skip
    return strips


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
