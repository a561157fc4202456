"""Static triangles, cut into square cells so that each camera draws only those it can see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]

CellKey = tuple[bool, float, int, int]
"""Plain or not, feature size, column and line."""

CELL_M = 32.0


@dataclass(frozen=True)
class TriangleSoup:
    """Triangles before cutting: `triangles` (m, 3) of `vertices` (n,), a structured array with a
    field `position` (3,) in world m; `feature_m` is the size of their smallest pieces, and `plain`
    says that they are too thin to show a texture."""

    vertices: NDArray[np.void]
    triangles: U32
    feature_m: float
    plain: bool = False


@dataclass(frozen=True)
class Chunks:
    """Cut triangles: one vertex array, one index array, and k cells as ranges of indices.

    first_index, index_count (k,); centre_m, half_m (k, 3) of the world box; feature_m, plain (k,).
    """

    vertices: NDArray[np.void]
    indices: U32
    first_index: U32
    index_count: U32
    centre_m: F32
    half_m: F32
    feature_m: F32
    plain: NDArray[np.bool_]


def cut(soups: Sequence[TriangleSoup], dtype: np.dtype[np.void]) -> Chunks:
    """Cut by the cell of each triangle's centre.

    Soups of one kind share their cells, earlier soups first: put what hides others first.
    """
    parts = [part for soup in soups for part in _cells_of(soup)]
    groups: dict[CellKey, list[tuple[NDArray[np.void], U32]]] = {
        key: [] for key in sorted({part[0] for part in parts})
    }
    for key, vertices, triangles in parts:
        groups[key].append((vertices, triangles))
    count = len(groups)
    first, number = np.zeros(count, np.uint32), np.zeros(count, np.uint32)
    lower, upper = np.zeros((count, 3), np.float32), np.zeros((count, 3), np.float32)
    all_vertices: list[NDArray[np.void]] = [np.zeros(0, dtype)]
    all_indices: list[U32] = [np.zeros(0, np.uint32)]
    vertex_base = index_base = 0
    for row, members in enumerate(groups.values()):
        first[row] = index_base
        positions = np.concatenate([vertices["position"] for vertices, _ in members])
        lower[row], upper[row] = positions.min(axis=0), positions.max(axis=0)
        for vertices, triangles in members:
            all_vertices.append(vertices)
            all_indices.append((triangles + vertex_base).astype(np.uint32).ravel())
            vertex_base += len(vertices)
            index_base += triangles.size
        number[row] = index_base - first[row]
    return Chunks(
        vertices=np.concatenate(all_vertices),
        indices=np.concatenate(all_indices),
        first_index=first,
        index_count=number,
        centre_m=0.5 * (lower + upper),
        half_m=0.5 * (upper - lower),
        feature_m=np.array([key[1] for key in groups], np.float32),
        plain=np.array([key[0] for key in groups], np.bool_),
    )


def _cells_of(
    soup: TriangleSoup,
) -> list[tuple[CellKey, NDArray[np.void], U32]]:
    if len(soup.triangles) == 0:
        return []
    centres = soup.vertices["position"][soup.triangles].mean(axis=1)
    cells = np.floor(centres[:, :2] / CELL_M).astype(np.int64)
    unique, owner = np.unique(cells, axis=0, return_inverse=True)
    order = np.argsort(owner.ravel(), kind="stable")
    borders = np.searchsorted(owner.ravel()[order], np.arange(len(unique) + 1))
    result = []
    for row, (column, line) in enumerate(unique):
        members = soup.triangles[order[borders[row] : borders[row + 1]]]
        used, local = np.unique(members, return_inverse=True)
        key = (soup.plain, soup.feature_m, int(column), int(line))
        triangles = local.reshape(-1, 3).astype(np.uint32)
        result.append((key, soup.vertices[used], triangles))
    return result
