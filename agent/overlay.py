"""Images of what the agent saw and meant: projections into cameras, a bird's-eye view, a panel.

Images are (H, W, 3) uint8 RGB; points are in the ego frame, metres. All functions return new
images. Used by the debug recorder and by the evaluation's video.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.observation import AgentStep
from agent.rig import project
from model.config import CameraConfig
from planner.frames import ego_from_world
from planner.records import Plan

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Colour = tuple[int, int, int]

ROUTE_COLOUR: Colour = (66, 165, 245)
WAYPOINT_COLOUR: Colour = (255, 202, 40)
TARGET_COLOUR: Colour = (239, 83, 80)
NEXT_TARGET_COLOUR: Colour = (236, 164, 200)
TEXT_COLOUR: Colour = (236, 239, 241)
BACKGROUND: Colour = (24, 28, 34)
GRID_COLOUR: Colour = (52, 58, 66)
FONT = cv2.FONT_HERSHEY_SIMPLEX

FRONT_WIDTH_PX = 960
INSET_PX = 220
INSET_AHEAD_M, INSET_BEHIND_M = 36.0, 8.0
PANEL_HEIGHT_PX = 72
FARTHEST_DRAWN_M = 500.0
DENSE_M = 0.5


@dataclass(frozen=True)
class Drawing:
    """What is drawn: a plan (or none) and targets (k, 2), in the ego frame."""

    plan: Plan | None
    targets_ego_m: F64


def drawing_of(step: AgentStep) -> Drawing:
    """Plan and targets of an agent's step."""
    points = [target.position_world_m for target in step.targets]
    state = [*step.ego.position_world_m, step.ego.yaw_rad]
    if not points or not np.isfinite(state).all():
        return Drawing(step.plan, np.empty((0, 2)))
    return Drawing(step.plan, ego_from_world(np.stack(points), step.ego))


def draw_on_camera(image: U8, camera: CameraConfig, drawing: Drawing) -> U8:
    """Project plan and targets onto the ground of an image of any size with this camera's view."""
    canvas = image.copy()
    height, width = image.shape[:2]
    scaled = dataclasses.replace(camera, width_px=width, height_px=height)
    thickness = max(2, width // 320)
    if drawing.plan is not None:
        route = _densify(_drawable(drawing.plan.route_ego_m))
        _polyline(canvas, scaled, route, ROUTE_COLOUR, thickness)
        for point in _drawable(drawing.plan.waypoints_ego_m):
            _disc(canvas, scaled, point, WAYPOINT_COLOUR, 0.18)
    for point, colour in _coloured_targets(drawing):
        _disc(canvas, scaled, point, colour, 0.6)
    return canvas


def birds_eye(drawing: Drawing, size_px: int = INSET_PX) -> U8:
    """View from above, ego pointing up, a grid line every ten metres."""
    canvas = np.full((size_px, size_px, 3), BACKGROUND, dtype=np.uint8)
    scale = size_px / (INSET_AHEAD_M + INSET_BEHIND_M)

    def pixel(point_ego_m: F64) -> tuple[int, int]:
        column = size_px / 2.0 + float(point_ego_m[1]) * scale
        row = (INSET_AHEAD_M - float(point_ego_m[0])) * scale
        return round(column), round(row)

    for metres in range(-20, 40, 10):
        row = pixel(np.array([float(metres), 0.0]))[1]
        column = pixel(np.array([0.0, float(metres)]))[0]
        cv2.line(canvas, (0, row), (size_px, row), GRID_COLOUR, 1)
        cv2.line(canvas, (column, 0), (column, size_px), GRID_COLOUR, 1)
    if drawing.plan is not None:
        route = _drawable(drawing.plan.route_ego_m)
        pixels = np.array([pixel(p) for p in route], dtype=np.int32).reshape(-1, 1, 2)
        cv2.polylines(canvas, [pixels], False, ROUTE_COLOUR, 2, cv2.LINE_AA)
        for point in _drawable(drawing.plan.waypoints_ego_m):
            cv2.circle(canvas, pixel(point), 3, WAYPOINT_COLOUR, -1, cv2.LINE_AA)
    for point, colour in _coloured_targets(drawing):
        column, row = pixel(point)
        inside = (min(max(column, 4), size_px - 5), min(max(row, 4), size_px - 5))
        cv2.circle(canvas, inside, 5, colour, -1, cv2.LINE_AA)
    front, rear = pixel(np.array([2.45, -0.92])), pixel(np.array([-2.45, 0.92]))
    cv2.rectangle(canvas, front, rear, TEXT_COLOUR, -1)
    return canvas


def text_panel(lines: Sequence[str], width_px: int, height_px: int = PANEL_HEIGHT_PX) -> U8:
    """Lines of text on a dark ground."""
    canvas = np.full((height_px, width_px, 3), BACKGROUND, dtype=np.uint8)
    for index, line in enumerate(lines):
        origin = (12, 22 + 22 * index)
        cv2.putText(canvas, line, origin, FONT, 0.5, TEXT_COLOUR, 1, cv2.LINE_AA)
    return canvas


def state_lines(step: AgentStep, extra: Mapping[str, str] | None = None) -> list[str]:
    """Speed, control and what else is known, as the panel's lines."""
    control = step.control
    first = (
        f"t {step.timestamp_s:6.2f} s   speed {step.ego.speed_mps:5.2f} m/s   "
        f"steer {control.steer:+.2f}   throttle {control.throttle:.2f}   brake {control.brake:.2f}"
    )
    commands = ", ".join(target.command.name.lower() for target in step.targets[:1])
    total_ms = sum(step.stage_ms.get(name, 0.0) for name in ("observe", "locate", "plan"))
    second = f"next {commands or '-'}   tick {total_ms:.0f} ms"
    notes = {**step.notes, **(extra or {})}
    third = "   ".join(f"{key} {value}" for key, value in notes.items())
    return [first, second, third]


def compose(
    images: Sequence[U8],
    cameras: Sequence[CameraConfig],
    drawing: Drawing,
    lines: Sequence[str],
    front_width_px: int = FRONT_WIDTH_PX,
) -> U8:
    """One image of a tick: the front camera with the plan in it and a bird's-eye inset, the other
    cameras below it from left to right, and the text.

    `images[i]` is the image of `cameras[i]`, the front camera first, of any size. Without any
    only the view from above and the text are shown. Height and width are even, as video wants them.
    """
    panel = text_panel(lines, front_width_px)
    inset = birds_eye(drawing)
    if len(images) == 0:
        canvas = np.full((INSET_PX * 2, front_width_px, 3), BACKGROUND, dtype=np.uint8)
        large = birds_eye(drawing, INSET_PX * 2)
        left = (front_width_px - large.shape[1]) // 2
        canvas[:, left : left + large.shape[1]] = large
        return _even(np.concatenate((canvas, panel)))
    front = draw_on_camera(_to_width(images[0], front_width_px), cameras[0], drawing)
    margin = 10
    box = (slice(margin, margin + INSET_PX), slice(-INSET_PX - margin, -margin))
    if front.shape[0] >= INSET_PX + 2 * margin:
        front[box] = cv2.addWeighted(front[box], 0.2, inset, 0.8, 0.0)
    rows = [front]
    others = sorted(range(1, len(images)), key=lambda index: cameras[index].yaw_deg)
    if others:
        share = front_width_px // len(others)
        tiles = [
            draw_on_camera(_to_width(images[index], share), cameras[index], drawing)
            for index in others
        ]
        tiles[-1] = cv2.copyMakeBorder(
            tiles[-1], 0, 0, 0, front_width_px - share * len(others), cv2.BORDER_CONSTANT
        ).astype(np.uint8)
        rows.append(np.concatenate(tiles, axis=1))
    return _even(np.concatenate([*rows, panel]))


def compose_step(
    step: AgentStep, cameras: Sequence[CameraConfig], extra: Mapping[str, str] | None = None
) -> U8:
    """`compose` for the images that the agent itself saw."""
    return compose(list(step.images), cameras, drawing_of(step), state_lines(step, extra))


def _polyline(
    canvas: U8, camera: CameraConfig, points_ego_m: F64, colour: Colour, thickness: int
) -> None:
    pixels, _ = project(points_ego_m, camera)
    for start, end in itertools.pairwise(pixels):
        if np.isfinite([*start, *end]).all() and np.abs([*start, *end]).max() < 1e5:
            first, second = (round(float(v)) for v in start), (round(float(v)) for v in end)
            cv2.line(canvas, tuple(first), tuple(second), colour, thickness, cv2.LINE_AA)


def _disc(
    canvas: U8, camera: CameraConfig, point_ego_m: F64, colour: Colour, radius_m: float
) -> None:
    """A disc that lies on the ground: smaller the farther away it is."""
    angles = np.linspace(0.0, 2.0 * math.pi, 17)[:-1]
    rim = point_ego_m + radius_m * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pixels, _ = project(rim, camera)
    if not np.isfinite(pixels).all() or np.abs(pixels).max() > 1e5:
        return
    cv2.fillPoly(canvas, [np.round(pixels).astype(np.int32)], colour, cv2.LINE_AA)
    centre, visible = project(point_ego_m[None], camera)
    if visible[0]:
        cv2.circle(canvas, (round(float(centre[0, 0])), round(float(centre[0, 1]))), 2, colour, -1)


def _densify(points_ego_m: F64) -> F64:
    """Points every half metre, so that a line from beside the camera is cut near its edge."""
    if len(points_ego_m) < 2:
        return points_ego_m
    steps = np.linalg.norm(np.diff(points_ego_m, axis=0), axis=1)
    along = np.concatenate(([0.0], np.cumsum(steps)))
    grid = np.arange(0.0, along[-1] + DENSE_M, DENSE_M)
    return np.stack([np.interp(grid, along, points_ego_m[:, axis]) for axis in (0, 1)], axis=1)


def _drawable(points_ego_m: F64) -> F64:
    """The points that are finite and near enough to be seen (comparisons with NaN are false)."""
    points = np.asarray(points_ego_m, dtype=np.float64)
    kept: F64 = points[(np.abs(points) <= FARTHEST_DRAWN_M).all(axis=1)]
    return kept


def _coloured_targets(drawing: Drawing) -> list[tuple[F64, Colour]]:
    """Targets, the nearest last so that it is drawn on top."""
    colours = [TARGET_COLOUR, *([NEXT_TARGET_COLOUR] * len(drawing.targets_ego_m))]
    pairs = zip(_drawable(drawing.targets_ego_m), colours, strict=False)
    return [(point, colour) for point, colour in pairs][::-1]


def _to_width(image: U8, width_px: int) -> U8:
    height = max(2, round(image.shape[0] * width_px / image.shape[1]))
    method = cv2.INTER_AREA if width_px < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width_px, height), interpolation=method), dtype=np.uint8)


def _even(image: U8) -> U8:
    height, width = (side - side % 2 for side in image.shape[:2])
    return np.ascontiguousarray(image[:height, :width])
