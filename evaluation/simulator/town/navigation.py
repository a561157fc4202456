"""Where people walk: pavements and crosswalks as the navigation mesh that CARLA's client reads.

The client steers its walkers with Detour (the library of Recast Navigation); what it loads is a
set of Detour's tiles in a file of CARLA's own. Here it is one tile of triangles. Detour's axes are
x and y of CARLA's ground plan as x and z, and the height as y.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum, IntFlag

import numpy as np
import shapely
from numpy.typing import NDArray

from evaluation.simulator.town.ground import Areas, Ground
from evaluation.simulator.town.meshing import polygons_of

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

AGENT_HEIGHT_M = 1.8
AGENT_RADIUS_M = 0.3
AGENT_CLIMB_M = 0.5
_OVERLAP_M = 1.5
"""How far crosswalks are drawn out to meet the pavements beside them."""
_SIMPLER_M = 0.1
_MAX_TRIANGLES = 1 << 16
"""Detour numbers the corners of a tile with 16 bits."""


class _Area(IntEnum):
    """CARLA's kinds of ground in a navigation mesh."""

    SIDEWALK = 1
    CROSSWALK = 2


class _Flag(IntFlag):
    """CARLA's bits by which the client's filters choose the ground of a walker."""

    SIDEWALK = 0x02
    CROSSWALK = 0x04


# The file: CARLA's header with Detour's dtNavMeshParams, a tile header, and the tile.
_SET_HEADER = struct.Struct("<iii 3f 2f 2i")
_SET_MAGIC, _SET_VERSION = int.from_bytes(b"MSET", "big"), 1
_TILE_HEADER = struct.Struct("<Ii")
# Detour's dtMeshHeader, dtPoly, dtLink, dtPolyDetail and the triangles of the detail mesh.
_MESH_HEADER = struct.Struct("<5i I 9i 3f 6f f")
_MESH_MAGIC, _MESH_VERSION = int.from_bytes(b"DNAV", "big"), 7
_POLY = np.dtype(
    [
        ("first_link", "<u4"),
        ("corner", "<u2", 6),
        ("neighbour", "<u2", 6),
        ("flags", "<u2"),
        ("corner_count", "u1"),
        ("area", "u1"),
    ]
)
_DETAIL = np.dtype(
    [
        ("first_corner", "<u4"),
        ("first_triangle", "<u4"),
        ("corner_count", "u1"),
        ("triangle_count", "u1"),
        ("padding", "<u2"),
    ]
)
_LINK_BYTES = 12
_ALL_EDGES_ARE_OUTER = 0b010101


def navigation_mesh(areas: Areas, crosswalks: Sequence[F64], ground: Ground) -> bytes:
    """Return the mesh of a town, empty for one without pavements.

    Args:
        crosswalks: outlines (n, 3) m of the crosswalks.
    """
    crossing = shapely.union_all(
        [shapely.Polygon(outline[:, :2]).buffer(_OVERLAP_M) for outline in crosswalks]
    )
    walk = areas.walk.buffer(-AGENT_RADIUS_M).simplify(_SIMPLER_M)
    crossing = crossing.intersection(shapely.union(areas.road, areas.walk)).simplify(_SIMPLER_M)
    # Last of all: where the two meet they must have the same border.
    crossing = crossing.difference(walk)
    faces, kinds = _faces(walk, crossing)
    corners, triangles, owner = _triangulate(faces)
    if not len(triangles) or len(triangles) > _MAX_TRIANGLES:
        return b""
    heights = ground.plan_height_m(corners)
    places = np.column_stack([corners[:, 0], heights, corners[:, 1]]).astype("<f4")
    return _file(places, triangles, np.array(kinds)[owner])


def _faces(
    walk: shapely.Geometry, crossing: shapely.Geometry
) -> tuple[list[shapely.Polygon], list[_Area]]:
    """Cut the ground into faces whose common borders have the same corners; and their kinds."""
    lines = shapely.union_all([walk.boundary, crossing.boundary])
    faces = list(shapely.get_parts(shapely.polygonize([*shapely.get_parts(lines)])))
    kept, kinds = [], []
    for face in faces:
        middle = face.representative_point()
        for area, kind in ((walk, _Area.SIDEWALK), (crossing, _Area.CROSSWALK)):
            if area.contains(middle):
                kept += polygons_of(face)
                kinds += [kind] * len(polygons_of(face))
                break
    return kept, kinds


def _triangulate(faces: Sequence[shapely.Polygon]) -> tuple[F64, I64, I64]:
    """Return corners (n, 2), triangles (m, 3) and the face (m,) that each belongs to."""
    parts = [shapely.get_parts(shapely.constrained_delaunay_triangles(face)) for face in faces]
    owner = np.repeat(np.arange(len(faces)), [len(part) for part in parts])
    rings = [np.asarray(piece.exterior.coords)[:3] for part in parts for piece in part]
    plan = np.array(rings, np.float64).reshape(-1, 3, 2)
    first, second = plan[:, 1] - plan[:, 0], plan[:, 2] - plan[:, 0]
    side = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    # Detour's polygons run clockwise in its own axes.
    plan[side > 0.0] = plan[side > 0.0][:, ::-1]
    corners, index = np.unique(plan.reshape(-1, 2), axis=0, return_inverse=True)
    return corners, index.reshape(-1, 3), owner


def _neighbours(triangles: I64) -> I64:
    """Return the triangle (m, 3) behind each edge, counted from one; 0 where there is none."""
    edges = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2).reshape(-1, 2)
    owner = {(int(a), int(b)): row // 3 for row, (a, b) in enumerate(edges)}
    behind = [owner.get((int(b), int(a)), -1) + 1 for a, b in edges]
    return np.array(behind, np.int64).reshape(-1, 3)


def _file(places: NDArray[np.float32], triangles: I64, kinds: I64) -> bytes:
    """Put the file together."""
    count = len(triangles)
    polys = np.zeros(count, _POLY)
    polys["first_link"] = 0xFFFFFFFF
    polys["corner"][:, :3] = triangles
    polys["neighbour"][:, :3] = _neighbours(triangles)
    crosses = kinds == _Area.CROSSWALK
    polys["flags"] = np.where(crosses, _Flag.CROSSWALK, _Flag.SIDEWALK)
    polys["corner_count"] = 3
    polys["area"] = kinds
    details = np.zeros(count, _DETAIL)
    details["first_triangle"] = np.arange(count)
    details["triangle_count"] = 1
    detail_triangles = np.tile(np.array([0, 1, 2, _ALL_EDGES_ARE_OUTER], np.uint8), (count, 1))
    link_count = 3 * count
    low, high = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    head = _MESH_HEADER.pack(
        _MESH_MAGIC, _MESH_VERSION, 0, 0, 0, 0,
        count, len(places), link_count, count, 0, count, 0, 0, count,
        AGENT_HEIGHT_M, AGENT_RADIUS_M, AGENT_CLIMB_M, *low, *high, 1.0,
    )  # fmt: skip
    tile = b"".join(
        (
            head,
            places.tobytes(),
            polys.tobytes(),
            bytes(_LINK_BYTES * link_count),
            details.tobytes(),
            detail_triangles.tobytes(),
        )
    )
    poly_bits = max(int(np.ceil(np.log2(count))), 1)
    width_m, depth_m = high[0] - low[0] + 1.0, high[2] - low[2] + 1.0
    header = _SET_HEADER.pack(
        _SET_MAGIC, _SET_VERSION, 1, *low, width_m, depth_m, 1, 1 << poly_bits
    )
    first_tile = 1 << poly_bits
    return header + _TILE_HEADER.pack(first_tile, len(tile)) + tile
