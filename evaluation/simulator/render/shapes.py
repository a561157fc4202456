"""Low-poly models from convex pieces: vertices in metres, coloured per face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.simulator.render.packing import pack_normals

F64 = NDArray[np.float64]
U32 = NDArray[np.uint32]

MODEL_VERTEX_DTYPE = np.dtype(
    [
        ("position", np.float32, 3),
        ("normal", np.uint8, 4),
        ("colour", np.uint8, 4),
        ("glow", np.uint8, 4),
    ]
)
MODEL_FORMAT = "3f4 4f1 4f1 4f1"
MODEL_ATTRIBUTES = ("in_position", "in_normal", "in_colour", "in_glow")

NO_GLOW_BIT = 31
"""A bit that no instance sets."""


@dataclass(frozen=True)
class Finish:
    """Surface of a face: colour_rgb as displayed; `paint` multiplies it with the instance's colour.

    `mirror` 0..1 is how much sky it shows; where bit `glow_bit` of the instance's flags is set the
    face shines in glow_rgb instead.
    """

    colour_rgb: tuple[int, int, int]
    paint: bool = False
    mirror: float = 0.0
    glow_rgb: tuple[int, int, int] = (0, 0, 0)
    glow_bit: int = NO_GLOW_BIT


@dataclass(frozen=True)
class Model:
    """A finished shape: `vertices` (n,) MODEL_VERTEX_DTYPE and `triangles` (m, 3)."""

    vertices: NDArray[np.void]
    triangles: U32


class Sculptor:
    """Collects polygons; every face becomes flat-shaded triangles that face outward."""

    def __init__(self) -> None:
        self._corners: list[F64] = []
        self._finishes: list[Finish] = []

    def polygon(self, corners_m: ArrayLike, outward: ArrayLike, finish: Finish) -> None:
        """Add a convex polygon (n, 3) that looks towards `outward` (3,)."""
        corners = np.asarray(corners_m, np.float64)
        if _normal(corners) @ np.asarray(outward, np.float64) < 0.0:
            corners = corners[::-1]
        self._corners.append(corners)
        self._finishes.append(finish)

    def loft(
        self,
        rings_m: Sequence[ArrayLike],
        finish: Finish,
        *,
        ends: tuple[bool, bool] = (True, True),
    ) -> None:
        """Join rings (k, 3) of equal length by quads and close the first and last where asked.

        The rings must enclose the line through their centres.
        """
        rings = [np.asarray(ring, np.float64) for ring in rings_m]
        middle = np.mean(np.concatenate(rings), axis=0)
        for low, high in pairwise(rings):
            axis_point = 0.5 * (low.mean(axis=0) + high.mean(axis=0))
            for i in range(len(low)):
                j = (i + 1) % len(low)
                quad = np.array([low[i], low[j], high[j], high[i]])
                self.polygon(quad, quad.mean(axis=0) - axis_point, finish)
        for ring, wanted in zip((rings[0], rings[-1]), ends, strict=True):
            if wanted:
                self.polygon(ring, ring.mean(axis=0) - middle, finish)

    def box(
        self,
        centre_m: ArrayLike,
        half_m: ArrayLike,
        finish: Finish,
        *,
        bottom: bool = False,
        top_scale: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """An upright box; `top_scale` narrows its top along x and y."""
        centre, half = np.asarray(centre_m, np.float64), np.asarray(half_m, np.float64)
        flat = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float64) * half
        up = np.array([0.0, 0.0, half[2]])
        top = flat * np.array([*top_scale, 1.0]) + up
        self.loft([centre + flat - up, centre + top], finish, ends=(bottom, True))

    def quad(
        self,
        centre_m: ArrayLike,
        right_m: ArrayLike,
        up_m: ArrayLike,
        outward: ArrayLike,
        finish: Finish,
    ) -> None:
        """A parallelogram about `centre_m` with half sides `right_m` and `up_m`."""
        centre = np.asarray(centre_m, np.float64)
        right, up = np.asarray(right_m, np.float64), np.asarray(up_m, np.float64)
        corners = [
            centre - right - up,
            centre + right - up,
            centre + right + up,
            centre - right + up,
        ]
        self.polygon(corners, outward, finish)

    def cylinder(
        self,
        start_m: ArrayLike,
        end_m: ArrayLike,
        radius_m: float,
        finish: Finish,
        *,
        sides: int = 6,
        end_radius_m: float | None = None,
        ends: tuple[bool, bool] = (True, True),
    ) -> None:
        """A prism of `sides` sides about the line from start to end."""
        start, end = np.asarray(start_m, np.float64), np.asarray(end_m, np.float64)
        circle = _circle(end - start, sides)
        last = radius_m if end_radius_m is None else end_radius_m
        self.loft([start + circle * radius_m, end + circle * last], finish, ends=ends)

    def disc(
        self,
        centre_m: ArrayLike,
        normal: ArrayLike,
        radius_m: float,
        finish: Finish,
        sides: int = 8,
    ) -> None:
        """A regular polygon that looks along `normal`; one side is level at its top."""
        direction = np.asarray(normal, np.float64)
        corners = np.asarray(centre_m, np.float64) + radius_m * _circle(direction, sides)
        self.polygon(corners, direction, finish)

    def ball(self, centre_m: ArrayLike, radius_m: ArrayLike, finish: Finish) -> None:
        """An icosahedron with radii (3,)."""
        centre, radius = np.asarray(centre_m, np.float64), np.asarray(radius_m, np.float64)
        turn = 2.0 * np.pi * np.arange(5) / 5.0
        height = 1.0 / np.sqrt(5.0)
        lower = np.column_stack([np.cos(turn), np.sin(turn), -0.5 * np.ones(5)]) * 2.0 * height
        upper = np.column_stack(
            [np.cos(turn + np.pi / 5), np.sin(turn + np.pi / 5), 0.5 * np.ones(5)]
        )
        upper *= 2.0 * height
        poles = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
        for i in range(5):
            j = (i + 1) % 5
            for face in (
                [poles[0], lower[i], lower[j]],
                [lower[i], lower[j], upper[i]],
                [lower[j], upper[i], upper[j]],
                [upper[i], upper[j], poles[1]],
            ):
                corners = np.array(face)
                self.polygon(centre + corners * radius, corners.mean(axis=0), finish)

    def build(self, centre_m: ArrayLike = (0, 0, 0), half_m: ArrayLike = (1, 1, 1)) -> Model:
        """Finish: move `centre_m` to the origin and scale a box of `half_m` to the unit cube."""
        centre, half = np.asarray(centre_m, np.float64), np.asarray(half_m, np.float64)
        vertices = np.zeros(sum(len(c) for c in self._corners), MODEL_VERTEX_DTYPE)
        triangles = []
        row = 0
        for corners, finish in zip(self._corners, self._finishes, strict=True):
            scaled = (corners - centre) / half
            part = vertices[row : row + len(corners)]
            part["position"] = scaled
            part["normal"][:, :3] = pack_normals(_normal(scaled))
            part["normal"][:, 3] = round(255.0 * finish.mirror)
            part["colour"] = (*finish.colour_rgb, 255 * finish.paint)
            part["glow"] = (*finish.glow_rgb, finish.glow_bit)
            triangles += [(row, row + i, row + i + 1) for i in range(1, len(corners) - 1)]
            row += len(corners)
        return Model(vertices, np.array(triangles, np.uint32).reshape(-1, 3))


def _circle(axis: F64, sides: int) -> F64:
    """Corners (sides, 3) of a regular polygon of radius 1 square to `axis`."""
    axis = axis / np.linalg.norm(axis)
    reference = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    across = np.cross(axis, reference)
    across /= np.linalg.norm(across)
    up = np.cross(across, axis)
    turn = 2.0 * np.pi * (np.arange(sides) + 0.5) / sides
    corners: F64 = np.sin(turn)[:, None] * across + np.cos(turn)[:, None] * up
    return corners


def _normal(corners: F64) -> F64:
    spokes = corners[1:] - corners[0]
    normal: F64 = np.cross(spokes[:-1], spokes[1:]).sum(axis=0)
    unit: F64 = normal / max(float(np.linalg.norm(normal)), 1e-12)
    return unit
