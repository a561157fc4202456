"""How the benchmark of lane keeping judges tracks."""

from __future__ import annotations

import math

import carla
import pytest

from tests.benchmarks.traffic import ROAD, Judge, Track
from tests.evaluation.simulator.tiny_town import straight_road

RADIUS_M = 50.0
# Two lanes of 3.5 m meet on a circle of 50 m to the left, about (0, -50) in CARLA's world.
BEND = straight_road(length_m=100.0).replace("<line/>", '<arc curvature="0.02"/>')


def bend_map() -> carla.Map:
    return carla.Map("bend", BEND)


def round_the_bend(radius_m: float) -> Track:
    """Twenty ticks at 10 m/s along a circle about the bend's centre, anticlockwise from above."""
    track = Track("vehicle.audi.tt")
    for tick in range(20):
        angle = 0.2 + 0.5 * tick / radius_m
        x, y = radius_m * math.sin(angle), radius_m * math.cos(angle) - RADIUS_M
        track.rows.append((x, y, 0.0, -math.degrees(angle), 10.0))
    return track


def test_the_map_finds_no_lane_on_the_line_between_two() -> None:
    x, y, *_ = round_the_bend(RADIUS_M).rows[5]
    found = bend_map().get_waypoint(carla.Location(x, y), project_to_road=False, lane_type=ROAD)
    assert found is None


@pytest.mark.parametrize(
    ("radius_m", "leaves"),
    [
        (RADIUS_M + 1.75, False),  # the middle of the right lane
        (RADIUS_M, False),  # between the lanes
        (RADIUS_M + 3.4, False),
        (RADIUS_M + 3.7, True),  # beyond the edges of the road
        (RADIUS_M - 3.7, True),
    ],
)
def test_who_is_between_two_lanes_has_not_left_the_road(radius_m: float, leaves: bool) -> None:
    judged = Judge(bend_map()).judge(round_the_bend(radius_m))
    assert judged.off_road.tolist() == [leaves] * 20
