"""Collects quads, polygons and upright faces of one material into a compact indexed mesh."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from numpy.typing import NDArray

from evaluation.simulator.town.scenery import Material, Mesh

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


class MeshBuilder:
    """Grows the meshes of all materials; `build` returns those that have triangles."""

    def __init__(self) -> None:
        self._vertices: dict[Material, list[F64]] = {}
        self._triangles: dict[Material, list[I64]] = {}
        self._count: dict[Material, int] = {}

    def add(self, material: Material, vertices: F64, triangles: I64) -> None:
        """Add vertices (n, 3) with triangles (m, 3) into them."""
        offset = self._count.get(material, 0)
        self._vertices.setdefault(material, []).append(vertices)
        self._triangles.setdefault(material, []).append(triangles + offset)
        self._count[material] = offset + len(vertices)

    def add_ribbon(self, material: Material, left: F64, right: F64) -> None:
        """A band between two lines (n, 3) of equally many points, seen from above."""
        count = len(left)
        vertices = np.empty((2 * count, 3))
        vertices[0::2], vertices[1::2] = left, right
        first = 2 * np.arange(count - 1)
        triangles = np.concatenate(
            [
                np.column_stack([first, first + 1, first + 2]),
                np.column_stack([first + 1, first + 3, first + 2]),
            ]
        )
        self.add(material, vertices, _facing_up(vertices, triangles))

    def add_face(self, material: Material, line: F64, drop_m: float) -> None:
        """An upright face that hangs `drop_m` down from a line (n, 3)."""
        lower = line - np.array([0.0, 0.0, drop_m])
        count = len(line)
        vertices = np.empty((2 * count, 3))
        vertices[0::2], vertices[1::2] = line, lower
        first = 2 * np.arange(count - 1)
        triangles = np.concatenate(
            [
                np.column_stack([first, first + 1, first + 2]),
                np.column_stack([first + 1, first + 3, first + 2]),
            ]
        )
        self.add(material, vertices, triangles)

    def add_quads(self, material: Material, corners: F64) -> None:
        """Separate level quads (n, 4, 3), corners in order around each."""
        if len(corners) == 0:
            return
        vertices = corners.reshape(-1, 3)
        first = 4 * np.arange(len(corners))
        triangles = np.concatenate(
            [
                np.column_stack([first, first + 1, first + 2]),
                np.column_stack([first, first + 2, first + 3]),
            ]
        )
        self.add(material, vertices, _facing_up(vertices, triangles))

    def add_polygon(
        self, material: Material, area: shapely.Geometry, height_m: Callable[[F64], F64] | float
    ) -> None:
        """A flat shape (any polygons), each corner lifted to `height_m`, or `height_m(xy)`."""
        for part in polygons_of(area):
            faces = shapely.get_parts(shapely.constrained_delaunay_triangles(part))
            if len(faces) == 0:
                continue
            rings = shapely.get_coordinates(faces).reshape(len(faces), 4, 2)[:, :3].reshape(-1, 2)
            corners, index = np.unique(rings, axis=0, return_inverse=True)
            z = height_m(corners) if callable(height_m) else np.full(len(corners), height_m)
            vertices = np.column_stack([corners, z])
            triangles = index.reshape(-1, 3).astype(np.int64)
            self.add(material, vertices, _facing_up(vertices, triangles))

    def build(self) -> tuple[Mesh, ...]:
        return tuple(
            Mesh(
                material,
                np.concatenate(self._vertices[material]).astype(np.float32),
                np.concatenate(self._triangles[material]).astype(np.uint32),
            )
            for material in sorted(self._vertices)
        )


def polygons_of(area: shapely.Geometry) -> list[shapely.Polygon]:
    """The polygons in any geometry, slivers left out."""
    return [
        part
        for part in shapely.get_parts(area, return_index=False)
        if part.geom_type == "Polygon" and part.area > 0.01
    ]


def _facing_up(vertices: F64, triangles: I64) -> I64:
    """The same triangles, each wound so that its cross product points up."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    up = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    turned = triangles.copy()
    turned[up < 0.0] = triangles[up < 0.0][:, ::-1]
    return turned
