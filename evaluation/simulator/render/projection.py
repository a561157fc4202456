"""Camera matrices and what a camera can see.

Axes of a camera as CARLA has them: x forward, y right, z up. Clip space puts the picture's top row at
the bottom (y = -1), so that the first row that OpenGL reads back is the top one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.frame import CameraView

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

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
    the sides of the view pyramid.
    """

    position_world_m: F64
    axes: F64
    tan_half: F64
    planes: F64

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
        return cls(pose[:3, 3], axes, np.array([tan_x, tan_y]), sides @ axes)

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

    def sees_spheres(self, centre_m: F64 | F32, radius_m: F64 | F32, reach_m: F32 | float) -> Bools:
        """Which of the spheres (n, 3), (n,) touch the view pyramid nearer than reach_m."""
        relative = centre_m - self.position_world_m
        inside = np.asarray(relative @ self.planes.T) > -radius_m[:, None]
        forward = relative @ self.axes[0]
        near = np.asarray((forward > -radius_m) & (forward < reach_m + radius_m))
        return np.asarray(near & inside.all(axis=1))

    def sees_boxes(self, lower_m: F64 | F32, upper_m: F64 | F32, reach_m: F32 | float) -> Bools:
        """Which of the axis-aligned boxes (n, 3) touch the view pyramid nearer than reach_m."""
        centre = 0.5 * (lower_m + upper_m) - self.position_world_m
        half = 0.5 * (upper_m - lower_m)
        inside = centre @ self.planes.T > -(half @ np.abs(self.planes.T))
        forward, extent = centre @ self.axes[0], half @ np.abs(self.axes[0])
        near = (forward > -extent) & (forward - extent < reach_m)
        return np.asarray(near & inside.all(axis=1))
