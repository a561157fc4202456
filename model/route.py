"""Paths as points in the ego frame (x forward, y right, metres): re-sampling and drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.batch import InputError

Points = NDArray[np.floating]

ROUTE_SPACING_M = 1.0
# A point nearer than this cannot be reached on a smooth path by a car that stands beside it.
NEAREST_ROUTE_POINT_M = 1.0
# SimLingo's route image: half a metre to the pixel, the ego in the middle of the lowest row.
MAP_SIZE_PX = 64
MAP_PX_PER_M = 2.0
# Below this length a path says nothing about where it is heading: a standing car's is noise.
MIN_HEADING_LENGTH_M = 0.5


def planned_points(route_ego_m: Points, count: int) -> NDArray[np.float32]:
    """The planned route as a network reads it that is not content with sparse targets.

    ``route_ego_m`` (n, 2): the dense route from about the ego on. ``count`` points (count, 2), 1 m
    apart, the first at the ego.
    """
    return equal_spacing(ahead_of_ego(route_ego_m), ROUTE_SPACING_M, count)


def ahead_of_ego(points_ego_m: Points) -> Points:
    """The finite points (k, 2) from the first one on that lies ahead of the ego."""
    finite = points_ego_m[np.isfinite(points_ego_m).all(axis=1)]
    ahead = np.flatnonzero(finite[:, 0] >= NEAREST_ROUTE_POINT_M)
    return finite[ahead[0] :] if len(ahead) else finite[:0]


def equal_spacing(points_ego_m: Points, spacing_m: float, count: int) -> NDArray[np.float32]:
    """``count`` points (count, 2), ``spacing_m`` apart along the path, the first at the ego.

    The path goes from the ego over ``points_ego_m`` (n, 2) and straight on behind the last.
    """
    return points_at(points_ego_m, spacing_m * np.arange(count))


def points_at(points_ego_m: Points, distances_m: Points) -> NDArray[np.float32]:
    """Points (n, 2) at distances along the path from the ego over ``points_ego_m``.

    Behind the end the path goes straight on, in the direction in which it arrived.
    """
    _check_points(points_ego_m)
    path = np.vstack([np.zeros((1, 2)), points_ego_m])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    # Repeated points would make the distances ambiguous.
    kept = np.concatenate([[True], np.diff(lengths) > 0.0])
    path, lengths = path[kept], lengths[kept]
    inside = np.clip(distances_m, 0.0, lengths[-1])
    columns = [np.interp(inside, lengths, path[:, axis]) for axis in range(2)]
    beyond = np.asarray(distances_m) - inside
    direction = _final_direction(path, lengths[-1])
    return (np.stack(columns, axis=1) + beyond[:, None] * direction).astype(np.float32)


def _final_direction(path: Points, length_m: float) -> NDArray[np.float64]:
    if length_m < MIN_HEADING_LENGTH_M:
        return np.array([1.0, 0.0])
    chord = np.asarray(path[-1] - path[-2], dtype=np.float64)
    return np.asarray(chord / np.linalg.norm(chord))


def draw_route(points_ego_m: Points) -> NDArray[np.uint8]:
    """Bird's-eye image (3, 64, 64) of a path: white on black, forward is up.

    Points outside the 32 m x 32 m ahead of the ego are drawn at the border, as SimLingo does.
    """
    _check_points(points_ego_m)
    forward, right = np.asarray(points_ego_m, dtype=np.float32).T
    rows = MAP_SIZE_PX - 1 - MAP_PX_PER_M * forward
    columns = MAP_SIZE_PX // 2 + MAP_PX_PER_M * right
    pixels = np.stack([rows, columns]).clip(0, MAP_SIZE_PX - 1).astype(np.int64)
    image = np.zeros((3, MAP_SIZE_PX, MAP_SIZE_PX), dtype=np.uint8)
    image[:, pixels[0], pixels[1]] = 255
    return image


def _check_points(points_ego_m: Points) -> None:
    if points_ego_m.ndim != 2 or points_ego_m.shape[1] != 2:
        raise InputError(f"points_ego_m: expected shape (n, 2), got {points_ego_m.shape}")
    if not np.isfinite(points_ego_m).all():
        raise InputError(f"points_ego_m: expected finite numbers, got {points_ego_m.tolist()}")
