"""Round trips and known values of the coordinate transforms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.frames import (
    ego_from_world,
    rotation,
    world_from_ego,
    wrap_angle_rad,
    yaw_from_compass_rad,
)
from planner.records import EgoState

coordinates_m = st.floats(-1e4, 1e4)
points_m = st.lists(st.tuples(coordinates_m, coordinates_m), min_size=0, max_size=6)
egos = st.builds(
    lambda x, y, yaw: EgoState(np.array([x, y]), yaw, 0.0),
    coordinates_m,
    coordinates_m,
    st.floats(-math.pi, math.pi),
)


@given(points_m, egos)
def test_ego_and_world_are_inverse(points: list[tuple[float, float]], ego: EgoState) -> None:
    world = np.array(points).reshape(-1, 2)
    assert np.allclose(world_from_ego(ego_from_world(world, ego), ego), world, atol=1e-8)


@given(points_m, egos)
def test_distances_are_kept(points: list[tuple[float, float]], ego: EgoState) -> None:
    world = np.array(points).reshape(-1, 2)
    in_ego = ego_from_world(world, ego)
    expected = np.linalg.norm(world - ego.position_world_m, axis=1)
    assert np.allclose(np.linalg.norm(in_ego, axis=1), expected, atol=1e-8)


@pytest.mark.parametrize(
    ("yaw_deg", "point_world_m", "point_ego_m"),
    [
        (0.0, (12.0, 20.0), (2.0, 0.0)),
        (90.0, (10.0, 25.0), (5.0, 0.0)),  # facing south: south is ahead
        (90.0, (7.0, 20.0), (0.0, 3.0)),  # facing south: west is to the right
        (180.0, (10.0, 19.0), (0.0, 1.0)),  # facing west: north is to the right
    ],
)
def test_ego_axes_are_forward_and_right(
    yaw_deg: float, point_world_m: tuple[float, float], point_ego_m: tuple[float, float]
) -> None:
    ego = EgoState(np.array([10.0, 20.0]), math.radians(yaw_deg), 0.0)
    assert np.allclose(ego_from_world(point_world_m, ego), [point_ego_m], atol=1e-9)


@given(st.floats(-1e6, 1e6))
def test_wrapped_angles_lie_in_half_open_interval_and_point_alike(angle_rad: float) -> None:
    wrapped = wrap_angle_rad(angle_rad)
    assert -math.pi < wrapped <= math.pi
    assert np.allclose(rotation(wrapped), rotation(angle_rad), atol=1e-8)


@pytest.mark.parametrize("angle_rad", [math.nan, math.inf, -math.inf])
def test_wrapping_what_is_not_finite_gives_nan(angle_rad: float) -> None:
    assert math.isnan(wrap_angle_rad(angle_rad))


def test_minus_pi_becomes_pi() -> None:
    assert wrap_angle_rad(-math.pi) == math.pi


@pytest.mark.parametrize(
    ("compass_deg", "yaw_deg"),
    [(0.0, -90.0), (90.0, 0.0), (180.0, 90.0), (270.0, 180.0), (300.0, -150.0)],
)
def test_compass_north_is_minus_y(compass_deg: float, yaw_deg: float) -> None:
    assert math.degrees(yaw_from_compass_rad(math.radians(compass_deg))) == pytest.approx(yaw_deg)


def test_missing_compass_stays_missing() -> None:
    assert math.isnan(yaw_from_compass_rad(math.nan))


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(3), np.zeros((1, 2, 2))])
def test_wrong_shapes_are_refused(bad: np.ndarray) -> None:
    ego = EgoState(np.zeros(2), 0.0, 0.0)
    with pytest.raises(ValueError, match=r"shape \(n, 2\)"):
        ego_from_world(bad, ego)
