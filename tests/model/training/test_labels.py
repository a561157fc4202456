"""Labels against hand-worked cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.training.labels import NO_SHIFT, CameraShift, equally_spaced, future_waypoints
from model.training.synthetic import measurement

QUARTER = np.pi / 2.0


@pytest.mark.parametrize(
    ("translation_m", "rotation_rad", "point", "seen"),
    [
        (0.0, 0.0, (10.0, 2.0), (10.0, 2.0)),
        # Mounted one metre to the right: what was straight ahead lies to the left.
        (1.0, 0.0, (10.0, 0.0), (10.0, -1.0)),
        # Turned clockwise, to the right: what was ahead lies to the left, what was right is ahead.
        (0.0, QUARTER, (10.0, 0.0), (0.0, -10.0)),
        (0.0, QUARTER, (0.0, 10.0), (10.0, 0.0)),
        (1.0, QUARTER, (3.0, 5.0), (4.0, -3.0)),
    ],
)
def test_shifted_camera(
    translation_m: float,
    rotation_rad: float,
    point: tuple[float, float],
    seen: tuple[float, float],
) -> None:
    shift = CameraShift(translation_m, rotation_rad)
    np.testing.assert_allclose(shift.seen(np.array([point])), [seen], atol=1e-12)


@given(st.floats(-2.0, 2.0), st.floats(-3.0, 3.0), st.floats(-50.0, 50.0), st.floats(-50.0, 50.0))
def test_shift_keeps_distances_and_is_undone(t: float, yaw: float, x: float, y: float) -> None:
    shift, points = CameraShift(t, yaw), np.array([[x, y], [0.0, t], [1.0, 2.0]])
    seen = shift.seen(points)
    np.testing.assert_allclose(seen[1], 0.0, atol=1e-9)
    np.testing.assert_allclose(
        np.linalg.norm(seen[0] - seen[2]), np.linalg.norm(points[0] - points[2]), atol=1e-9
    )
    rotation = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    np.testing.assert_allclose(seen @ rotation.T + [0.0, t], points, atol=1e-9)
    np.testing.assert_array_equal(NO_SHIFT.seen(points), points)


def test_waypoints_of_a_circle() -> None:
    poses = np.array([measurement(frame)["ego_matrix"] for frame in range(14)])
    waypoints = future_waypoints(poses, 10)
    arc = 0.02 * 2.0 * np.arange(1, 11)
    expected = np.stack([np.sin(arc), 1.0 - np.cos(arc)], axis=1) / 0.02
    for frame in range(4):
        np.testing.assert_allclose(waypoints[frame], expected, atol=1e-9)
    # The recording ends at frame 13: frame 5 has eight more to come.
    assert np.isfinite(waypoints[5]).all(axis=1).tolist() == [True] * 8 + [False] * 2


def test_unknown_pose_spoils_only_what_needs_it() -> None:
    poses = np.array([measurement(frame)["ego_matrix"] for frame in range(6)])
    poses[3] = np.nan
    known = np.isfinite(future_waypoints(poses, 2)).all(axis=2)
    assert known.tolist() == [
        [True, True],
        [True, False],
        [False, True],
        [False, False],
        [True, False],
        [False, False],
    ]


def test_equally_spaced_route() -> None:
    corner = np.array([[-3.0, 0.0], [0.2, 0.0], [4.0, 0.0], [4.0, 8.0], [np.nan, np.nan]])
    route = equally_spaced(corner, 13)
    np.testing.assert_allclose(route[:5], [[x, 0.0] for x in range(5)])
    np.testing.assert_allclose(route[5:], [[4.0, y] for y in range(1, 9)])
    assert np.isnan(equally_spaced(corner, 14)[13]).all()


def test_route_of_nothing_ahead_is_unknown() -> None:
    route = equally_spaced(np.array([[-1.0, 0.0]]), 3)
    np.testing.assert_array_equal(route[0], [0.0, 0.0])
    assert np.isnan(route[1:]).all()
