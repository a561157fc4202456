"""Which of many oriented boxes a point lies in, for trigger volumes of lights and signs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.codec import BoundingBox, Transform

Floats = NDArray[np.float64]

CELL_M = 8.0
KEY_STRIDE = 1 << 32
# Trigger volumes are flat on paper; what drives over them may stand a little above or below.
HEIGHT_MARGIN_M = 2.0


class AreaIndex:
    """Oriented boxes in the world, found by the cells of a sparse grid.

    Args:
        transforms: poses of the actors that own the boxes (only their yaw turns a box).
        boxes: one box per actor, in the actor's frame.
    """

    def __init__(self, transforms: Sequence[Transform], boxes: Sequence[BoundingBox]) -> None:
        yaw = [radians(pose.rotation.yaw) for pose in transforms]
        self.centre_m = np.zeros((len(boxes), 3))
        self.half_extent_m = np.zeros((len(boxes), 3))
        self.yaw_rad = np.zeros(len(boxes))
        for index, (pose, box) in enumerate(zip(transforms, boxes, strict=True)):
            origin, offset = pose.location, box.location
            c, s = cos(yaw[index]), sin(yaw[index])
            self.centre_m[index] = (
                origin.x + c * offset.x - s * offset.y,
                origin.y + s * offset.x + c * offset.y,
                origin.z + offset.z,
            )
            self.half_extent_m[index] = box.extent
            self.yaw_rad[index] = yaw[index] + radians(box.rotation.yaw)
        self._axis = np.stack((np.cos(self.yaw_rad), np.sin(self.yaw_rad)), axis=1)
        self._keys, self._members = self._grid()

    def _grid(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return sorted cell keys (k,) and the boxes that reach into each cell, padded with -1."""
        cells: dict[int, list[int]] = defaultdict(list)
        reach = np.abs(self._axis) * self.half_extent_m[:, :1]
        reach += np.abs(self._axis[:, ::-1]) * self.half_extent_m[:, 1:2]
        low = np.floor((self.centre_m[:, :2] - reach) / CELL_M).astype(np.int64)
        high = np.floor((self.centre_m[:, :2] + reach) / CELL_M).astype(np.int64)
        for index in range(len(low)):
            for column in range(low[index, 0], high[index, 0] + 1):
                for line in range(low[index, 1], high[index, 1] + 1):
                    cells[column * KEY_STRIDE + line].append(index)
        keys = np.array(sorted(cells), dtype=np.int64)
        width = max((len(members) for members in cells.values()), default=0)
        members = np.full((len(keys), width), -1, dtype=np.int64)
        for place, key in enumerate(keys.tolist()):
            members[place, : len(cells[key])] = cells[key]
        return keys, members

    def candidates(self, points_world_m: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all (point, box) pairs, as two index arrays, where points (n, 3) lie in boxes."""
        empty = np.zeros(0, dtype=np.int64)
        if not len(self._keys):
            return empty, empty
        cell = np.floor(points_world_m[:, :2] / CELL_M).astype(np.int64)
        key = cell[:, 0] * KEY_STRIDE + cell[:, 1]
        place = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        near = np.flatnonzero(self._keys[place] == key)
        if not len(near):
            return empty, empty
        boxes = self._members[place[near]]
        points = np.repeat(near, boxes.shape[1])
        boxes = boxes.ravel()
        used = boxes >= 0
        points, boxes = points[used], boxes[used]
        offset = points_world_m[points] - self.centre_m[boxes]
        axis, half = self._axis[boxes], self.half_extent_m[boxes]
        along = offset[:, 0] * axis[:, 0] + offset[:, 1] * axis[:, 1]
        across = offset[:, 1] * axis[:, 0] - offset[:, 0] * axis[:, 1]
        inside = (np.abs(along) <= half[:, 0]) & (np.abs(across) <= half[:, 1])
        inside &= np.abs(offset[:, 2]) <= half[:, 2] + HEIGHT_MARGIN_M
        return points[inside], boxes[inside]
