"""The search for routes over the lanes of a map."""

from __future__ import annotations

import carla
import numpy as np
import pytest

from evaluation.routes.lane_graph import LaneGraph, LaneRouteError
from evaluation.routes.random_routes import random_routes
from evaluation.simulator.town.opendrive_file import read_opendrive
from planner.records import Command
from tests.evaluation.scoring.roads import crossing_map, straight_map, town_map
from tests.evaluation.simulator.town.small_maps import (
    document,
    lane,
    linked,
    road,
    section,
    two_way,
)

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


def test_a_position_a_little_behind_steps_back_as_the_official_planner_does() -> None:
    positions = np.array([(10.0, 1.75), (50.0, 1.75), (49.0, 1.75), (90.0, 1.75)])
    route = LaneGraph(straight_map()).route(positions)
    assert route.length_m == pytest.approx(82.0, abs=1.0)
    steps_m = np.diff(route.points_world_m[:, 0])
    assert steps_m.min() == pytest.approx(-1.0, abs=0.1)


def small(text: str) -> LaneGraph:
    return LaneGraph(carla.Map("small", read_opendrive(text.encode(), "small").text))


@pytest.mark.parametrize("rule", ["RHT", "LHT"])
@pytest.mark.parametrize("lane_id", [-1, 1])
def test_a_road_without_links_is_driven_both_ways(rule: str, lane_id: int) -> None:
    graph = small(two_way(rule=rule))
    along = (lane_id < 0) == (rule == "RHT")
    y_m = -1.75 * lane_id
    route = graph.route(np.array([(10.0 if along else 190.0, y_m), (100.0, y_m)]))
    assert route.length_m == pytest.approx(90.0, abs=1.5)
    assert set(route.lane_ids) == {(1, 0, lane_id)}
    assert np.cos(route.yaw_rad[0]) == pytest.approx(1.0 if along else -1.0)


def test_a_road_with_one_lane_is_driven() -> None:
    graph = small(document(road(section("", lane(-1)))))
    assert graph.lane_ids() == ((1, 0, -1),)
    assert graph.route(np.array([(10.0, 1.75), (110.0, 1.75)])).length_m == pytest.approx(100.0, 1)


def test_a_lane_that_begins_beside_another_is_no_hindrance() -> None:
    sections = (
        section("", linked(-1, after=-1)),
        section("", linked(-1, before=-1, after=-1) + linked(-2, after=-2), s=60.0),
        section("", linked(-1, before=-1) + linked(-2, before=-2), s=110.0),
    )
    graph = small(document(road("".join(sections))))
    route = graph.route(np.array([(5.0, 1.75), (180.0, 1.75)]))
    assert route.length_m == pytest.approx(175.0, abs=1.5)
    assert list(dict.fromkeys(route.lane_ids)) == [(1, i, -1) for i in range(3)]


def test_a_link_to_a_lane_elsewhere_is_no_way() -> None:
    """Road 2 begins 100 m behind the end of road 1, though they are linked."""
    graph = small(
        document(
            road(section("", linked(-1, after=-1)), 1,
                 link='<successor elementType="road" elementId="2" contactPoint="start"/>'),
            road(section("", linked(-1, before=-1)), 2, 300.0,
                 link='<predecessor elementType="road" elementId="1" contactPoint="end"/>'),
        )
    )  # fmt: skip
    with pytest.raises(LaneRouteError, match="no lane leads from position 0"):
        graph.route(np.array([(10.0, 1.75), (350.0, 1.75)]))
