"""Polylines, thinning and target selection."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.records import Command, EgoState
from planner.route import Polyline, RouteAhead, RoutePlanner, resample, thin_plan
from tests.planner.leaderboard_source import official_function

FOLLOW = Command.LANE_FOLLOW
SQUARE = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]])


def follow(points_m: np.ndarray) -> list[Command]:
    return [FOLLOW] * len(points_m)


def drive_along(planner: RoutePlanner, track_m: np.ndarray, lateral_m: float = 0.0) -> list[int]:
    """Indices of the next target while the ego follows a dense track, shifted to the right."""
    indices = []
    for here, there in itertools.pairwise(track_m):
        step_m = there - here
        yaw_rad = math.atan2(step_m[1], step_m[0])
        right = np.array([-math.sin(yaw_rad), math.cos(yaw_rad)])
        planner.advance(EgoState(here + lateral_m * right, yaw_rad, 8.0))
        indices.append(planner.next_index)
    return indices


def figure_of_eight(radius_m: float) -> np.ndarray:
    """A dense route that starts and ends beside its own crossing: two opposite circles."""
    angle_rad = np.linspace(0.0, 2.0 * math.pi, int(2.0 * math.pi * radius_m) + 1)
    right = radius_m * np.stack([np.sin(angle_rad), 1.0 - np.cos(angle_rad)], axis=1)
    left = right * [1.0, -1.0]
    return np.vstack([right, left[1:]])


def through_blocks(turns: str) -> tuple[np.ndarray, list[Command]]:
    """A dense route, 1 m per point: blocks of 80 m, after each a turn l(eft), r(ight) or none (s).

    Four turns to the same side drive round the block and over the first road again.
    """
    curvature: list[float] = [0.0] * 80
    commands = [FOLLOW] * 80
    for turn in turns:
        side = {"l": -1, "r": 1, "s": 0}[turn]
        curvature += [side * math.pi / 2 / 12] * 12 + [0.0] * 80
        commands += [(Command.LEFT, Command.STRAIGHT, Command.RIGHT)[side + 1]] * 12
        commands += [FOLLOW] * 80
    heading_rad = np.cumsum(curvature)
    steps = np.stack([np.cos(heading_rad), np.sin(heading_rad)], axis=1)
    return np.cumsum(steps, axis=0), commands


class TestPolyline:
    @pytest.mark.parametrize(
        ("position_m", "s_m", "lateral_m"),
        [
            ((5.0, 1.0), 5.0, 1.0),
            ((5.0, -1.0), 5.0, -1.0),
            ((12.0, 4.0), 14.0, -2.0),
            ((-3.0, 0.0), 0.0, 3.0),
            ((5.0, 12.0), 25.0, -2.0),
        ],
    )
    def test_projection(
        self, position_m: tuple[float, float], s_m: float, lateral_m: float
    ) -> None:
        found = Polyline(SQUARE).project(position_m)
        assert (found.s_m, found.lateral_m) == pytest.approx((s_m, lateral_m))
        assert found.distance_m == pytest.approx(abs(lateral_m))

    def test_the_stretch_decides_at_a_crossing(self) -> None:
        line = Polyline([[0, 0], [100, 0], [100, 50], [50, 50], [50, -50]])
        at_first = line.project((50.0, 0.0), near_s_m=48.0, backward_m=10.0, forward_m=20.0)
        at_second = line.project((50.0, 0.0), near_s_m=245.0, backward_m=10.0, forward_m=20.0)
        assert at_first.s_m == pytest.approx(50.0)
        assert at_second.s_m == pytest.approx(250.0)

    def test_a_stretch_bounds_the_arc_length(self) -> None:
        found = Polyline([[0, 0], [100, 0]]).project((90, 0), 10.0, backward_m=5, forward_m=20)
        assert found.s_m == pytest.approx(30.0)
        found = Polyline([[0, 0], [100, 0]]).project((90, 0), 500.0, backward_m=0, forward_m=0)
        assert found.s_m == pytest.approx(100.0)

    @pytest.mark.parametrize(
        ("s_m", "heading_deg"),
        [(-1.0, 0.0), (3.0, 0.0), (10.0, 90.0), (15.0, 90.0), (29.0, 180.0), (99.0, 180.0)],
    )
    def test_heading(self, s_m: float, heading_deg: float) -> None:
        assert math.degrees(Polyline(SQUARE).heading_at(s_m)) == pytest.approx(heading_deg)

    def test_repeated_points_and_a_single_point(self) -> None:
        line = Polyline([[0, 0], [0, 0], [4, 0], [4, 0]])
        assert line.length_m == 4.0
        assert len(line.points_m) == 2
        single = Polyline([[3.0, 4.0]])
        assert single.length_m == 0.0
        assert single.heading_at(1.0) == 0.0
        assert single.project((0.0, 0.0)).distance_m == 5.0

    def test_many_tiny_steps_are_a_way_too(self) -> None:
        line = Polyline(np.stack([np.arange(2001) * 5e-7, np.zeros(2001)], axis=1))
        assert line.length_m == pytest.approx(1e-3, rel=1e-3)
        assert line.point_at(5e-4) == pytest.approx([5e-4, 0.0])

    def test_steps_below_the_resolution_of_the_length_are_one_point(self) -> None:
        line = Polyline([[0.0, 0.0], [4.0, 0.0], [4.0, 1e-17], [4.0, 3.0]])
        assert line.s_m.tolist() == [0.0, 4.0, 7.0]
        assert line.heading_at(5.0) == pytest.approx(math.pi / 2.0)

    @given(st.floats(0.0, 30.0))
    def test_points_on_the_line_project_onto_themselves(self, s_m: float) -> None:
        line = Polyline(SQUARE)
        assert line.project(line.point_at(s_m)).s_m == pytest.approx(s_m, abs=1e-9)

    @pytest.mark.parametrize("bad", [np.empty((0, 2)), [1.0, 2.0], [[0.0, 0.0], [math.nan, 1.0]]])
    def test_bad_points_are_refused(self, bad: object) -> None:
        with pytest.raises(ValueError, match="point"):
            Polyline(bad)  # type: ignore[arg-type]


def test_resample_keeps_equal_spacing_along_the_way() -> None:
    points = resample(SQUARE, 1.0)
    assert len(points) == 31
    assert np.allclose(np.linalg.norm(np.diff(points, axis=0), axis=1), 1.0)
    assert np.allclose(points[[0, 10, 20, 30]], SQUARE)
    assert len(resample([[1.0, 1.0]], 0.5)) == 1
    with pytest.raises(ValueError, match="spacing_m"):
        resample(SQUARE, 0.0)


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=8),
    st.floats(5.0, 40.0),
)
def test_resampled_points_lie_on_the_line(
    points: list[tuple[float, float]], spacing_m: float
) -> None:
    line = Polyline(points)
    for index, point in enumerate(resample(points, spacing_m)):
        near_s_m = index * spacing_m
        found = line.project(point, near_s_m, backward_m=1e-3, forward_m=1e-3)
        assert found.distance_m < 1e-2


class TestThinPlan:
    def test_distance_and_ends(self) -> None:
        points = np.stack([np.arange(501.0), np.zeros(501)], axis=1)
        # The step after a kept point counts, so the 201st metre is the first beyond 200.
        assert thin_plan(points, follow(points)) == [0, 202, 404, 500]

    def test_turns_and_lane_changes_are_kept(self) -> None:
        commands = [FOLLOW] * 5 + [Command.LEFT] * 4 + [FOLLOW] * 3
        commands += [Command.CHANGE_LANE_RIGHT] * 3 + [FOLLOW] * 3
        points = np.stack([np.arange(18.0), np.zeros(18)], axis=1)
        assert thin_plan(points, commands) == [0, 5, 9, 12, 13, 14, 17]

    def test_numbers_must_match(self) -> None:
        with pytest.raises(ValueError, match="2 points but 1 commands"):
            thin_plan([[0, 0], [1, 0]], [FOLLOW])

    @pytest.mark.parametrize("seed", range(8))
    def test_same_points_as_the_official_thinning(self, seed: int) -> None:
        downsample_route = official_function("downsample_route")
        rng = np.random.default_rng(seed)
        commands: list[Command] = []
        for _ in range(12):
            commands += [Command(int(rng.integers(1, 7)))] * int(rng.integers(1, 150))
        points = np.cumsum(rng.uniform(0.0, 4.0, (len(commands), 3)), axis=0)

        class Location(np.ndarray):
            def distance(self, other: Location) -> float:
                return float(np.linalg.norm(np.asarray(self) - np.asarray(other)))

        class Transform:
            def __init__(self, point: np.ndarray) -> None:
                self.location = point.view(Location)

        route = [(Transform(p), c) for p, c in zip(points, commands, strict=True)]
        assert thin_plan(points, commands) == downsample_route(route, 200)


class TestRoutePlanner:
    @pytest.mark.parametrize(
        ("x_m", "next_index", "after_index"),
        [
            (-20.0, 0, 1),  # still before the start
            (-8.0, 0, 1),
            (0.0, 1, 2),
            (92.0, 1, 2),
            (93.0, 2, 3),
            (290.0, 3, 3),
            (299.9, 3, 3),  # the last point stays
            (400.0, 3, 3),
        ],
    )
    def test_sparse_targets(self, x_m: float, next_index: int, after_index: int) -> None:
        points = np.array([[0.0, 0.0], [100.0, 0.0], [200.0, 0.0], [300.0, 0.0]])
        commands = [FOLLOW, Command.LEFT, Command.RIGHT, Command.STRAIGHT]
        planner = RoutePlanner(points, commands)
        targets = planner.advance(EgoState(np.zeros(2) if x_m > 0 else points[0] + [x_m, 0], 0, 0))
        for x in np.arange(0.0, x_m, 0.5):
            planner.advance(EgoState(np.array([x, 0.0]), 0.0, 10.0))
        targets = planner.advance(EgoState(np.array([x_m, 0.0]), 0.0, 10.0))
        for target, index in zip(targets, (next_index, after_index), strict=True):
            assert target.position_world_m == pytest.approx(points[index])
            assert target.command is commands[index]

    @pytest.mark.parametrize("start_m", [-5.0, 0.0, 4.0, 12.0, 40.0])
    def test_start_before_or_after_the_first_point_of_a_dense_route(self, start_m: float) -> None:
        points = np.stack([np.arange(200.0), np.zeros(200)], axis=1)
        planner = RoutePlanner(points, follow(points))
        target, after = planner.advance(EgoState(np.array([start_m, 0.5]), 0.0, 0.0))
        assert target.position_world_m[0] == pytest.approx(math.floor(start_m + 7.5) + 1, abs=1.0)
        assert after.position_world_m[0] == target.position_world_m[0] + 1.0

    @pytest.mark.parametrize("spacing", [1, 5, 10, 30])
    @pytest.mark.parametrize("radius_m", [15.0, 25.0, 60.0])
    @pytest.mark.parametrize("lateral_m", [0.0, 3.0, -3.0])
    def test_a_route_crossing_itself_is_followed_in_order(
        self, spacing: int, radius_m: float, lateral_m: float
    ) -> None:
        track = figure_of_eight(radius_m)
        points = np.vstack([track[:-1:spacing], track[-1:]])
        planner = RoutePlanner(points, follow(points))
        indices = drive_along(planner, track, lateral_m)
        steps = np.diff(indices)
        assert steps.min() >= 0
        # Never further ahead along the way than the ego's reach plus one point's distance.
        lead_m = np.array(indices) * spacing - np.arange(len(indices))
        assert lead_m.max() <= 7.5 * 2 + spacing
        assert indices[-1] == len(points) - 1

    @pytest.mark.parametrize("lateral_m", [9.0, -12.0, 18.0])
    @pytest.mark.parametrize("spacing_m", [1.0, 20.0, 100.0])
    def test_passing_at_a_distance_still_uses_points_up(
        self, lateral_m: float, spacing_m: float
    ) -> None:
        track = np.stack([np.arange(0.0, 400.0), np.zeros(400)], axis=1)
        points = resample(track, spacing_m)
        planner = RoutePlanner(points, follow(points))
        indices = drive_along(planner, track, lateral_m)
        behind_m = np.arange(len(indices)) - points[indices, 0]
        on_the_way = np.array(indices) < len(points) - 1
        assert behind_m[on_the_way].max() <= 1.0
        assert indices[-1] >= len(points) - 2

    @pytest.mark.parametrize("turns", ["rrrrs", "rrrl", "lllslr", "srsrsrs"])
    @pytest.mark.parametrize("lateral_m", [0.0, 2.0, -2.0])
    def test_thinned_routes_through_blocks_are_followed_in_order(
        self, turns: str, lateral_m: float
    ) -> None:
        track, commands = through_blocks(turns)
        kept = thin_plan(track, commands)
        planner = RoutePlanner(track[kept], [commands[index] for index in kept])
        indices = drive_along(planner, track, lateral_m)
        assert indices[-1] == len(kept) - 1
        for s_m, index in enumerate(indices):
            assert kept[index] >= s_m - 1 or index == len(kept) - 1
            assert index == 0 or kept[index - 1] <= s_m + 10

    def test_a_route_with_repeated_points_does_not_get_stuck(self) -> None:
        points = np.array([[0, 0], [50, 0], [50, 0], [100, 0], [100, 0]], dtype=float)
        planner = RoutePlanner(points, follow(points))
        track = np.stack([np.arange(0.0, 90.0), np.zeros(90)], axis=1)
        assert drive_along(planner, track, lateral_m=10.0)[-1] >= 3

    def test_an_ego_that_goes_astray_uses_up_nothing(self) -> None:
        points = np.array([[0, 0], [100, 0], [100, 100]], dtype=float)
        planner = RoutePlanner(points, follow(points))
        away = np.stack([np.arange(0.0, -300.0, -1.0), np.zeros(300)], axis=1)
        assert drive_along(planner, away)[-1] == 1

    def test_an_unknown_pose_uses_up_nothing(self) -> None:
        planner = RoutePlanner(SQUARE, follow(SQUARE))
        target, _ = planner.advance(EgoState(np.array([math.nan, 0.0]), 0.0, 1.0))
        assert np.array_equal(target.position_world_m, SQUARE[0])
        planner.advance(EgoState(np.zeros(2), math.nan, 1.0))
        assert planner.next_index == 0

    def test_single_point(self) -> None:
        first, second = RoutePlanner([[1.0, 2.0]], [FOLLOW]).advance(EgoState(np.zeros(2), 0, 0))
        assert np.array_equal(first.position_world_m, second.position_world_m)

    def test_bad_routes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="point 1 of the route is not finite"):
            RoutePlanner([[0.0, 0.0], [math.inf, 0.0]], [FOLLOW, FOLLOW])
        with pytest.raises(ValueError, match="4 points but 1 commands"):
            RoutePlanner(SQUARE, [FOLLOW])


def test_route_ahead_begins_beside_the_ego_and_ends_with_the_route() -> None:
    ahead = RouteAhead([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    points = ahead.advance(EgoState(np.array([8.5, 1.0]), 0.0, 5.0), length_m=4.0)
    np.testing.assert_allclose(points, [[8.5, 0], [9.5, 0], [10, 0.5], [10, 1.5], [10, 2.5]])
    np.testing.assert_allclose(
        ahead.advance(EgoState(np.array([np.nan, 1.0]), 0.0, 5.0), length_m=1.0),
        [[8.5, 0.0], [9.5, 0.0]],
    )
    last = ahead.advance(EgoState(np.array([10.0, 9.5]), 1.5, 5.0), length_m=4.0)
    np.testing.assert_allclose(last, [[10.0, 9.5], [10.0, 10.0]])


def test_route_ahead_follows_a_crossing_in_order() -> None:
    loop = [[0.0, 0.0], [60.0, 0.0], [60.0, 40.0], [30.0, 40.0], [30.0, -20.0]]
    ahead = RouteAhead(loop)
    for x_m in np.arange(0.0, 30.5, 2.0):
        points = ahead.advance(EgoState(np.array([x_m, 0.2]), 0.0, 5.0), length_m=10.0)
    np.testing.assert_allclose(points[-1], [40.0, 0.0])
