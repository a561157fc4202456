"""Where points of the world lie in a camera's image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEAREST_DEPTH_M = 0.1


def project(
    points_ego_m: NDArray[np.floating],
    intrinsics: NDArray[np.floating],
    ego_from_camera: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Pixels (n, 2), column and row, of points (n, 2) on the ground or (n, 3) in the ego frame.

    Pinhole (3, 3) without distortion and the camera's pose (4, 4) as in
    :class:`model.config.CameraConfig`: it looks along its x axis, columns grow along y and rows
    against z. NaN for points that are not in front of the camera.
    """
    points = np.asarray(points_ego_m, dtype=np.float64)
    if points.shape[-1] == 2:
        points = np.concatenate((points, np.zeros((len(points), 1))), axis=1)
    pose, matrix = ego_from_camera.astype(np.float64), intrinsics.astype(np.float64)
    in_camera = (points - pose[:3, 3]) @ pose[:3, :3]
    depth_m = np.where(in_camera[:, 0] > NEAREST_DEPTH_M, in_camera[:, 0], np.nan)
    column = matrix[0, 2] + matrix[0, 0] * in_camera[:, 1] / depth_m
    row = matrix[1, 2] - matrix[1, 1] * in_camera[:, 2] / depth_m
    return np.stack([column, row], axis=1)
