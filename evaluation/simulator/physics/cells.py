"""A sparse grid that finds which of many fixed areas may hold a point."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELL_M = 8.0
KEY_STRIDE = 1 << 32

_NONE = np.zeros(0, dtype=np.int64)


class CellGrid:
    """Axis-aligned areas sorted into square cells; asking costs the same for any number of them.

    Args:
        low_m: (n, 2) smallest x and y of each area.
        high_m: (n, 2) largest x and y.
    """

    def __init__(self, low_m: Floats, high_m: Floats) -> None:
        cells: dict[int, list[int]] = defaultdict(list)
        first = np.floor(low_m / CELL_M).astype(np.int64).tolist()
        last = np.floor(high_m / CELL_M).astype(np.int64).tolist()
        for index, ((x0, y0), (x1, y1)) in enumerate(zip(first, last, strict=True)):
            for column in range(x0, x1 + 1):
                for line in range(y0, y1 + 1):
                    cells[column * KEY_STRIDE + line].append(index)
        self._keys = np.array(sorted(cells), dtype=np.int64)
        width = max((len(members) for members in cells.values()), default=0)
        self._members = np.full((len(cells), width), -1, dtype=np.int64)
        for place, key in enumerate(self._keys.tolist()):
            self._members[place, : len(cells[key])] = cells[key]

    def near(self, points_m: Floats) -> tuple[Ints, Ints]:
        """Return (point, area) index pairs of areas whose cells hold the points (m, 2)."""
        if not len(self._keys) or not len(points_m):
            return _NONE, _NONE
        cell = np.floor(points_m / CELL_M).astype(np.int64)
        key = cell[:, 0] * KEY_STRIDE + cell[:, 1]
        place = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        points = np.flatnonzero(self._keys[place] == key)
        if not len(points):
            return _NONE, _NONE
        areas = self._members[place[points]]
        taken, slot = np.nonzero(areas >= 0)
        return points[taken], areas[taken, slot]
