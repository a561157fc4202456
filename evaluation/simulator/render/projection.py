"""Camera matrices and what a camera can see.

Axes of a camera as CARLA has them: x forward, y right, z up. Clip space puts the image's top
row at the bottom (y = -1), so that the first row that OpenGL reads back is the top one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.frame import CameraView

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

SMALLEST_PX = 0.3
"""Pieces that are smaller than this on the image are left out."""
NEAR_M = 0.1
FAR_M = 360.0


def rotation_matrices(rotation_rad: F64) -> F64:
    """World-from-body rotations (n, 3, 3) of (n, 3) roll, pitch, yaw, with CARLA's signs."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rotation_rad).T, np.sin(rotation_rad).T
    rows = [
        [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr],
        [cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr],
        [sp, -cp * sr, cp * cr],
    ]
    return np.moveaxis(np.array(rows, np.float64).reshape(3, 3, -1), -1, 0)


def pose_matrix(position_m: F64, rotation_rad: F64) -> F64:
    """A 4x4 transform from a position (3,) and roll, pitch, yaw (3,)."""
    pose = np.eye(4)
    pose[:3, :3] = rotation_matrices(np.asarray(rotation_rad, np.float64)[None])[0]
    pose[:3, 3] = position_m
    return pose


@dataclass(frozen=True)
class Viewpoint:
    """One camera as the passes use it.

    position_world_m (3,); axes (3, 3) with rows forward, right, up in world axes;
    tan_half (2,) of the horizontal and vertical field of view; planes (4, 3) inward unit normals of
    the sides of the view pyramid; focal_px the focal length.
    """

    position_world_m: F64
    axes: F64
    tan_half: F64
    planes: F64
    focal_px: float

    @classmethod
    def of(cls, view: CameraView) -> Viewpoint:
        """Take a camera apart."""
        pose = np.asarray(view.world_from_camera, np.float64)
        tan_x = np.tan(np.radians(view.fov_deg) / 2.0)
        tan_y = tan_x * view.height_px / view.width_px
        sides = np.array(
            [[tan_x, 1.0, 0.0], [tan_x, -1.0, 0.0], [tan_y, 0.0, 1.0], [tan_y, 0.0, -1.0]]
        )
        sides /= np.linalg.norm(sides, axis=1, keepdims=True)
        axes = pose[:3, :3].T
        focal_px = view.width_px / (2.0 * tan_x)
        return cls(pose[:3, 3], axes, np.array([tan_x, tan_y]), sides @ axes, float(focal_px))

    def clip_from_relative(self) -> F32:
        """Clip-space matrix (4, 4) for points relative to the camera's position, in world axes."""
        forward, right, up = self.axes
        depth = (FAR_M + NEAR_M) / (FAR_M - NEAR_M)
        offset = -2.0 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
        clip = np.zeros((4, 4))
        clip[0, :3] = right / self.tan_half[0]
        clip[1, :3] = -up / self.tan_half[1]
        clip[2, :3] = forward * depth
        clip[2, 3] = offset
        clip[3, :3] = forward
        return clip.astype(np.float32)


class Viewpoints:
    """All k cameras of a call, so that one product tests every object against all of them."""

    def __init__(self, views: Sequence[Viewpoint]) -> None:
        self.views = tuple(views)
        normals = np.stack([np.vstack([view.axes[:1], view.planes]) for view in views])
        offsets = -np.einsum("kpc,kc->kp", normals, [view.position_world_m for view in views])
        # Five planes through each camera, the one square to its axis first.
        self._normals = normals.reshape(-1, 3).astype(np.float32)
        self._offsets = offsets.reshape(-1, 1).astype(np.float32)
        self._sizes = np.abs(self._normals)
        reach_factors = [view.focal_px / SMALLEST_PX for view in views]
        self._reach_factors = np.array(reach_factors, np.float32)[:, None]

    def see_spheres(self, centre_m: F32, radius_m: F32, feature_m: F32) -> tuple[Bools, F32]:
        """Which camera sees which sphere: (k, n), and how far ahead of it the centres are (k, n).

        A sphere (n, 3), (n,) is seen where it touches the view pyramid and a piece of size
        `feature_m` (n,) would not be smaller there than SMALLEST_PX.
        """
        margin = np.broadcast_to(radius_m, (len(self._normals), len(radius_m)))
        return self._see(centre_m, margin, feature_m)

    def see_boxes(self, centre_m: F32, half_m: F32, feature_m: F32) -> tuple[Bools, F32]:
        """The same for axis-aligned boxes (n, 3), (n, 3)."""
        return self._see(centre_m, self._sizes @ half_m.T, feature_m)

    def _see(self, centre_m: F32, margin: F32, feature_m: F32) -> tuple[Bools, F32]:
        """`margin` (5 k, n) is how far each object reaches beyond its centre towards a plane."""
        height = self._normals @ centre_m.T + self._offsets
        shape = (len(self.views), 5, len(centre_m))
        seen = (height + margin > 0.0).reshape(shape).all(axis=1)
        ahead = height[::5]
        reach_m = np.minimum(feature_m * self._reach_factors, FAR_M)
        return np.asarray(seen & (ahead - margin[::5] < reach_m)), ahead
