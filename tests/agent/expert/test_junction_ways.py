"""The ground that others may drive over in the junctions of a route."""

from __future__ import annotations

import numpy as np
import pytest

from agent.expert.conflict import EgoBody
from agent.expert.junction_ways import HALF_EXTENT_M, junction_ways
from agent.expert.route_to_path import plan_path
from agent.expert.standing_room import clear_room_m
from evaluation.routes.lane_graph import LaneGraph
from tests.evaluation.scoring.roads import crossing_map

BODY = EgoBody()


def test_before_a_crossing_road_there_is_room_up_to_its_lanes() -> None:
    """The junction begins at x = 150; the first lane that crosses has its middle at x = 163.25, its
    cars their side at 162.25, and who turns off into the ego's road comes nearer."""
    crossing = crossing_map()
    dense = LaneGraph(crossing).route(np.array([[20.0, 1.75], [300.0, 1.75]]))
    planned = plan_path(dense.points_world_m, dense.yaw_rad, crossing)
    (ways,) = junction_ways(planned.path, planned.junctions_m, crossing, 0.0)
    assert planned.path.point_world_m(ways.enter_m)[0] == pytest.approx(150.0, abs=1.0)
    from_behind = (np.abs(ways.centres_world_m - (150.0, 1.75)) < 3.0).all(axis=1)
    assert not bool((from_behind & (np.cos(ways.yaws_rad) > 0.9)).any()), "the ego's own lane"
    assert np.abs(ways.centres_world_m - (163.25, 1.75)).max(axis=1).min() < 1.0
    start_m = ways.enter_m - 4.0
    room_m = clear_room_m(
        planned.path,
        start_m,
        20.0,
        ways.centres_world_m,
        ways.yaws_rad,
        np.tile(HALF_EXTENT_M, (len(ways.yaws_rad), 1)),
        BODY,
    )
    assert room_m is not None
    front_m = planned.path.point_world_m(start_m + room_m)[0] + BODY.front_m
    assert 150.0 < front_m <= 162.25


def test_a_stretch_that_the_map_knows_no_junction_of_has_no_ways() -> None:
    crossing = crossing_map()
    dense = LaneGraph(crossing).route(np.array([[20.0, 1.75], [300.0, 1.75]]))
    planned = plan_path(dense.points_world_m, dense.yaw_rad, crossing)
    assert junction_ways(planned.path, [(40.0, 60.0)], crossing, 0.0) == ()
