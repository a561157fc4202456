"""The ground: which parts are driven and walked on, and how high it is.

The height is that of the nearest surface sample, extended along its slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

F64 = NDArray[np.float64]

_REACH_M = 5.0


@dataclass(frozen=True)
class Areas:
    """Ground plan, CARLA's x and y: what is driven on and what is walked on."""

    road: shapely.Geometry
    walk: shapely.Geometry

    @property
    def paved(self) -> shapely.Geometry:
        return shapely.union(self.road, self.walk)


class Ground:
    """Surface samples of roads and sidewalks with their slope.

    Args:
        points_world_m: (n, 3) samples, n > 0.
        slopes: (n, 2) rise per metre along world x and y at each sample.
    """

    def __init__(self, points_world_m: F64, slopes: F64) -> None:
        self._points = np.ascontiguousarray(points_world_m, dtype=np.float64)
        self._slopes = np.ascontiguousarray(slopes, dtype=np.float64)
        self._tree = cKDTree(self._points)
        self._plan_tree = cKDTree(self._points[:, :2])

    def parts(self) -> list[F64]:
        """What it was made of."""
        return [self._points, self._slopes]

    def height_m(self, xy_world_m: F64, near_z_m: F64) -> F64:
        """Surface height (n,) at (n, 2) positions: of several surfaces the one nearest to z.

        Beside the roads the height of the nearest one is continued.
        """
        xy = np.asarray(xy_world_m, dtype=np.float64).reshape(-1, 2)
        near_z = np.asarray(near_z_m, dtype=np.float64).reshape(-1)
        _, index = self._tree.query(np.column_stack([xy, near_z]))
        return self._extend(xy, index)

    def plan_height_m(self, xy_world_m: F64) -> F64:
        """Height (n,) of the surface nearest in the ground plan, whatever its level."""
        xy = np.asarray(xy_world_m, dtype=np.float64).reshape(-1, 2)
        _, index = self._plan_tree.query(xy)
        return self._extend(xy, index)

    def _extend(self, xy: F64, index: NDArray[np.intp]) -> F64:
        offset = xy - self._points[index, :2]
        distance = np.maximum(np.linalg.norm(offset, axis=1), 1e-9)
        offset *= np.minimum(1.0, _REACH_M / distance)[:, None]
        slope = self._slopes[index]
        # Written out: the last bits of a product of arrays depend on the processor.
        rise = slope[:, 0] * offset[:, 0] + slope[:, 1] * offset[:, 1]
        return np.asarray(self._points[index, 2] + rise)
