"""Road, grass, kerbs and markings as vertices that carry their material's look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.chunks import Chunks, TriangleSoup, cut
from evaluation.simulator.render.packing import pack_normals
from evaluation.simulator.render.palette import LOOKS
from evaluation.simulator.town.scenery import Mesh
from evaluation.simulator.town.shown import TERRAIN, Shown

F32 = NDArray[np.float32]
U32 = NDArray[np.uint32]

SURFACE_VERTEX_DTYPE = np.dtype(
    [
        ("position", np.float32, 3),
        ("normal", np.uint8, 4),
        ("colour", np.uint8, 4),
        ("traits", np.uint8, 4),
    ]
)
SURFACE_FORMAT = "3f4 4f1 4f1 4f1"
SURFACE_ATTRIBUTES = ("in_position", "in_normal", "in_colour", "in_traits")
"""The fourth component of `in_colour` is the semantic tag."""

_SHARED_NORMAL_COSINE = 0.8
"""Faces that bend more than this against their vertices' mean normal get vertices of their own."""
_LAYERS_PER_UNIT = 16.0
_SLIVER_M = 0.1


def shown_meshes(meshes: Sequence[Mesh], shown: Shown | None) -> Sequence[Mesh]:
    """The meshes that are there."""
    if shown is None or shown.terrain:
        return meshes
    return [mesh for mesh in meshes if mesh.material not in TERRAIN]


def surface_chunks(meshes: Sequence[Mesh]) -> Chunks:
    """Colour, shade and cut the meshes of a town.

    Of coplanar surfaces the upper comes first: what it hides costs no shading then.
    """
    top_first = sorted(meshes, key=lambda mesh: -LOOKS[mesh.material].layer)
    return cut([soup for mesh in top_first for soup in _soups(mesh)], SURFACE_VERTEX_DTYPE)


def _soups(mesh: Mesh) -> list[TriangleSoup]:
    """The mesh's triangles, and apart from them its slivers, which need not be drawn far away."""
    look = LOOKS[mesh.material]
    positions, triangles, normals = shade(mesh.vertices, mesh.triangles)
    vertices = np.zeros(len(positions), SURFACE_VERTEX_DTYPE)
    vertices["position"] = positions
    vertices["normal"][:, :3] = pack_normals(normals)
    vertices["colour"][:, :3] = look.colour_rgb
    vertices["colour"][:, 3] = mesh.material.semantic_tag
    traits = np.array([look.grain, look.blades, look.wet, look.layer / _LAYERS_PER_UNIT])
    vertices["traits"] = np.rint(traits * 255.0)
    thin = _heights_m(positions, triangles) < _SLIVER_M
    return [
        TriangleSoup(vertices, triangles[~thin], look.feature_m, look.plain),
        TriangleSoup(vertices, triangles[thin], min(look.feature_m, _SLIVER_M), plain=True),
    ]


def _heights_m(positions: F32, triangles: U32) -> F32:
    """Smallest height (m,) of each triangle."""
    a, b, c = (positions[triangles[:, i]] for i in range(3))
    twice_area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    longest = np.max([np.linalg.norm(u - v, axis=1) for u, v in ((a, b), (b, c), (c, a))], axis=0)
    heights: F32 = twice_area / np.maximum(longest, 1e-9)
    return heights


def shade(positions: F32, triangles: U32) -> tuple[F32, U32, F32]:
    """Give every vertex a unit normal that does not point down; split vertices at sharp bends.

    Takes and returns positions (n, 3) and triangles (m, 3), and returns normals (n, 3).
    """
    if len(triangles) == 0:
        return positions, triangles, np.zeros_like(positions)
    corners = positions[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    faces = np.where(faces[:, 2:] < 0.0, -faces, faces)
    sums = np.zeros((len(positions), 3), np.float64)
    np.add.at(sums, triangles.ravel(), np.repeat(faces, 3, axis=0))
    normals, unit_faces = _unit(sums), _unit(faces)
    bends = np.einsum("mkc,mc->mk", normals[triangles], unit_faces)
    if bends.min() >= _SHARED_NORMAL_COSINE:
        return positions, triangles, normals
    split = np.arange(triangles.size, dtype=np.uint32).reshape(-1, 3)
    return corners.reshape(-1, 3), split, np.repeat(unit_faces, 3, axis=0)


def _unit(vectors: NDArray[np.floating]) -> F32:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    units: F32 = (vectors / lengths).astype(np.float32)
    return units
