"""Poses: rotation matrices against the wheel's, and composition."""

from __future__ import annotations

import carla
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.simulator.physics.pose import (
    canonical_rotation,
    place,
    rotation_angles,
    rotation_matrices,
    rotation_matrix,
)
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D

angles = st.floats(-180.0, 180.0)
tilts = st.floats(-89.0, 89.0)
rotations = st.builds(Rotation, tilts, angles, angles)
metres = st.floats(-500.0, 500.0)
poses = st.builds(Transform, st.builds(Vector3D, metres, metres, metres), rotations)


def of_client(pose: Transform) -> carla.Transform:
    return carla.Transform(carla.Location(*pose.location), carla.Rotation(*pose.rotation))


@given(rotations)
def test_matrix_is_the_clients(rotation: Rotation) -> None:
    client = of_client(Transform(Vector3D(), rotation))
    expected = np.array(client.get_matrix())[:3, :3]
    np.testing.assert_allclose(rotation_matrix(rotation), expected, atol=2e-6)


@given(rotations)
def test_angles_undo_matrices(rotation: Rotation) -> None:
    matrices = rotation_matrices([rotation])
    again = rotation_matrices(rotation_angles(matrices))
    np.testing.assert_allclose(again, matrices, atol=1e-9)


@given(poses, poses)
def test_place_is_the_clients_transform(parent: Transform, relative: Transform) -> None:
    placed = place(parent, relative)
    expected = of_client(parent).transform(carla.Location(*relative.location))
    got = carla.Location(*placed.location)
    assert got.distance(expected) < 2e-3


def test_child_turns_with_its_parent() -> None:
    parent = Transform(Vector3D(10.0, 0.0, 0.0), Rotation(0.0, 90.0, 0.0))
    child = Transform(Vector3D(1.0, 2.0, 3.0), Rotation(5.0, -30.0, 0.0))
    placed = place(parent, child)
    assert placed.location == pytest.approx((8.0, 1.0, 3.0))
    assert placed.rotation == pytest.approx((5.0, 60.0, 0.0))


turns = st.floats(-1000.0, 1000.0)


@given(st.builds(Rotation, turns, turns, turns))
def test_the_canonical_rotation_is_the_same_rotation(rotation: Rotation) -> None:
    pitch, yaw, roll = canonical = canonical_rotation(rotation)
    assert -90.0 <= pitch <= 90.0
    assert -180.0 <= yaw < 180.0
    assert -180.0 <= roll < 180.0
    np.testing.assert_allclose(rotation_matrix(canonical), rotation_matrix(rotation), atol=1e-9)
    assert canonical_rotation(canonical) == canonical
