"""Height of the ground: nearest surface sample, extended along its slope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

F64 = NDArray[np.float64]


class Ground:
    """Surface samples of roads and sidewalks with their slope.

    Args:
        points_world_m: (n, 3) samples.
        slopes: (n, 2) rise per metre along world x and y at each sample.
    """

    def __init__(self, points_world_m: F64, slopes: F64) -> None:
        self._points = np.ascontiguousarray(points_world_m, dtype=np.float64)
        self._slopes = np.ascontiguousarray(slopes, dtype=np.float64)
        self._tree = cKDTree(self._points) if len(self._points) else None

    def height_m(self, xy_world_m: F64, near_z_m: F64) -> F64:
        """Surface height (n,) at (n, 2) positions: of several surfaces the one nearest to z."""
        xy = np.asarray(xy_world_m, dtype=np.float64).reshape(-1, 2)
        near_z = np.asarray(near_z_m, dtype=np.float64).reshape(-1)
        if self._tree is None:
            return np.zeros(len(xy))
        _, index = self._tree.query(np.column_stack([xy, near_z]))
        offset = xy - self._points[index, :2]
        return np.asarray(
            self._points[index, 2] + np.einsum("ij,ij->i", self._slopes[index], offset)
        )
