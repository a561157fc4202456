"""What CARLA makes of the reference lines that are written for it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from math import cos, hypot, sin

import carla
import numpy as np
import pytest
from scenariogeneration import xodr

from evaluation.simulator.town.curves import Curve, Piece, Pose
from evaluation.simulator.town.opendrive import plan_view

LANE_M = 3.5


def one_road(curve: Curve) -> carla.Map:
    """A road with one lane on its right."""
    section = xodr.LaneSection(0.0, xodr.Lane())
    section.add_right_lane(xodr.Lane(xodr.LaneType.driving, a=LANE_M))
    lanes = xodr.Lanes()
    lanes.add_lanesection(section)
    document = xodr.OpenDrive("road", geo_reference="+proj=tmerc +lat_0=0 +lon_0=0")
    document.add_road(xodr.Road(1, plan_view(curve), lanes))
    document.adjust_roads_and_lanes()
    return carla.Map("road", ElementTree.tostring(document.get_element(), "unicode"))


@pytest.mark.parametrize("curvature_per_m", [1.0 / 17.0, -1e-3, 2e-5, -2e-6, 1e-8, 0.0])
def test_lanes_lie_where_the_curve_does_however_gentle_it_is(curvature_per_m: float) -> None:
    curve = Curve(Pose(30.0, -20.0, 0.3), (Piece(40.0, curvature_per_m), Piece(35.0, 0.0)))
    world_map = one_road(curve)
    centre = 0.5 * LANE_M
    for s_m, (x, y, heading) in zip(
        np.linspace(0.0, 40.0, 9), Curve(curve.start, curve.pieces[:1]).sample(5.0), strict=True
    ):
        place = world_map.get_waypoint_xodr(1, -1, float(s_m)).transform.location
        wanted = x + centre * sin(heading), y - centre * cos(heading)
        assert hypot(place.x - wanted[0], -place.y - wanted[1]) < 5e-3
