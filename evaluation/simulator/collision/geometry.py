"""Contacts between upright boxes, vectorised over pairs: separating axes in the ground plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Bodies must share this much height to touch, so that a car passes over what lies flat.
MIN_SHARED_HEIGHT_M = 0.05
# Below this speed of approach the axis of least overlap separates two bodies; above it the axis
# along which they met last.
SLOW_APPROACH_MPS = 0.2

_CORNERS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])


@dataclass(frozen=True)
class Boxes:
    """Upright boxes: centre and half_extent (n, 3) m, axis (n, 2) their forward direction."""

    centre_m: Floats
    half_extent_m: Floats
    axis: Floats

    def take(self, rows: Ints) -> Boxes:
        """Return the boxes of these rows."""
        return Boxes(self.centre_m[rows], self.half_extent_m[rows], self.axis[rows])

    @property
    def reach_m(self) -> Floats:
        """Half size (n, 2) of the boxes' shadows along world x and y."""
        half = self.half_extent_m
        reach: Floats = np.abs(self.axis) * half[:, :1] + np.abs(self.axis[:, ::-1]) * half[:, 1:2]
        return reach


@dataclass(frozen=True)
class Touches:
    """Overlaps of box pairs.

    pair (m,) index of the pair; normal (m, 2) from the first to the second box; depth_m (m,)
    overlap along it; point_m (m, 2) the middle of the region both share.
    """

    pair: Ints
    normal: Floats
    depth_m: Floats
    point_m: Floats


def near_pairs(centre_m: Floats, radius_m: Floats) -> tuple[Ints, Ints]:
    """Return index pairs (i < j) of circles (n, 2) that overlap, by a sweep along x."""
    order = np.argsort(centre_m[:, 0], kind="stable")
    x, radius = centre_m[order, 0], radius_m[order]
    ends = np.searchsorted(x, x + radius + radius.max(initial=0.0), side="right")
    places = np.arange(len(order))
    counts = ends - places - 1
    first = np.repeat(places, counts)
    starts = np.cumsum(counts) - counts
    second = np.arange(len(first)) - np.repeat(starts, counts) + first + 1
    i, j = order[first], order[second]
    offset = centre_m[i] - centre_m[j]
    reach = radius_m[i] + radius_m[j]
    close = (offset * offset).sum(axis=1) < reach * reach
    i, j = i[close], j[close]
    return np.minimum(i, j), np.maximum(i, j)


def shares_height(a: Boxes, b: Boxes) -> NDArray[np.bool_]:
    """Whether paired boxes overlap in height (n,)."""
    gap = np.abs(a.centre_m[:, 2] - b.centre_m[:, 2])
    shared: NDArray[np.bool_] = (
        a.half_extent_m[:, 2] + b.half_extent_m[:, 2] - gap > MIN_SHARED_HEIGHT_M
    )
    return shared


def find_touches(a: Boxes, b: Boxes, approach_mps: Floats) -> Touches:
    """Test box i of `a` against box i of `b`; `approach_mps` (n, 2) is a's velocity minus b's."""
    between = b.centre_m[:, :2] - a.centre_m[:, :2]
    # The four candidate axes of each pair: forward and right of a, forward and right of b.
    axes = np.stack((a.axis, _right(a.axis), b.axis, _right(b.axis)), axis=1)
    distance = np.einsum("nkd,nd->nk", axes, between)
    reach = _reach_along(axes, a) + _reach_along(axes, b)
    overlap = reach - np.abs(distance)
    touching = np.flatnonzero((overlap > 0.0).all(axis=1) & shares_height(a, b))
    if not len(touching):
        nothing = np.zeros((0, 2))
        return Touches(touching, nothing, np.zeros(0), nothing)
    axes, overlap, distance = axes[touching], overlap[touching], distance[touching]
    normals = axes * np.where(distance < 0.0, -1.0, 1.0)[:, :, None]
    closing = np.einsum("nkd,nd->nk", normals, approach_mps[touching])
    met_last = np.argmin(overlap / (np.maximum(closing, 0.0) + SLOW_APPROACH_MPS), axis=1)
    rows = np.arange(len(touching))
    return Touches(
        touching,
        normals[rows, met_last],
        overlap[rows, met_last],
        _shared_middle(a.take(touching), b.take(touching)),
    )


def _right(axis: Floats) -> Floats:
    return np.stack((-axis[:, 1], axis[:, 0]), axis=1)


def _reach_along(axes: Floats, boxes: Boxes) -> Floats:
    """Half size (n, k) of the boxes along the axes (n, k, 2)."""
    forward = np.abs(np.einsum("nkd,nd->nk", axes, boxes.axis))
    right = np.abs(np.einsum("nkd,nd->nk", axes, _right(boxes.axis)))
    reach: Floats = forward * boxes.half_extent_m[:, :1] + right * boxes.half_extent_m[:, 1:2]
    return reach


def _shared_middle(a: Boxes, b: Boxes) -> Floats:
    """Mean (n, 2) of the corners of either box that lie in the other."""
    points = np.concatenate((_corners(a), _corners(b)), axis=1)
    weight = (_inside(points, a) & _inside(points, b)).astype(np.float64)
    count = weight.sum(axis=1)
    mean = (points * weight[:, :, None]).sum(axis=1) / np.maximum(count, 1.0)[:, None]
    # Boxes that cross without a corner inside meet between their centres.
    between = 0.5 * (a.centre_m[:, :2] + b.centre_m[:, :2])
    return np.where(count[:, None] > 0.0, mean, between)


def _corners(boxes: Boxes) -> Floats:
    along = boxes.axis[:, None, :] * boxes.half_extent_m[:, None, :1] * _CORNERS[None, :, :1]
    right = _right(boxes.axis)[:, None, :] * boxes.half_extent_m[:, None, 1:2]
    corners: Floats = boxes.centre_m[:, None, :2] + along + right * _CORNERS[None, :, 1:]
    return corners


def _inside(points: Floats, boxes: Boxes) -> NDArray[np.bool_]:
    """Which points (n, k, 2) lie in or on box n, with a millimetre to spare."""
    offset = points - boxes.centre_m[:, None, :2]
    along = np.abs(np.einsum("nkd,nd->nk", offset, boxes.axis))
    across = np.abs(np.einsum("nkd,nd->nk", offset, _right(boxes.axis)))
    inside: NDArray[np.bool_] = (along <= boxes.half_extent_m[:, :1] + 1e-3) & (
        across <= boxes.half_extent_m[:, 1:2] + 1e-3
    )
    return inside
