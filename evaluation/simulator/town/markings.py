"""Paint on the road: lane markings, stop lines, crosswalks and turn arrows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import pi, remainder

import carla
import numpy as np
import shapely
from numpy.typing import NDArray

from evaluation.simulator.town.approaches import Approach
from evaluation.simulator.town.ground import Ground
from evaluation.simulator.town.meshing import MeshBuilder
from evaluation.simulator.town.opendrive_records import CrosswalkRecord
from evaluation.simulator.town.scenery import Material
from evaluation.simulator.town.survey import NO_MARK, LaneStrip, Mark, Survey

F64 = NDArray[np.float64]

_PAINT_ABOVE_M = 0.02
_WIDTH_M = 0.15
_DASH_M, _GAP_M = 3.0, 4.5
_DOUBLE_M = 0.14
_EDGE_INSET_M = 0.18
_STOP_LINE_M = (0.9, 0.4)
_STRIPE_M = 0.5
_ARROW_BEFORE_M = 10.0
_RAMP_LENGTH_M, _RAMP_TURN_RAD, _CROSSING_M = 30.0, 0.7, 0.4
_UP = np.array([0.0, 0.0, 1.0])

_LINES: dict[str, tuple[tuple[float, bool], ...]] = {
    "Solid": ((0.0, True),),
    "Broken": ((0.0, False),),
    "SolidSolid": ((-_DOUBLE_M, True), (_DOUBLE_M, True)),
    "BrokenBroken": ((-_DOUBLE_M, False), (_DOUBLE_M, False)),
    "SolidBroken": ((-_DOUBLE_M, True), (_DOUBLE_M, False)),
    "BrokenSolid": ((-_DOUBLE_M, False), (_DOUBLE_M, True)),
}
"""Lines of a marking: offset to the right, and whether it is unbroken."""

_STRAIGHT = np.array(
    [[-0.08, 0.0], [-0.08, 2.4], [-0.35, 2.4], [0.0, 4.0], [0.35, 2.4], [0.08, 2.4], [0.08, 0.0]]
)
_RIGHT = np.array(
    [
        [-0.08, 0.0], [-0.08, 2.0], [0.5, 2.9], [0.35, 3.2], [1.05, 3.3], [0.95, 2.4],
        [0.68, 2.65], [0.08, 1.8], [0.08, 0.0],
    ]
)  # fmt: skip
"""Outlines of arrows: to the right and ahead of the foot of the arrow, m."""


def add_lane_markings(survey: Survey, builder: MeshBuilder) -> None:
    """Lines along all lanes; in junctions only along ramps and where no other lane crosses."""
    _add_ramp_markings(survey, builder)
    kinds = {(s.road_id, s.section, s.lane_id): s.kind for s in survey.strips}
    for strip in survey.strips:
        if strip.is_junction or strip.kind == "sidewalk":
            continue
        outward = strip.lane_id + (1 if strip.lane_id > 0 else -1)
        beyond = kinds.get((strip.road_id, strip.section, outward), "none")
        inward = -1.0 if strip.centre_line_on_left else 1.0
        inset = _EDGE_INSET_M if beyond in ("none", "sidewalk", "median", "curb") else 0.0
        _add_line(strip, strip.outer, strip.outer_mark, inward * inset, builder)
        has_right_side = (strip.road_id, strip.section, -1) in kinds
        if strip.lane_id == -1 or (strip.lane_id == 1 and not has_right_side):
            edge = has_right_side and (strip.road_id, strip.section, 1) not in kinds
            inset = _EDGE_INSET_M if edge else 0.0
            _add_line(strip, strip.inner, strip.inner_mark, -inward * inset, builder)


def _add_ramp_markings(survey: Survey, builder: MeshBuilder) -> None:
    """Lines of long, straight junction lanes: where motorways split and merge."""
    members: dict[int, list[LaneStrip]] = {}
    for strip in survey.strips:
        if strip.is_junction and strip.kind != "sidewalk":
            members.setdefault(strip.junction_id, []).append(strip)
    for strips in members.values():
        ramps = [strip for strip in strips if _is_ramp(strip)]
        if not ramps:
            continue
        inside = shapely.union_all([strip.outline().buffer(-_CROSSING_M) for strip in strips])
        shapely.prepare(inside)
        for strip in ramps:
            lines = [(strip.outer, strip.outer_mark)]
            if abs(strip.lane_id) == 1:
                lines.append((strip.inner, strip.inner_mark))
            for border, marks in lines:
                crossed = shapely.contains_xy(inside, border[:, 0], border[:, 1])
                shown = [NO_MARK if hit else mark for hit, mark in zip(crossed, marks, strict=True)]
                _add_line(strip, border, shown, 0.0, builder)


def _is_ramp(strip: LaneStrip) -> bool:
    turn = remainder(strip.yaw_rad[-1] - strip.yaw_rad[0], 2.0 * pi)
    return strip.length_m > _RAMP_LENGTH_M and abs(turn) < _RAMP_TURN_RAD


def _add_line(
    strip: LaneStrip, border: F64, marks: Sequence[Mark], shift_m: float, builder: MeshBuilder
) -> None:
    """Paint one border; `marks` (one per cut) may change along it."""
    start = 0
    while start < len(border) - 1:
        end = start + 1
        while end < len(border) - 1 and marks[end].kind == marks[start].kind:
            end += 1
        mark = marks[start]
        colour = Material.MARKING_YELLOW if mark.colour == "Yellow" else Material.MARKING_WHITE
        part = slice(start, end + 1)
        across = np.column_stack(
            [-np.sin(strip.yaw_rad[part]), np.cos(strip.yaw_rad[part]), np.zeros(end + 1 - start)]
        )
        for offset, solid in _LINES.get(mark.kind, ()):
            line = border[part] + (shift_m + offset) * across + _PAINT_ABOVE_M * _UP
            if solid:
                half = 0.5 * _WIDTH_M * across
                builder.add_ribbon(colour, line - half, line + half)
            else:
                _add_dashes(line, across, colour, builder)
        start = end


def _add_dashes(line: F64, across: F64, material: Material, builder: MeshBuilder) -> None:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    count = int((along[-1] + _GAP_M) // (_DASH_M + _GAP_M))
    if count == 0:
        return
    lead = 0.5 * (along[-1] - count * (_DASH_M + _GAP_M) + _GAP_M)
    begin = lead + (_DASH_M + _GAP_M) * np.arange(count)
    half = 0.5 * _WIDTH_M
    corners = []
    for part in range(2):
        first = begin + 0.5 * _DASH_M * part
        ends = []
        for at in (first, first + 0.5 * _DASH_M):
            point = np.column_stack([np.interp(at, along, line[:, i]) for i in range(3)])
            side = np.column_stack([np.interp(at, along, across[:, i]) for i in range(3)])
            ends.append((point - half * side, point + half * side))
        corners.append(np.stack([ends[0][0], ends[0][1], ends[1][1], ends[1][0]], axis=1))
    builder.add_quads(material, np.concatenate(corners))


def add_stop_lines(approaches: Iterable[Approach], builder: MeshBuilder) -> None:
    """A bar across the lanes of every approach that has to stop."""
    quads = []
    for approach in approaches:
        inset = 0.15 * approach.rightward
        far, near = (
            -before * approach.forward + _PAINT_ABOVE_M * _UP for before in reversed(_STOP_LINE_M)
        )
        left, right = approach.left + inset, approach.right - inset
        quads.append(np.stack([left + near, right + near, right + far, left + far]))
    if quads:
        builder.add_quads(Material.MARKING_WHITE, np.stack(quads))


def add_crosswalks(
    carla_map: carla.Map,
    crosswalks: Iterable[CrosswalkRecord],
    ground: Ground,
    builder: MeshBuilder,
) -> None:
    """Zebra stripes over every crosswalk that carla.Map lists, and those given along roads."""
    along_roads = [
        _outline_along_road(carla_map, crosswalk)
        for crosswalk in crosswalks
        if len(crosswalk.corners_st_m) > 2
    ]
    for outline in [*crosswalk_outlines(carla_map), *along_roads]:
        box = np.asarray(shapely.Polygon(outline[:, :2]).minimum_rotated_rectangle.exterior.coords)
        a, b, c, d = box[:4]
        if np.linalg.norm(b - a) < np.linalg.norm(c - b):
            a, b, c, d = b, c, d, a
        length = float(np.linalg.norm(b - a))
        count = max(1, int((length + _STRIPE_M) // (2.0 * _STRIPE_M)))
        lead = 0.5 * (length - (2 * count - 1) * _STRIPE_M)
        begin = (lead + 2.0 * _STRIPE_M * np.arange(count))[:, None] / length
        end = begin + _STRIPE_M / length
        plan = np.stack(
            [a + begin * (b - a), a + end * (b - a), d + end * (c - d), d + begin * (c - d)],
            axis=1,
        )
        flat = plan.reshape(-1, 2)
        z = ground.height_m(flat, np.full(len(flat), outline[:, 2].mean()))
        z = np.full(len(flat), np.median(z)) if np.ptp(z) < 0.3 else z
        corners = np.column_stack([flat, z + _PAINT_ABOVE_M]).reshape(-1, 4, 3)
        builder.add_quads(Material.CROSSWALK, corners)


def crosswalk_outlines(carla_map: carla.Map) -> list[F64]:
    """CARLA lists the corners of all crosswalks in one row; the document was mended so that each
    ring is closed by its first."""
    outlines: list[F64] = []
    ring: list[tuple[float, float, float]] = []
    for corner in carla_map.get_crosswalks():
        point = (corner.x, corner.y, corner.z)
        if ring and np.allclose(point, ring[0], atol=1e-3):
            if len(ring) > 2:
                outlines.append(np.array(ring))
            ring = []
        else:
            ring.append(point)
    return outlines


def _outline_along_road(carla_map: carla.Map, crosswalk: CrosswalkRecord) -> F64:
    """Corners (n, 3) of a crosswalk that are given along its road."""
    corners = []
    for s_m, t_m in crosswalk.corners_st_m:
        middle = carla_map.get_waypoint_xodr(crosswalk.road_id, 0, s_m).transform
        left = -1.0 * middle.get_right_vector()
        place = middle.location + carla.Location(t_m * left.x, t_m * left.y, 0.0)
        corners.append((place.x, place.y, place.z))
    return np.array(corners)


def add_arrows(carla_map: carla.Map, approaches: Iterable[Approach], builder: MeshBuilder) -> None:
    """Turn arrows on approaches with several lanes."""
    for approach in approaches:
        if len(approach.lane_ids) < 2:
            continue
        for lane_id, centre in zip(approach.lane_ids, approach.lane_centres, strict=True):
            foot = centre - _ARROW_BEFORE_M * approach.forward
            waypoint = carla_map.get_waypoint(carla.Location(*(float(v) for v in foot)))
            if waypoint is None or (waypoint.road_id, waypoint.lane_id) != (
                approach.road_id,
                lane_id,
            ):
                continue
            location = waypoint.transform.location
            origin = np.array([location.x, location.y, location.z + _PAINT_ABOVE_M])
            yaw = np.radians(waypoint.transform.rotation.yaw)
            for shape in _arrow_shapes(waypoint, approach.yaw_rad):
                area = shapely.Polygon(_turned(shape, yaw) + origin[:2])
                builder.add_polygon(Material.MARKING_WHITE, area, float(origin[2]))


def _turned(shape: F64, yaw_rad: float) -> F64:
    right = np.array([-np.sin(yaw_rad), np.cos(yaw_rad)])
    ahead = np.array([np.cos(yaw_rad), np.sin(yaw_rad)])
    return np.asarray(shape[:, :1] * right + shape[:, 1:] * ahead)


def _arrow_shapes(waypoint: carla.Waypoint, yaw_rad: float) -> list[F64]:
    """Arrows for every way that a lane leads on through its junction."""
    shapes: dict[str, F64] = {}
    for start in waypoint.next(_ARROW_BEFORE_M + 2.0):
        if not start.is_junction:
            continue
        turn = remainder(np.radians(_lane_end_yaw_deg(start)) - yaw_rad, 2.0 * pi)
        if turn > pi / 5.0:
            shapes["right"] = _RIGHT
        elif turn < -pi / 5.0:
            shapes["left"] = _RIGHT * np.array([-1.0, 1.0])
        else:
            shapes["straight"] = _STRAIGHT
    return list(shapes.values())


def _lane_end_yaw_deg(start: carla.Waypoint) -> float:
    """Direction in which a lane ends. (The wheel's own walk to the end crashes where nothing
    follows the lane.)"""
    point = start
    while following := point.next(2.0):
        if (following[0].road_id, following[0].lane_id) != (start.road_id, start.lane_id):
            break
        if following[0].s == point.s:
            break
        point = following[0]
    return float(point.transform.rotation.yaw)
