"""Which of many oriented boxes a point lies in, for trigger volumes of lights and signs."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sin

import numpy as np

from evaluation.simulator.physics.cells import CellGrid, Floats, Ints
from evaluation.simulator.wire.codec import BoundingBox, Transform

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
        reach = np.abs(self._axis) * self.half_extent_m[:, :1]
        reach += np.abs(self._axis[:, ::-1]) * self.half_extent_m[:, 1:2]
        self._grid = CellGrid(self.centre_m[:, :2] - reach, self.centre_m[:, :2] + reach)

    def candidates(self, points_world_m: Floats) -> tuple[Ints, Ints]:
        """Return all (point, box) pairs, as two index arrays, where points (n, 3) lie in boxes."""
        points, boxes = self._grid.near(points_world_m[:, :2])
        if not len(points):
            return points, boxes
        offset = points_world_m[points] - self.centre_m[boxes]
        axis, half = self._axis[boxes], self.half_extent_m[boxes]
        along = offset[:, 0] * axis[:, 0] + offset[:, 1] * axis[:, 1]
        across = offset[:, 1] * axis[:, 0] - offset[:, 0] * axis[:, 1]
        inside = (np.abs(along) <= half[:, 0]) & (np.abs(across) <= half[:, 1])
        inside &= np.abs(offset[:, 2]) <= half[:, 2] + HEIGHT_MARGIN_M
        return points[inside], boxes[inside]
