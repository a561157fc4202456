"""From a plan to the expert's path, on small maps."""

from __future__ import annotations

import carla
import numpy as np
import pytest

from agent.expert.route_to_path import find_lane_changes, plan_path, smooth_lane_changes
from evaluation.routes.lane_graph import LaneGraph
from tests.evaluation.scoring.roads import crossing_map, straight_map


@pytest.fixture(scope="module")
def two_lanes() -> carla.Map:
    return straight_map()


@pytest.fixture(scope="module")
def crossing() -> carla.Map:
    return crossing_map()


def lane_line(length: int, y: float, start: float = 0.0) -> np.ndarray:
    x = start + np.arange(float(length))
    return np.stack([x, np.full(length, y), np.zeros(length)], axis=1)


def test_a_dense_plan_is_driven_as_it_is(two_lanes: carla.Map) -> None:
    plan = lane_line(120, 1.75, start=10.0)
    planned = plan_path(plan, np.zeros(120), two_lanes)
    path, length = planned.path, planned.route_length_m
    assert length == pytest.approx(119.0, abs=0.6)
    assert path.length_m > length + 40.0  # it goes on beyond the end of the route
    np.testing.assert_allclose(path.points_world_m[:, 1], 1.75, atol=1e-6)
    np.testing.assert_allclose(path.curvature_per_m, 0.0, atol=1e-6)


def test_a_thinned_plan_is_turned_down(two_lanes: carla.Map) -> None:
    plan = lane_line(120, 1.75, start=10.0)[::50]
    with pytest.raises(ValueError, match="a point every 50 m; the expert needs the dense one"):
        plan_path(plan, np.zeros(len(plan)), two_lanes)


def test_a_turn_is_rounded_and_drivable(crossing: carla.Map) -> None:
    dense = LaneGraph(crossing).route(np.array([[20.0, 1.75], [163.25, 100.0]]))
    path = plan_path(dense.points_world_m, dense.yaw_rad, crossing).path
    assert np.abs(path.curvature_per_m).max() < 0.2
    assert abs(path.yaw_rad[path.index(250.0)] - path.yaw_rad[0]) == pytest.approx(1.57, abs=0.1)


@pytest.mark.parametrize("side", [3.5, -3.5])
@pytest.mark.parametrize("jump", [2, 50, 96])
def test_a_lane_change_becomes_a_smooth_curve(jump: int, side: float) -> None:
    """Even at the very start or end of a route, where there is room on one side only."""
    before = lane_line(jump + 1, 0.0)[:, :2]
    after = lane_line(100 - jump, side, start=jump + 4.0)[:, :2]
    points = np.concatenate((before, after))
    yaws = np.zeros(len(points))
    assert find_lane_changes(points, yaws) == [jump]
    line = smooth_lane_changes(points, yaws)
    np.testing.assert_allclose(line[0], points[0], atol=0.3)
    np.testing.assert_allclose(line[-1], points[-1], atol=0.3)
    slopes = np.abs(np.diff(line[:, 1]) / np.diff(line[:, 0]))
    assert slopes.max() < 0.35
    assert np.all(np.diff(line[:, 1]) * np.sign(side) >= -1e-9)


def test_a_lane_change_keeps_out_of_the_junction() -> None:
    points = np.concatenate((lane_line(50, 0.0)[:, :2], lane_line(50, 3.5, start=54.0)[:, :2]))
    barred = points[:, 0] < 45.0
    line = smooth_lane_changes(points, np.zeros(100), barred)
    np.testing.assert_allclose(line[:45, 1], 0.0, atol=0.05)
    assert line[-1, 1] == pytest.approx(3.5)


def test_curves_are_not_taken_for_lane_changes() -> None:
    angles = np.linspace(0.0, np.pi, 25)
    points = 8.0 * np.stack([np.sin(angles), 1.0 - np.cos(angles)], axis=1)
    assert find_lane_changes(points, angles) == []


def test_repeated_and_backward_points_of_joined_legs_are_dropped(two_lanes: carla.Map) -> None:
    plan = lane_line(100, 1.75, start=10.0)
    joined = np.concatenate((plan[:50], plan[47:]))
    planned = plan_path(joined, np.zeros(len(joined)), two_lanes)
    path, length = planned.path, planned.route_length_m
    assert length == pytest.approx(99.0, abs=0.6)
    assert np.all(np.diff(path.points_world_m[:, 0]) > 0.0)


def test_a_plan_needs_two_points(two_lanes: carla.Map) -> None:
    with pytest.raises(ValueError, match="two or more points"):
        plan_path(np.zeros((1, 3)), np.zeros(1), two_lanes)
