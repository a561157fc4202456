"""Small OpenDRIVE maps and routes for tests."""

from __future__ import annotations

from functools import cache
from xml.etree import ElementTree

import carla
import numpy as np
from scenariogeneration import xodr

from evaluation.routes.dense_route import DenseRoute
from evaluation.routes.towns import open_map
from planner.records import Command

GEO_REFERENCE = "+proj=tmerc +lat_0=42 +lon_0=2"


@cache
def straight_opendrive() -> str:
    """Two roads of 200 m one behind the other along +x; lanes -1 and -2 lead along +x (at y = 1.75
    and 5.25), lanes 1 and 2 back (y = -1.75, -5.25); lane changes are allowed."""
    roads = [
        xodr.create_road([xodr.Line(200.0)], id=index, left_lanes=2, right_lanes=2, lane_width=3.5)
        for index in range(2)
    ]
    roads[0].add_successor(xodr.ElementType.road, 1, xodr.ContactPoint.start)
    roads[1].add_predecessor(xodr.ElementType.road, 0, xodr.ContactPoint.end)
    drive = xodr.OpenDrive("straight", geo_reference=GEO_REFERENCE)
    for road in roads:
        drive.add_road(road)
    drive.adjust_roads_and_lanes()
    return _text_of(drive)


@cache
def straight_map() -> carla.Map:
    return carla.Map("straight", straight_opendrive())


@cache
def crossing_map() -> carla.Map:
    """Four arms of 150 m with one lane per direction that meet around (165, 0)."""
    arms = [
        xodr.create_road([xodr.Line(150.0)], id=index, left_lanes=1, right_lanes=1, lane_width=3.5)
        for index in range(4)
    ]
    junction = xodr.CommonJunctionCreator(id=100, name="crossing", startnum=200)
    for index, arm in enumerate(arms):
        junction.add_incoming_road_circular_geometry(
            arm, radius=15.0, angle=index * np.pi / 2.0, road_connection="successor"
        )
    for first in range(4):
        for second in range(first + 1, 4):
            junction.add_connection(first, second)
    drive = xodr.OpenDrive("crossing", geo_reference=GEO_REFERENCE)
    for arm in arms:
        drive.add_road(arm)
    drive.add_junction_creator(junction)
    drive.adjust_roads_and_lanes()
    return carla.Map("crossing", _text_of(drive))


@cache
def town_map() -> carla.Map:
    """A generated town of the simulator."""
    return open_map("generated:3")[0]


def _text_of(drive: xodr.OpenDrive) -> str:
    """CARLA cannot evaluate spirals of constant curvature, which are what turns are made of."""
    root = drive.get_element()
    for geometry in root.iter("geometry"):
        spiral = geometry.find("spiral")
        if spiral is None:
            continue
        geometry.remove(spiral)
        curvature = float(spiral.attrib["curvStart"])
        ElementTree.SubElement(geometry, "arc", curvature=str(curvature))
    return ElementTree.tostring(root, encoding="unicode")


def straight_route(length_m: float = 200.0, y_m: float = 1.75, start_m: float = 10.0) -> DenseRoute:
    """A route along +x with a point per metre."""
    x_m = np.arange(start_m, start_m + length_m + 0.5)
    count = len(x_m)
    return DenseRoute(
        points_world_m=np.stack([x_m, np.full(count, y_m), np.zeros(count)], axis=1),
        yaw_rad=np.zeros(count),
        commands=(Command.LANE_FOLLOW,) * count,
        lane_ids=((0, 0, -1),) * count,
        junction=np.zeros(count, dtype=bool),
    )
