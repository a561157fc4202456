"""Images of a prediction beside its label: in the front camera and from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model.batch import DrivingExample, DrivingOutput
from model.projection import project
from model.route import points_at

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Colour = tuple[int, int, int]

LABEL: Colour = (60, 200, 60)
PREDICTED: Colour = (230, 60, 60)
TARGET: Colour = (70, 130, 255)
GROUND: Colour = (28, 30, 34)
GRID: Colour = (60, 64, 72)
FRONT_WIDTH_PX = 640
ABOVE_WIDTH_PX = 320
AHEAD_M = 45.0
LINE_PX = 20


@dataclass(frozen=True)
class Drawn:
    """One sample, as numbers: points (n, 2) in the ego frame."""

    image: U8
    intrinsics: F32
    extrinsics: F32
    targets: F32
    label_route: F32
    label_waypoints: F32
    route: F32
    waypoints: F32


def sample_of(example: DrivingExample, output: DrivingOutput, row: int) -> Drawn:
    """One row of a batch."""
    driving_input, label = example
    waypoints = output.speed_wps[row].float().cpu().numpy()
    route = waypoints if output.route is None else output.route[row].float().cpu().numpy()
    if waypoints.shape[1] == 1:
        waypoints = points_at(route, waypoints[:, 0])
    label_route, label_waypoints = (
        label.route[row].cpu().numpy(),
        label.speed_wps[row].cpu().numpy(),
    )
    if label_waypoints.shape[1] == 1:
        known = np.isfinite(label_route).all()
        unknown = np.full((len(label_waypoints), 2), np.nan, dtype=np.float32)
        label_waypoints = points_at(label_route, label_waypoints[:, 0]) if known else unknown
    front = driving_input.camera_images[row, -1, 0].permute(1, 2, 0)
    targets = driving_input.target_point
    points = None if targets is None else targets[row].reshape(-1, 2).cpu().numpy()
    return Drawn(
        image=front.cpu().numpy(),
        intrinsics=driving_input.camera_intrinsics[row, 0].cpu().numpy(),
        extrinsics=driving_input.camera_extrinsics[row, 0].cpu().numpy(),
        targets=np.empty((0, 2), np.float32) if points is None else points,
        label_route=label_route,
        label_waypoints=label_waypoints,
        route=route,
        waypoints=waypoints,
    )


def draw(sample: Drawn, lines: Sequence[str] = ()) -> U8:
    """RGB image: the front camera, the view from above, and lines of text below the former."""
    rows, columns = sample.image.shape[:2]
    scale = FRONT_WIDTH_PX / columns
    size = FRONT_WIDTH_PX, round(rows * scale)
    front = np.asarray(cv2.resize(sample.image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    matrix = sample.intrinsics.copy()
    matrix[:2] *= scale
    for points, colour in (
        (sample.label_route, LABEL),
        (sample.route, PREDICTED),
    ):
        _path(front, project(points, matrix, sample.extrinsics), colour)
    for points, colour in (
        (sample.label_waypoints, LABEL),
        (sample.waypoints, PREDICTED),
    ):
        _dots(front, project(points, matrix, sample.extrinsics), colour, 4)
    above = _from_above(sample, max(ABOVE_WIDTH_PX, size[1]))
    height_px = max(above.shape[0], size[1] + LINE_PX * len(lines) + 8)
    canvas = np.full((height_px, FRONT_WIDTH_PX + above.shape[1], 3), GROUND, dtype=np.uint8)
    canvas[: size[1], :FRONT_WIDTH_PX] = front
    canvas[: above.shape[0], FRONT_WIDTH_PX:] = above
    for number, line in enumerate(lines):
        place = (10, size[1] + LINE_PX * (number + 1) - 4)
        cv2.putText(canvas, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1)
    return canvas


def _from_above(sample: Drawn, side_px: int) -> U8:
    """The ego in the middle of the lower edge, a line every ten metres."""
    canvas = np.full((side_px, side_px, 3), GROUND, dtype=np.uint8)
    px_per_m = side_px / (AHEAD_M + 5.0)

    def pixels(points: F32) -> F32:
        columns = side_px / 2.0 + px_per_m * points[:, 1]
        rows = px_per_m * (AHEAD_M - points[:, 0])
        return np.stack([columns, rows], axis=1).astype(np.float32)

    for metres in range(0, int(AHEAD_M), 10):
        row = round(px_per_m * (AHEAD_M - metres))
        cv2.line(canvas, (0, row), (side_px, row), GRID, 1)
    _dots(canvas, pixels(sample.targets), TARGET, 6)
    for points, colour in ((sample.label_route, LABEL), (sample.route, PREDICTED)):
        _path(canvas, pixels(points), colour)
    for points, colour in ((sample.label_waypoints, LABEL), (sample.waypoints, PREDICTED)):
        _dots(canvas, pixels(points), colour, 3)
    return canvas


def _drawable(pixels: NDArray[np.floating]) -> NDArray[np.int32]:
    kept = pixels[np.isfinite(pixels).all(axis=1)]
    within: NDArray[np.floating] = kept.clip(-10_000, 10_000)
    return within.round().astype(np.int32)


def _path(canvas: U8, pixels: NDArray[np.floating], colour: Colour) -> None:
    cv2.polylines(canvas, [_drawable(pixels).reshape(-1, 1, 2)], False, colour, 2, cv2.LINE_AA)


def _dots(canvas: U8, pixels: NDArray[np.floating], colour: Colour, radius_px: int) -> None:
    for column, row in _drawable(pixels):
        cv2.circle(canvas, (int(column), int(row)), radius_px, colour, -1, cv2.LINE_AA)
