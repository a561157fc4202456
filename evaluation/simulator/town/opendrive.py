"""Writes a planned town as OpenDRIVE that CARLA's parser takes without surprises.

Reference lines are straight pieces and arcs only, and every lane of a junction is linked by
number: CARLA returns NaN waypoints for degenerate spirals and takes sidewalks for driving lanes
where junction links are left to be guessed.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from scenariogeneration import xodr

from evaluation.simulator.town.curves import Curve
from evaluation.simulator.town.movements import Control, Movement, signal_groups, stopping_arms
from evaluation.simulator.town.streets import Arm, Crossing, Profile, Street

SIGNAL_TYPE = "1000001"
STOP_TYPE = "206"
SPEED_LIMIT_TYPE = "274"
_GEO_REFERENCE = "+proj=tmerc +lat_0=0 +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
_FIRST_CONNECTING_ROAD = 1000
_FIRST_JUNCTION = 100_000
"""CARLA takes a link for one to a road whenever a road has that id: ids must not meet."""
_CHORD_TURN_RAD = 5e-4
"""CARLA adds up an arc from its centre, in 32 bits: at a radius of 100 km it is 5 cm off, more than
the chord of an arc that turns by no more than this is off the arc."""
_SIGNAL_INSET_M = 0.5
_SIGN_INSET_M = 12.0
_CROSSWALK_NEAR_M = 1.0
_CROSSWALK_FAR_M = 4.0


@dataclass(frozen=True)
class Regulated:
    """A junction with its movements and its regulation."""

    crossing: Crossing
    control: Control
    movements: Sequence[Movement]

    @property
    def junction_id(self) -> int:
        return _FIRST_JUNCTION + self.crossing.index


def write_opendrive(
    name: str, streets: Sequence[Street], junctions: Sequence[Regulated], date: str
) -> str:
    """The town as OpenDRIVE 1.4 text; equal arguments give equal text."""
    document = xodr.OpenDrive(name, revMajor="1", revMinor="4", geo_reference=_GEO_REFERENCE)
    roads = {street.index: _street_road(street) for street in streets}
    for road in roads.values():
        document.add_road(road)
    crosswalks: dict[int, list[Element]] = {}
    controllers: dict[int, dict[int, list[str]]] = {}
    signal_number = 0
    next_road = _FIRST_CONNECTING_ROAD
    for regulated in junctions:
        junction = xodr.Junction(f"junction {regulated.junction_id}", regulated.junction_id)
        for movement in regulated.movements:
            document.add_road(_connecting_road(next_road, regulated, movement, junction))
            next_road += 1
        document.add_junction(junction)
        groups = signal_groups(regulated.crossing)
        stopping = stopping_arms(regulated.crossing, regulated.control)
        for index, arm in enumerate(regulated.crossing.arms):
            road = roads[arm.street]
            _link_street(road, arm, regulated.junction_id)
            if arm.crosswalk:
                length = road.planview.get_total_length()
                crosswalks.setdefault(road.id, []).append(_crosswalk(arm, length, road.id))
            signal_number += 1
            if regulated.control is Control.SIGNALS:
                road.signals.append(_signal(arm, road, str(signal_number)))
                group = controllers.setdefault(regulated.junction_id, {}).setdefault(
                    groups[index], []
                )
                group.append(str(signal_number))
            elif index in stopping:
                road.signals.append(_stop_sign(arm, road, str(signal_number)))
    for street in streets:
        roads[street.index].signals += _limit_signs(street, 10_000 + 2 * street.index)
    return _finish(document, date, crosswalks, controllers)


def _finish(
    document: xodr.OpenDrive,
    date: str,
    crosswalks: dict[int, list[Element]],
    controllers: dict[int, dict[int, list[str]]],
) -> str:
    """Fixed date, crosswalk outlines and junction controllers: what the library does not write."""
    root = document.get_element()
    header = root.find("header")
    assert header is not None
    header.set("date", date)
    for road in root.findall("road"):
        outlines = crosswalks.get(int(road.get("id", "-1")), [])
        if outlines:
            objects = Element("objects")
            objects.extend(outlines)
            lanes = road.find("lanes")
            assert lanes is not None
            road.insert(list(road).index(lanes) + 1, objects)
    first_junction = next(i for i, child in enumerate(root) if child.tag == "junction")
    number = 0
    for junction in root.findall("junction"):
        groups = controllers.get(int(junction.get("id", "-1")), {})
        for sequence, signals in sorted(groups.items()):
            number += 1
            controller = Element(
                "controller", name=f"controller {number}", id=str(number), sequence=str(sequence)
            )
            for signal in signals:
                SubElement(controller, "control", signalId=signal, type="")
            root.insert(first_junction, controller)
            first_junction += 1
            SubElement(junction, "controller", id=str(number), type="", sequence=str(sequence))
    ElementTree.indent(root, space=" ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode")


def plan_view(curve: Curve) -> xodr.PlanView:
    """The reference line of a road that follows a curve."""
    view = xodr.PlanView()
    for pose, piece in zip(curve.joints(), curve.pieces, strict=True):
        if abs(piece.turn_rad) < _CHORD_TURN_RAD:
            shape, heading = xodr.Line(piece.length_m), pose.heading + 0.5 * piece.turn_rad
        else:
            shape = xodr.Arc(piece.curvature_per_m, length=piece.length_m)
            heading = pose.heading
        view.add_fixed_geometry(shape, pose.x, pose.y, heading)
    return view


def _mark(kind: xodr.RoadMarkType, yellow: bool = False, change: bool = False) -> xodr.RoadMark:
    return xodr.RoadMark(
        kind,
        width=0.15,
        color=xodr.RoadMarkColor.yellow if yellow else xodr.RoadMarkColor.white,
        laneChange=xodr.LaneChange.both if change else xodr.LaneChange.none,
    )


def _street_road(street: Street) -> xodr.Road:
    profile = street.profile
    centre = xodr.Lane()
    if profile.passing_allowed:
        centre.add_roadmark(_mark(xodr.RoadMarkType.broken, profile.yellow_centre))
    elif profile.lanes > 1:
        centre.add_roadmark(_mark(xodr.RoadMarkType.solid_solid, profile.yellow_centre))
    else:
        centre.add_roadmark(_mark(xodr.RoadMarkType.solid, profile.yellow_centre))
    section = xodr.LaneSection(0.0, centre)
    for add in (section.add_left_lane, section.add_right_lane):
        for lane in _direction_lanes(profile):
            add(lane)
    lanes = xodr.Lanes()
    lanes.add_lanesection(section)
    road = xodr.Road(street.index, plan_view(street.curve), lanes, name=f"street {street.index}")
    road.add_type(xodr.RoadType.town, 0.0, speed=profile.speed_limit_kmh, speed_unit="km/h")
    return road


def _direction_lanes(profile: Profile) -> list[xodr.Lane]:
    lanes = []
    for index in range(profile.lanes):
        lane = xodr.Lane(xodr.LaneType.driving, a=profile.lane_width_m)
        if index < profile.lanes - 1:
            lane.add_roadmark(_mark(xodr.RoadMarkType.broken, change=True))
        else:
            edge = xodr.RoadMarkType.solid if profile.edge_line else xodr.RoadMarkType.none
            lane.add_roadmark(_mark(edge))
        lanes.append(lane)
    sidewalk = xodr.Lane(xodr.LaneType.sidewalk, a=profile.sidewalk_m)
    sidewalk.add_roadmark(_mark(xodr.RoadMarkType.none))
    return [*lanes, sidewalk]


def _entering_sign(arm: Arm) -> int:
    """Sign of the lane ids that lead into the junction: traffic keeps right."""
    return 1 if arm.at_start else -1


def _connecting_road(
    road_id: int, regulated: Regulated, movement: Movement, junction: xodr.Junction
) -> xodr.Road:
    arms = regulated.crossing.arms
    source, goal = arms[movement.from_arm], arms[movement.to_arm]
    length = movement.border.length_m
    centre = xodr.Lane()
    centre.add_roadmark(_mark(xodr.RoadMarkType.none))
    section = xodr.LaneSection(0.0, centre)
    source_lane = _entering_sign(source) * (movement.from_lane + 1)
    goal_lane = -_entering_sign(goal) * (movement.to_lane + 1)
    connection = xodr.Connection(source.street, road_id, xodr.ContactPoint.start)
    pairs = [
        (
            xodr.LaneType.driving,
            source_lane,
            goal_lane,
            source.profile.lane_width_m,
            goal.profile.lane_width_m,
        )
    ]
    if movement.sidewalk:
        pairs.append(
            (
                xodr.LaneType.sidewalk,
                _entering_sign(source) * (source.profile.lanes + 1),
                -_entering_sign(goal) * (goal.profile.lanes + 1),
                source.profile.sidewalk_m,
                goal.profile.sidewalk_m,
            )
        )
    for number, (kind, before, after, width, end_width) in enumerate(pairs, start=1):
        growth = end_width - width
        lane = xodr.Lane(kind, a=width, c=3.0 * growth / length**2, d=-2.0 * growth / length**3)
        lane.add_roadmark(_mark(xodr.RoadMarkType.none))
        lane.add_link("predecessor", before)
        lane.add_link("successor", after)
        section.add_right_lane(lane)
        connection.add_lanelink(before, -number)
    junction.add_connection(connection)
    lanes = xodr.Lanes()
    lanes.add_lanesection(section)
    road = xodr.Road(road_id, plan_view(movement.border), lanes, regulated.junction_id)
    road.add_predecessor(xodr.ElementType.road, source.street, _contact(source))
    road.add_successor(xodr.ElementType.road, goal.street, _contact(goal))
    limit = min(source.profile.speed_limit_kmh, goal.profile.speed_limit_kmh)
    road.add_type(xodr.RoadType.town, 0.0, speed=limit, speed_unit="km/h")
    return road


def _contact(arm: Arm) -> xodr.ContactPoint:
    return xodr.ContactPoint.start if arm.at_start else xodr.ContactPoint.end


def _link_street(road: xodr.Road, arm: Arm, junction_id: int) -> None:
    link = road.add_predecessor if arm.at_start else road.add_successor
    link(xodr.ElementType.junction, junction_id)


def _roadside(arm: Arm, road: xodr.Road, inset_m: float) -> tuple[float, float]:
    """(s, t) right of the traffic that nears the junction, on the outer half of the sidewalk."""
    beside = arm.profile.half_drive_m + 0.7 * arm.profile.sidewalk_m
    length = road.planview.get_total_length()
    return (inset_m, beside) if arm.at_start else (length - inset_m, -beside)


def _signal(arm: Arm, road: xodr.Road, signal_id: str) -> xodr.Signal:
    s, t = _roadside(arm, road, _SIGNAL_INSET_M)
    signal = xodr.Signal(
        s, t, "OpenDRIVE", SIGNAL_TYPE, id=signal_id, name="Signal_3Light_Post01",
        dynamic=xodr.Dynamic.yes, zOffset=0.0, orientation=_orientation(arm),
    )  # fmt: skip
    return _valid_for(signal, arm)


def _stop_sign(arm: Arm, road: xodr.Road, signal_id: str) -> xodr.Signal:
    s, t = _roadside(arm, road, _SIGNAL_INSET_M)
    signal = xodr.Signal(
        s, t, "OpenDRIVE", STOP_TYPE, id=signal_id, name="Sign_Stop", zOffset=0.0,
        orientation=_orientation(arm),
    )  # fmt: skip
    return _valid_for(signal, arm)


def _limit_signs(street: Street, first_id: int) -> list[xodr.Signal]:
    """One speed limit sign per direction, shortly after the street begins."""
    profile = street.profile
    beside = profile.half_drive_m + 0.7 * profile.sidewalk_m
    signals = []
    for number, forward in enumerate((True, False)):
        s = _SIGN_INSET_M if forward else street.curve.length_m - _SIGN_INSET_M
        signal = xodr.Signal(
            s, -beside if forward else beside, "OpenDRIVE", SPEED_LIMIT_TYPE,
            id=str(first_id + number), name=f"Speed_{profile.speed_limit_kmh}", zOffset=0.0,
            orientation=xodr.Orientation.positive if forward else xodr.Orientation.negative,
            value=profile.speed_limit_kmh, unit="km/h",
        )  # fmt: skip
        sign = -1 if forward else 1
        signals.append(signal.add_validity(*sorted((sign, sign * profile.lanes))))
    return signals


def _orientation(arm: Arm) -> xodr.Orientation:
    return xodr.Orientation.negative if arm.at_start else xodr.Orientation.positive


def _valid_for(signal: xodr.Signal, arm: Arm) -> xodr.Signal:
    sign = _entering_sign(arm)
    return signal.add_validity(*sorted((sign, sign * arm.profile.lanes)))


def _crosswalk(arm: Arm, road_length_m: float, road_id: int) -> Element:
    """A crossing just inside the junction, given at the street's end with local corners."""
    beyond = -1.0 if arm.at_start else 1.0
    near, far = beyond * _CROSSWALK_NEAR_M, beyond * _CROSSWALK_FAR_M
    side = arm.profile.half_drive_m
    element = Element(
        "object", id=f"{road_id}{0 if arm.at_start else 1}", name="SimpleCrosswalk",
        type="crosswalk", orientation="none", s=str(0.0 if arm.at_start else road_length_m),
        t="0.0", zOffset="0.0", hdg="0.0", pitch="0.0", roll="0.0",
        width=str(_CROSSWALK_FAR_M - _CROSSWALK_NEAR_M), length=str(2.0 * side),
    )  # fmt: skip
    outline = SubElement(element, "outline")
    for u, v in ((near, -side), (near, side), (far, side), (far, -side), (near, -side)):
        SubElement(outline, "cornerLocal", u=str(u), v=str(v), z="0.0")
    return element
