"""Traffic lights and signs of a map, from its landmarks, with what is to be seen of them.

Landmarks without a record are the signs that carla.Map makes of objects ("Speed_30").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import cos, degrees, pi, radians, remainder, sin

import carla
import numpy as np
import shapely
from numpy.typing import NDArray

from evaluation.simulator.town.approaches import Approach, ApproachFinder
from evaluation.simulator.town.ground import Areas, Ground
from evaluation.simulator.town.opendrive_records import LIGHT_TYPES, SignalRecord, in_mps
from evaluation.simulator.town.scenery import LampHeads, SignFaces, SignKind
from evaluation.simulator.town.signal_specs import TrafficLightSpec, TrafficSignSpec
from evaluation.simulator.town.survey import Survey
from evaluation.simulator.wire.codec import BoundingBox, Rotation, Transform, Vector3D

F64 = NDArray[np.float64]

_STOP_TYPE, _YIELD_TYPE, _LIMIT_TYPE = "206", "205", "274"
_SPEED_NAME = re.compile(r"speed_?(?:limit)?_?(\d+)", re.IGNORECASE)
_LIGHT_BOX_BEFORE_M, _LIGHT_BOX_HALF_M = 4.5, 4.0
_STOP_BOX_BEFORE_M, _STOP_BOX_HALF_M = 2.0, 1.5
_BOX_HALF_HEIGHT_M = 1.0
_FAR_HEAD_M, _NEAR_HEAD_M, _ARM_M = 5.1, 2.9, 5.8
_LONGEST_ARM_M = 9.0
_PLATE_M, _PLATE_RADIUS_M, _LIMIT_RADIUS_M = 2.3, 0.42, 0.36
_KMH_PER_MPS = 3.6


@dataclass
class Bars:
    """Poles and arms, collected."""

    start: list[F64] = field(default_factory=list)
    end: list[F64] = field(default_factory=list)
    radius_m: list[float] = field(default_factory=list)

    def add(self, start: F64, end: F64, radius_m: float) -> None:
        self.start.append(np.asarray(start, dtype=np.float64))
        self.end.append(np.asarray(end, dtype=np.float64))
        self.radius_m.append(radius_m)


@dataclass(frozen=True)
class Signals:
    """Lights and signs, the lines to stop at, and their poles, lamps and plates.

    `notices` name what the map has and nobody obeys.
    """

    lights: tuple[TrafficLightSpec, ...]
    signs: tuple[TrafficSignSpec, ...]
    stop_lines: tuple[Approach, ...]
    lamp_heads: LampHeads
    sign_faces: SignFaces
    bars: Bars
    notices: tuple[str, ...]


class _Faces:
    def __init__(self) -> None:
        self.rows: list[tuple[int, int, F64, float, float]] = []

    def build(self) -> SignFaces:
        if not self.rows:
            return SignFaces()
        kind, value, location, yaw, radius = zip(*self.rows, strict=True)
        return SignFaces(
            np.array(kind, np.uint8), np.array(value, np.int32), np.array(location, np.float32),
            np.array(yaw, np.float32), np.array(radius, np.float32),
        )  # fmt: skip


def find_signals(
    carla_map: carla.Map,
    survey: Survey,
    records: Sequence[SignalRecord],
    areas: Areas,
    ground: Ground,
) -> Signals:
    """All lights, stop, yield and speed limit signs, in the order of their ids."""
    finder = ApproachFinder(carla_map, survey)
    by_id: dict[tuple[str, str], list[carla.Landmark]] = {}
    for landmark in carla_map.get_all_landmarks():
        by_id.setdefault((kind_of(landmark.type), landmark.id), []).append(landmark)
    ordered = sorted(by_id.items(), key=lambda item: (item[0][0], len(item[0][1]), item[0][1]))
    known = _by_id(records)
    bars, faces, stop_lines, signs = Bars(), _Faces(), [], []
    notices: list[str] = []
    lights: list[tuple[str, list[carla.Landmark], Approach]] = []
    for (kind, sign_id), landmarks in ordered:
        own = known.get(sign_id, [])
        where = f"signal {sign_id} of type {kind} on road {landmarks[0].road_id}"
        if kind == _LIMIT_TYPE:
            limit = _speed_limit(finder, landmarks[0], own, ground, bars, faces)
            if limit is None:
                notices.append(f"{where}: shows no speed, or stands by no lane; left out")
            else:
                signs.append(limit)
        elif kind in LIGHT_TYPES or kind in (_STOP_TYPE, _YIELD_TYPE):
            approach = finder.of_landmarks(landmarks, any(record.validities for record in own))
            if approach is None:
                notices.append(f"{where}: no lane of it leads into a junction; nobody obeys it")
                continue
            if approach.other_roads:
                # A light is one actor with one box.
                roads = ", ".join(str(road) for road in approach.other_roads)
                notices.append(f"{where}: rules road {approach.road_id}, but not road {roads}")
            stop_lines.append(approach)
            if kind in LIGHT_TYPES:
                lights.append((sign_id, landmarks, approach))
                continue
            sign = _priority_sign(kind, sign_id, landmarks, approach, ground, bars, faces)
            signs.append(sign)
    notices += _unknown(records)
    built, heads = _build_lights(lights, survey, areas, ground, bars)
    return Signals(
        built, tuple(signs), tuple(stop_lines), heads, faces.build(), bars, tuple(notices)
    )


def kind_of(signal_type: str) -> str:
    """A signal's type as carla.Map knows it: some tools part the digits (1.000.011)."""
    return signal_type.replace(".", "")


def _by_id(records: Iterable[SignalRecord]) -> dict[str, list[SignalRecord]]:
    found: dict[str, list[SignalRecord]] = {}
    for record in records:
        found.setdefault(record.signal_id, []).append(record)
    return found


def _unknown(records: Iterable[SignalRecord]) -> list[str]:
    """One line for each type of signal that nobody obeys."""
    known = {*LIGHT_TYPES, _STOP_TYPE, _YIELD_TYPE, _LIMIT_TYPE}
    ids: dict[str, list[str]] = {}
    for record in records:
        if kind_of(record.kind) not in known and not record.is_reference:
            ids.setdefault(record.kind, []).append(record.signal_id)
    return [
        f"{len(found)} signals of type {kind!r} (first: {found[0]}): of no meaning here"
        for kind, found in sorted(ids.items())
    ]


def _foot(landmark: carla.Landmark, ground: Ground) -> F64:
    location = landmark.transform.location
    xy = np.array([[location.x, location.y]])
    return np.array([location.x, location.y, ground.height_m(xy, np.array([location.z]))[0]])


def _build_lights(
    found: Sequence[tuple[str, list[carla.Landmark], Approach]],
    survey: Survey,
    areas: Areas,
    ground: Ground,
    bars: Bars,
) -> tuple[tuple[TrafficLightSpec, ...], LampHeads]:
    groups = _groups(found, survey)
    lights, heads = [], []
    for index, (sign_id, landmarks, approach) in enumerate(found):
        facing = remainder(approach.yaw_rad + pi, 2.0 * pi)
        lamps = _place_heads(approach, areas, bars)
        heads += [(index, lamp, facing) for lamp in lamps]
        transform = approach.actor_transform(_foot(landmarks[0], ground))
        box = approach.trigger_box(
            transform, _LIGHT_BOX_BEFORE_M, _LIGHT_BOX_HALF_M, _BOX_HALF_HEIGHT_M
        )
        lights.append(
            TrafficLightSpec(
                sign_id, transform, box, approach.junction_id, groups[sign_id],
                tuple(Vector3D(*(float(v) for v in lamp)) for lamp in lamps), facing,
                tuple(sorted(approach.lanes)),
            )
        )  # fmt: skip
    if not heads:
        return tuple(lights), LampHeads()
    return tuple(lights), LampHeads(
        np.array([head[0] for head in heads], np.int32),
        np.array([head[1] for head in heads], np.float32),
        np.array([head[2] for head in heads], np.float32),
    )


def _groups(
    found: Sequence[tuple[str, list[carla.Landmark], Approach]], survey: Survey
) -> dict[str, int]:
    """Phase of each light: that of a light of the same lanes, its controller's place in the
    junction, or else by direction."""
    groups: dict[str, int] = {}
    axes: dict[int, list[float]] = {}
    of_lane: dict[tuple[int, int], int] = {}
    for sign_id, _, approach in found:
        phases = survey.controllers.get(approach.junction_id, ())
        listed = [number for number, signals in enumerate(phases) if sign_id in signals]
        shared = [of_lane[lane] for lane in sorted(approach.lanes) if lane in of_lane]
        if shared or listed:
            groups[sign_id] = (shared or listed)[0]
        else:
            groups[sign_id] = len(phases) + _axis(approach, axes)
        of_lane |= dict.fromkeys(approach.lanes, groups[sign_id])
    return groups


def _axis(approach: Approach, axes: dict[int, list[float]]) -> int:
    """Number of an approach's axis in its junction: opposite approaches share one."""
    known = axes.setdefault(approach.junction_id, [])
    for number, axis in enumerate(known):
        if abs(remainder(axis - approach.yaw_rad, pi)) < pi / 4.0:
            return number
    known.append(approach.yaw_rad)
    return len(known) - 1


def _place_heads(approach: Approach, areas: Areas, bars: Bars) -> list[F64]:
    """Heads over the lanes on a mast beyond the stop line, and one low beside the line."""
    heads = []
    mast = _mast_foot(approach, areas)
    if mast is not None:
        forward_m, right_m = mast
        offsets = [
            float((centre - approach.middle) @ approach.rightward)
            for centre in approach.lane_centres[-2:]
        ]
        reached = [
            right_m + float(np.clip(offset - right_m, -_LONGEST_ARM_M, _LONGEST_ARM_M))
            for offset in offsets
        ]
        foot = approach.middle + forward_m * approach.forward + right_m * approach.rightward
        up = np.array([0.0, 0.0, 1.0])
        bars.add(foot, foot + (_ARM_M + 0.15) * up, 0.12)
        farthest = max(reached, key=lambda at: abs(at - right_m))
        tip = foot + _ARM_M * up + (farthest - right_m) * approach.rightward
        if abs(farthest - right_m) > 0.3:
            bars.add(foot + _ARM_M * up, tip, 0.07)
        for at in dict.fromkeys(round(value, 2) for value in reached):
            heads.append(
                foot
                + _FAR_HEAD_M * up
                + (at - right_m) * approach.rightward
                - 0.3 * approach.forward
            )
    near = _near_foot(approach, areas)
    if near is not None:
        bars.add(near, near + np.array([0.0, 0.0, _NEAR_HEAD_M + 0.7]), 0.07)
        heads.append(near + np.array([0.0, 0.0, _NEAR_HEAD_M]) - 0.25 * approach.forward)
    return heads


def _free_of_road(approach: Approach, areas: Areas, forward_m: F64, right_m: F64) -> F64:
    """Distance (n,) to the road at places given ahead and to the right of the line's middle."""
    xy = (
        approach.middle[:2]
        + forward_m[:, None] * approach.forward[:2]
        + right_m[:, None] * approach.rightward[:2]
    )
    x0, y0 = xy.min(axis=0) - 2.0
    x1, y1 = xy.max(axis=0) + 2.0
    near_road = shapely.clip_by_rect(areas.road, x0, y0, x1, y1)
    return np.asarray(shapely.distance(near_road, shapely.points(xy)))


def _mast_foot(approach: Approach, areas: Areas) -> tuple[float, float] | None:
    """Where a mast beyond the stop line can stand: (ahead, to the right), or None."""
    forward, right = (
        grid.ravel()
        for grid in np.meshgrid(np.arange(10.0, 34.0, 1.0), np.arange(-14.0, 16.5, 0.5))
    )
    arm = np.abs(right)
    far = 0.6 * np.abs(forward - 14.0) + 1.5 * np.maximum(forward - 20.0, 0.0)
    across = right if approach.keeps_right else -right
    cost = arm + far + np.where(across < -1.0, 4.0, 0.0)
    order = np.argsort(cost, kind="stable")
    room = _free_of_road(approach, areas, forward, right)
    for index in order:
        if room[index] > 0.6:
            return float(forward[index]), float(right[index])
    return None


def _near_foot(approach: Approach, areas: Areas) -> F64 | None:
    side = 1.0 if approach.keeps_right else -1.0
    right = side * (approach.half_width_m + np.arange(0.6, 6.0, 0.2))
    free = _free_of_road(approach, areas, np.full(len(right), 0.2), right) > 0.45
    if not free.any():
        return None
    at = float(right[int(np.argmax(free))])
    return np.asarray(approach.middle + 0.2 * approach.forward + at * approach.rightward)


def _plate(
    foot: F64, kind: SignKind, value: int, facing_rad: float, bars: Bars, faces: _Faces
) -> None:
    radius = _LIMIT_RADIUS_M if kind is SignKind.SPEED_LIMIT else _PLATE_RADIUS_M
    bars.add(foot, foot + np.array([0.0, 0.0, _PLATE_M + 0.3]), 0.04)
    normal = np.array([cos(facing_rad), sin(facing_rad), 0.0])
    centre = foot + np.array([0.0, 0.0, _PLATE_M]) + 0.06 * normal
    faces.rows.append((int(kind), value, centre, facing_rad, radius))


def _priority_sign(
    kind: str,
    sign_id: str,
    landmarks: list[carla.Landmark],
    approach: Approach,
    ground: Ground,
    bars: Bars,
    faces: _Faces,
) -> TrafficSignSpec:
    foot = _foot(landmarks[0], ground)
    transform = approach.actor_transform(foot)
    box = approach.trigger_box(transform, _STOP_BOX_BEFORE_M, _STOP_BOX_HALF_M, _BOX_HALF_HEIGHT_M)
    shape = SignKind.STOP if kind == _STOP_TYPE else SignKind.YIELD
    _plate(foot, shape, 0, remainder(approach.yaw_rad + pi, 2.0 * pi), bars, faces)
    name = "traffic.stop" if kind == _STOP_TYPE else "traffic.yield"
    return TrafficSignSpec(sign_id, name, transform, box)


def _speed_limit(
    finder: ApproachFinder,
    landmark: carla.Landmark,
    records: Sequence[SignalRecord],
    ground: Ground,
    bars: Bars,
    faces: _Faces,
) -> TrafficSignSpec | None:
    """A limit applies where its box, across all lanes that it is valid for, is passed."""
    kmh = _shown_kmh(landmark, records)
    lanes = _limited_lanes(finder, landmark, records)
    if kmh is None or not lanes:
        return None
    foot = _foot(landmark, ground)
    yaw_deg = lanes[0].transform.rotation.yaw
    yaw = radians(yaw_deg)
    transform = Transform(
        Vector3D(*(float(v) for v in foot)), Rotation(0.0, (yaw_deg + 270.0) % 360.0 - 180.0, 0.0)
    )
    centres = [lane.transform.location for lane in (lanes[0], lanes[-1])]
    middle = np.array([[c.x, c.y, c.z] for c in centres]).mean(axis=0)
    half = 0.5 * sum(lane.lane_width for lane in lanes)
    offset = middle - foot
    right = np.array([-sin(yaw), cos(yaw), 0.0])
    ahead = np.array([cos(yaw), sin(yaw), 0.0])
    box = BoundingBox(
        Vector3D(float(offset @ right), float(-offset @ ahead), float(offset[2])),
        Vector3D(0.95 * half, 1.0, _BOX_HALF_HEIGHT_M),
        Rotation(),
    )
    facing = remainder(radians(degrees(yaw)) + pi, 2.0 * pi)
    _plate(foot, SignKind.SPEED_LIMIT, kmh, facing, bars, faces)
    return TrafficSignSpec(landmark.id, f"traffic.speed_limit.{kmh}", transform, box)


def _shown_kmh(landmark: carla.Landmark, records: Sequence[SignalRecord]) -> int | None:
    """Value and unit of a sign (km/h where none is stated); CARLA's own towns have names only."""
    for record in records:
        if record.value is not None:
            limit_mps = in_mps(str(record.value), record.unit or "km/h")
            if limit_mps is not None:
                return round(limit_mps * _KMH_PER_MPS)
    number = _SPEED_NAME.match(landmark.name)
    return int(number[1]) if number is not None else None


def _limited_lanes(
    finder: ApproachFinder, landmark: carla.Landmark, records: Sequence[SignalRecord]
) -> list[carla.Waypoint]:
    """The lanes of a sign's validity, else those of its orientation, else the ones beside it."""
    own = next((record for record in records if record.road_id == landmark.road_id), None)
    if own is not None and own.validities:
        ids = [lane for first, last in own.validities
               for lane in range(min(first, last), max(first, last) + 1)]  # fmt: skip
        return finder.lanes_at(landmark, ids)
    if own is not None and own.orientation in ("+", "-"):
        along = finder.lanes_along(landmark, own.orientation == "+")
        if along:
            return along
    return finder.beside(landmark.transform.location)[1]
