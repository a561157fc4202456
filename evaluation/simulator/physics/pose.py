"""Poses with CARLA's rotations: degrees, left-handed, yaw clockwise seen from above.

A rotation matrix takes components in the body's axes (x forward, y right, z up) to the world's:
`world_from_body = rotation_matrix(rotation)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evaluation.simulator.physics import exact
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D

Floats = npt.NDArray[np.float64]


def rotation_matrices(rotation_deg: npt.ArrayLike) -> Floats:
    """Return (n, 3, 3) world-from-body matrices of (n, 3) pitch, yaw, roll in degrees."""
    angles = np.radians(np.asarray(rotation_deg, dtype=np.float64))
    sines, cosines = exact.sin_cos(angles.T.ravel())
    sin_pitch, sin_yaw, sin_roll = sines.reshape(3, -1)
    cos_pitch, cos_yaw, cos_roll = cosines.reshape(3, -1)
    matrices = np.empty((len(angles), 3, 3))
    matrices[:, 0, 0] = cos_pitch * cos_yaw
    matrices[:, 1, 0] = cos_pitch * sin_yaw
    matrices[:, 2, 0] = sin_pitch
    matrices[:, 0, 1] = cos_yaw * sin_pitch * sin_roll - sin_yaw * cos_roll
    matrices[:, 1, 1] = sin_yaw * sin_pitch * sin_roll + cos_yaw * cos_roll
    matrices[:, 2, 1] = -cos_pitch * sin_roll
    matrices[:, 0, 2] = -cos_yaw * sin_pitch * cos_roll - sin_yaw * sin_roll
    matrices[:, 1, 2] = -sin_yaw * sin_pitch * cos_roll + cos_yaw * sin_roll
    matrices[:, 2, 2] = cos_pitch * cos_roll
    return matrices


def rotation_matrix(rotation_deg: Sequence[float]) -> Floats:
    """Return the (3, 3) world-from-body matrix of one pitch, yaw, roll in degrees."""
    matrix: Floats = rotation_matrices([rotation_deg])[0]
    return matrix


def rotation_angles(matrices: Floats) -> Floats:
    """Return (n, 3) pitch, yaw, roll in degrees of (n, 3, 3) world-from-body matrices."""
    pitch = exact.arcsin(np.clip(matrices[:, 2, 0], -1.0, 1.0))
    yaw = exact.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    roll = exact.arctan2(-matrices[:, 2, 1], matrices[:, 2, 2])
    angles: Floats = np.degrees(np.stack([pitch, yaw, roll], axis=1))
    return angles


def canonical_rotation(rotation: Rotation) -> Rotation:
    """The same rotation with pitch within 90 degrees, yaw and roll from -180 to below 180.

    LibCarla's waypoints say 360 degrees for a level road. Unreal keeps quaternions, so that CARLA
    gives back what this returns; what follows the ground is led by the short way.
    """
    pitch, yaw, roll = rotation
    pitch = _half_turn(pitch)
    if abs(pitch) > 90.0:
        pitch, yaw, roll = _half_turn(180.0 - pitch), yaw + 180.0, roll + 180.0
    return Rotation(pitch, _half_turn(yaw), _half_turn(roll))


def _half_turn(angle_deg: float) -> float:
    # An angle within the range stays as it is, bit by bit.
    if -180.0 <= angle_deg < 180.0:
        return angle_deg
    return (angle_deg + 180.0) % 360.0 - 180.0


def compose(
    parent_location: Floats, parent_rotation_deg: Floats, location: Floats, rotation_deg: Floats
) -> tuple[Floats, Floats]:
    """Return world locations and rotations (n, 3 each) of poses given relative to parents."""
    parent_matrices = rotation_matrices(parent_rotation_deg)
    world = parent_location + exact.transform_each(parent_matrices, location)
    matrices = exact.multiply_each(parent_matrices, rotation_matrices(rotation_deg))
    return world, rotation_angles(matrices)


def place_all(parent: Transform, relatives: Sequence[Transform]) -> list[Transform]:
    """Return the world poses of things at `relatives` in the axes of `parent`."""
    locations, rotations = compose(
        np.array([parent.location]),
        np.array([parent.rotation]),
        np.array([relative.location for relative in relatives]),
        np.array([relative.rotation for relative in relatives]),
    )
    return [
        Transform(Vector3D(*location), Rotation(*rotation))
        for location, rotation in zip(locations.tolist(), rotations.tolist(), strict=True)
    ]


def place(parent: Transform, relative: Transform) -> Transform:
    """Return the world pose of something at `relative` in the axes of `parent`."""
    return place_all(parent, [relative])[0]


def relative_to(parent: Transform, world: Transform) -> Transform:
    """Return a world pose in the axes of `parent`: what `place` takes back to the world."""
    body_from_world = rotation_matrix(parent.rotation).T
    offset = np.subtract(world.location, parent.location)
    location = (body_from_world * offset).sum(axis=1)
    turn = body_from_world @ rotation_matrix(world.rotation)
    angles = rotation_angles(turn[None])[0]
    return Transform(Vector3D(*location.tolist()), Rotation(*angles.tolist()))
