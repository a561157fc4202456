"""Buildings: boxes whose windows the shader draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.chunks import Chunks, TriangleSoup, cut
from evaluation.simulator.render.packing import pack_normals
from evaluation.simulator.render.palette import FACADES_RGB
from evaluation.simulator.town.scenery import Buildings
from evaluation.simulator.town.shown import Shown

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U32 = NDArray[np.uint32]

FACADE_VERTEX_DTYPE = np.dtype(
    [
        ("position", np.float32, 3),
        ("cell", np.float32, 2),
        ("normal", np.uint8, 4),
        ("colour", np.uint8, 4),
        ("object", np.uint32),
    ]
)
FACADE_FORMAT = "3f4 2f4 4f1 4f1 1u4"
FACADE_ATTRIBUTES = ("in_position", "in_cell", "in_normal", "in_colour", "in_object")

STOREY_M = 3.3
_TOWER_FROM_M = 9.0
"""Buildings higher than this carry a smaller box on the roof."""

_VERTICES_PER_BOX = 20
# Faces of the unit box: normal, and the direction along which its windows count.
_SIDES = np.array(
    [
        [[1, 0, 0], [0, 1, 0]],
        [[-1, 0, 0], [0, -1, 0]],
        [[0, 1, 0], [-1, 0, 0]],
        [[0, -1, 0], [1, 0, 0]],
    ],
    np.float64,
)


def facade_chunks(buildings: Buildings, shown: Shown | None = None) -> Chunks:
    """Walls, roofs and roof boxes of the buildings that are `shown`, cut into cells."""
    return cut(facade_soups(buildings, shown), FACADE_VERTEX_DTYPE)


def facade_soups(buildings: Buildings, shown: Shown | None = None) -> list[TriangleSoup]:
    """Walls, roofs and roof boxes of the buildings that are `shown`, None: of all of them;
    `object` counts all buildings from one."""
    number = np.arange(1, len(buildings.centre) + 1, dtype=np.uint32)
    centre = buildings.centre.astype(np.float64)
    half = buildings.half_extent.astype(np.float64)
    yaw, seed = buildings.yaw_rad.astype(np.float64), buildings.seed.astype(np.uint32)
    tall = 2.0 * half[:, 2] > _TOWER_FROM_M
    top_half = half * np.array([0.45, 0.4, 0.0]) + np.array([0.0, 0.0, 1.1])
    top_centre = centre + (half + top_half) * np.array([0.0, 0.0, 1.0])
    walls = _boxes(centre, half, yaw, seed, windows=True)
    roofs = _boxes(top_centre[tall], top_half[tall], yaw[tall], seed[tall], windows=False)
    walls.vertices["object"] = np.repeat(number, _VERTICES_PER_BOX)
    roofs.vertices["object"] = np.repeat(number[tall], _VERTICES_PER_BOX)
    return [_only(walls, shown), _only(roofs, shown)]


def _only(soup: TriangleSoup, shown: Shown | None) -> TriangleSoup:
    """The triangles of the buildings that are shown."""
    if shown is None:
        return soup
    building = soup.vertices["object"][soup.triangles[:, 0]] - 1
    return replace(soup, triangles=soup.triangles[shown.buildings[building]])


def _boxes(centre: F64, half: F64, yaw: F64, seed: U32, *, windows: bool) -> TriangleSoup:
    """Five faces a box; `windows` says whether the walls have any."""
    count = len(centre)
    vertices = np.zeros((count, 5, 4), FACADE_VERTEX_DTYPE)
    cos, sin = np.cos(yaw), np.sin(yaw)
    zero = np.zeros(count)
    turn = np.array([[cos, -sin, zero], [sin, cos, zero], [zero, zero, zero + 1]])
    turn = np.moveaxis(turn, -1, 0)
    for side, (normal, along) in enumerate(_SIDES):
        width = 2.0 * half @ np.abs(along)
        columns = np.maximum(np.rint(width / (2.7 + 0.9 * _share(seed, 3))), 1.0)
        storeys = np.maximum(np.rint(2.0 * half[:, 2] / STOREY_M), 1.0)
        for corner, (u, v) in enumerate([(-1, -1), (1, -1), (1, 1), (-1, 1)]):
            local = half * (normal + u * along + v * np.array([0.0, 0.0, 1.0]))
            vertices["position"][:, side, corner] = centre + np.einsum("nij,nj->ni", turn, local)
            vertices["cell"][:, side, corner, 0] = columns * (u + 1) / 2
            vertices["cell"][:, side, corner, 1] = storeys * (v + 1) / 2
        vertices["normal"][:, side, :, :3] = pack_normals(turn @ normal)[:, None]
        vertices["normal"][:, side, :, 3] = 255 if windows else 0
    for corner, (u, v) in enumerate([(-1, -1), (1, -1), (1, 1), (-1, 1)]):
        local = half * np.array([u, v, 1.0])
        vertices["position"][:, 4, corner] = centre + np.einsum("nij,nj->ni", turn, local)
    vertices["normal"][:, 4, :, :3] = pack_normals(np.array([0.0, 0.0, 1.0]))
    colour = np.array(FACADES_RGB)[(seed // 7) % len(FACADES_RGB)]
    tone = 0.86 + 0.24 * _share(seed, 11)
    vertices["colour"][..., :3] = np.clip(colour * tone[:, None], 0, 255)[:, None, None]
    vertices["colour"][:, 4, :, :3] = np.clip(96 * tone, 0, 255)[:, None, None]
    vertices["colour"][..., 3] = (seed % 251)[:, None, None]
    quad = np.array([0, 1, 2, 0, 2, 3])
    triangles = (np.arange(count * 5)[:, None] * 4 + quad).reshape(-1, 3).astype(np.uint32)
    return TriangleSoup(vertices.reshape(-1), triangles, STOREY_M)


def _share(seed: U32, salt: int) -> F64:
    """A number in [0, 1) for each seed."""
    mixed = (seed.astype(np.uint64) + salt) * 2654435761 % 2**32
    return mixed / 2.0**32
