"""Traffic lights and signs of a map, from its landmarks, with what is to be seen of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import cos, degrees, pi, radians, remainder, sin

import carla
import numpy as np
import shapely
from numpy.typing import NDArray

from evaluation.simulator.town.approaches import Approach, ApproachFinder
from evaluation.simulator.town.ground import Ground
from evaluation.simulator.town.scenery import LampHeads, SignFaces, SignKind
from evaluation.simulator.town.signal_specs import TrafficLightSpec, TrafficSignSpec
from evaluation.simulator.town.surfaces import Areas
from evaluation.simulator.town.survey import Survey
from evaluation.simulator.wire.codec import BoundingBox, Rotation, Transform, Vector3D

F64 = NDArray[np.float64]

_LIGHT_TYPE, _STOP_TYPE, _YIELD_TYPE, _LIMIT_TYPE = "1000001", "206", "205", "274"
_LIGHT_BOX_BEFORE_M, _LIGHT_BOX_HALF_M = 4.5, 4.0
_STOP_BOX_BEFORE_M, _STOP_BOX_HALF_M = 2.0, 1.5
_BOX_HALF_HEIGHT_M = 1.0
_FAR_HEAD_M, _NEAR_HEAD_M, _ARM_M = 5.1, 2.9, 5.8
_LONGEST_ARM_M = 9.0
_PLATE_M, _PLATE_RADIUS_M, _LIMIT_RADIUS_M = 2.3, 0.42, 0.36


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
    """Lights and signs, the lines to stop at, and their poles, lamps and plates."""

    lights: tuple[TrafficLightSpec, ...]
    signs: tuple[TrafficSignSpec, ...]
    stop_lines: tuple[Approach, ...]
    lamp_heads: LampHeads
    sign_faces: SignFaces
    bars: Bars


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


def find_signals(carla_map: carla.Map, survey: Survey, areas: Areas, ground: Ground) -> Signals:
    """All lights, stop, yield and speed limit signs, in the order of their ids."""
    finder = ApproachFinder(carla_map, survey)
    by_id: dict[tuple[str, str], list[carla.Landmark]] = {}
    for landmark in carla_map.get_all_landmarks():
        by_id.setdefault((landmark.type, landmark.id), []).append(landmark)
    ordered = sorted(by_id.items(), key=lambda item: (item[0][0], len(item[0][1]), item[0][1]))
    bars, faces, stop_lines = Bars(), _Faces(), []
    lights: list[tuple[str, list[carla.Landmark], Approach]] = []
    signs = []
    for (kind, sign_id), landmarks in ordered:
        if kind == _LIMIT_TYPE:
            limit = _speed_limit(finder, sign_id, landmarks[0], ground, bars, faces)
            signs += [] if limit is None else [limit]
        if kind not in (_LIGHT_TYPE, _STOP_TYPE, _YIELD_TYPE):
            continue
        approach = finder.of_landmarks(landmarks)
        if approach is None:
            continue
        stop_lines.append(approach)
        if kind == _LIGHT_TYPE:
            lights.append((sign_id, landmarks, approach))
        else:
            signs.append(_priority_sign(kind, sign_id, landmarks, approach, ground, bars, faces))
    built, heads = _build_lights(lights, survey, areas, ground, bars)
    return Signals(built, tuple(signs), tuple(stop_lines), heads, faces.build(), bars)


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
    """Phase of each light: its controller's place in the junction, or else by direction."""
    groups: dict[str, int] = {}
    axes: dict[int, list[float]] = {}
    for sign_id, _, approach in found:
        phases = survey.controllers.get(approach.junction_id, ())
        listed = [number for number, signals in enumerate(phases) if sign_id in signals]
        if listed:
            groups[sign_id] = listed[0]
            continue
        known = axes.setdefault(approach.junction_id, [])
        for number, axis in enumerate(known):
            if abs(remainder(axis - approach.yaw_rad, pi)) < pi / 4.0:
                groups[sign_id] = len(phases) + number
                break
        else:
            groups[sign_id] = len(phases) + len(known)
            known.append(approach.yaw_rad)
    return groups


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
    cost = arm + far + np.where(right < -1.0, 4.0, 0.0)
    order = np.argsort(cost, kind="stable")
    room = _free_of_road(approach, areas, forward, right)
    for index in order:
        if room[index] > 0.6:
            return float(forward[index]), float(right[index])
    return None


def _near_foot(approach: Approach, areas: Areas) -> F64 | None:
    right = approach.half_width_m + np.arange(0.6, 6.0, 0.2)
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
    sign_id: str,
    landmark: carla.Landmark,
    ground: Ground,
    bars: Bars,
    faces: _Faces,
) -> TrafficSignSpec | None:
    """A limit applies where its box, across all lanes of its side, is passed."""
    number = re.search(r"\d+", landmark.name)
    nearest, lanes = finder.beside(landmark.transform.location)
    if number is None or nearest is None:
        return None
    foot = _foot(landmark, ground)
    yaw_deg = nearest.transform.rotation.yaw
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
    _plate(foot, SignKind.SPEED_LIMIT, int(number.group()), facing, bars, faces)
    return TrafficSignSpec(sign_id, f"traffic.speed_limit.{number.group()}", transform, box)
