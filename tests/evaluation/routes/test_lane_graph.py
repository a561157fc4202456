"""The search for routes over the lanes of a map."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.routes.lane_graph import LaneGraph, LaneRouteError
from evaluation.routes.random_routes import random_routes
from planner.records import Command
from tests.evaluation.scoring.roads import crossing_map, straight_map, town_map

WEST = (50.0, 1.75)


@pytest.fixture(scope="module")
def crossing() -> LaneGraph:
    return LaneGraph(crossing_map())


@pytest.mark.parametrize(
    ("end", "command"),
    [
        ((163.25, 100.0), Command.RIGHT),
        ((300.0, 1.75), Command.STRAIGHT),
        ((166.75, -100.0), Command.LEFT),
    ],
)
def test_a_junction_is_named_by_the_turn(
    crossing: LaneGraph, end: tuple[float, float], command: Command
) -> None:
    route = crossing.route(np.array([WEST, end]))
    inside = {c for c, junction in zip(route.commands, route.junction, strict=True) if junction}
    outside = {
        c for c, junction in zip(route.commands, route.junction, strict=True) if not junction
    }
    assert inside == {command}
    assert outside == {Command.LANE_FOLLOW}


def test_points_are_a_metre_apart_and_end_at_the_positions(crossing: LaneGraph) -> None:
    end = (163.25, 100.0)
    route = crossing.route(np.array([WEST, end]))
    steps_m = np.diff(route.distance_m)
    assert steps_m.max() < 1.5
    assert steps_m.min() > 0.04
    assert np.linalg.norm(route.points_world_m[0, :2] - WEST) < 1.0
    assert np.linalg.norm(route.points_world_m[-1, :2] - end) < 1.0
    assert route.length_m == pytest.approx(route.distance_m[-1])


def test_points_follow_the_lanes_of_a_town() -> None:
    town = town_map()
    graph = LaneGraph(town)
    for route in random_routes(town, graph, 300.0, 3, np.random.default_rng(1)):
        steps = np.diff(route.points_world_m[:, :2], axis=0)
        along = np.stack([np.cos(route.yaw_rad[:-1]), np.sin(route.yaw_rad[:-1])], axis=1)
        assert (np.einsum("ij,ij->i", steps, along) > 0.0).all()
        assert np.diff(route.distance_m).max() < 7.0


def test_a_lane_change_is_drawn_over_five_metres() -> None:
    route = LaneGraph(straight_map()).route(np.array([(10.0, 5.25), (300.0, 1.75)]))
    assert route.commands[:3] == (
        Command.CHANGE_LANE_LEFT,
        Command.CHANGE_LANE_LEFT,
        Command.LANE_FOLLOW,
    )
    np.testing.assert_allclose(route.points_world_m[:2, :2], [(10.0, 5.25), (15.0, 1.75)], atol=0.1)
    assert Command.CHANGE_LANE_RIGHT not in route.commands


def test_the_opposite_lane_is_no_way() -> None:
    with pytest.raises(LaneRouteError, match=r"no lane leads from position 0 .* to position 1"):
        LaneGraph(straight_map()).route(np.array([(300.0, 1.75), (10.0, 1.75)]))


def test_a_lane_that_leads_nowhere_is_not_its_own_successor() -> None:
    graph = LaneGraph(straight_map())
    assert all(lane_id not in following for lane_id, following in graph.successors().items())


def test_a_position_off_the_map_is_named() -> None:
    with pytest.raises(LaneRouteError, match=r"position 1 \(50.0, 90.0\) leaves the map.* 84.8 m"):
        LaneGraph(straight_map()).route(np.array([(10.0, 1.75), (50.0, 90.0)]))


@pytest.mark.parametrize("positions", [np.zeros((1, 2)), np.zeros(4), np.zeros((3, 4))])
def test_malformed_positions_are_refused(positions: np.ndarray) -> None:
    with pytest.raises(LaneRouteError, match="two or more positions"):
        LaneGraph(straight_map()).route(positions)


def test_a_position_that_is_not_finite_is_named() -> None:
    with pytest.raises(LaneRouteError, match="position 1"):
        LaneGraph(straight_map()).route(np.array([(10.0, 1.75), (np.nan, 1.75)]))
