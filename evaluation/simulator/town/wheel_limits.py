"""What carla.Map cannot take of OpenDRIVE: mended where the meaning is plain, refused otherwise.

Checked against the wheel 0.9.16 and the sources of 0.9.15 (LibCarla/source/carla/opendrive and
road). Some of what is mended or refused here would end the process from inside the wheel, so that
no exception could be caught: a link to a lane that is not there, a first <laneOffset> beyond the
road's start, a reference to a signal or controller that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, pairwise
from xml.etree.ElementTree import Element, SubElement

from evaluation.simulator.town.opendrive_records import (
    OpenDriveError,
    RoadRecord,
    SectionRecord,
    number,
    whole_number,
)

NO_CURVATURE_PER_M = 1e-9
"""Below this the wheel's arcs and clothoids turn into NaN or jump; a line is within 1 mm of it on
a kilometre."""
LONGEST_ROAD_M = 200_000.0
"""The wheel samples every lane of a road when it loads: a longer one would take minutes."""
SHORTEST_SECTION_M = 1e-6
_SHAPES = ("line", "spiral", "arc", "poly3", "paramPoly3")
_SAME_LANE_TYPES = {"walking": "sidewalk"}
"""Names of OpenDRIVE 1.8 for what the wheel knows by an older one."""


def mend(root: Element) -> tuple[str, ...]:
    """Rewrite a document (namespaces stripped) for carla.Map; returns what was done.

    Raises:
        OpenDriveError: an id or number that cannot be read.
    """
    notices: list[str] = []
    _give_junctions_ids_of_their_own(root, notices)
    for road in root.findall("road"):
        where = f"road {road.get('id')}"
        whole_number(road.get("id"), where, "the road id")
        if not road.get("junction"):
            road.set("junction", "-1")
            notices.append(f"{where}: has no attribute junction; taken as outside of junctions")
        _mend_plan_view(road, where, notices)
        _begin_at_zero(road, "elevationProfile", "elevation", where, notices)
        _begin_at_zero(road, "lanes", "laneOffset", where, notices)
        _drop_empty_sections(road, where, notices)
        _mend_lanes(road, where, notices)
        _mend_objects(road, where, notices)
    _mend_junctions(root, notices)
    _mend_links(root, notices)
    _drop_unknown_signals(root, notices)
    return tuple(notices)


def check(root: Element, roads: Sequence[RoadRecord]) -> None:
    """Refuse what carla.Map would turn into an exception without a name, or worse.

    Raises:
        OpenDriveError: names road, element and reason.
    """
    known = {road.road_id for road in roads}
    for element, road in zip(root.findall("road"), roads, strict=True):
        where = f"road {road.road_id}"
        _check_numbers(element, where)
        _check_extent(element, road, where)
        for section in road.sections:
            _check_lanes(section, f"{where}, section {section.index}")
        for width_of in element.iter("lane"):
            _check_width(width_of, f"{where}, lane {width_of.get('id')}")
        for signal in element.findall("signals/*"):
            if number(signal, "s", f"{where}, signal {signal.get('id')}") < 0.0:
                raise OpenDriveError(f"{where}, signal {signal.get('id')}: s is below 0")
    kinds = {lane.kind for road in roads for section in road.sections for lane in section.lanes}
    if "driving" not in kinds:
        raise OpenDriveError(
            f"no driving lane; its lanes are of the types {', '.join(sorted(kinds))}, and CARLA "
            "drives on driving alone"
        )
    for junction in root.findall("junction"):
        where = f"junction {junction.get('id')}"
        whole_number(junction.get("id"), where, "the junction id", signed=True)
        for connection in junction.findall("connection"):
            _check_connection(connection, known, f"{where}, connection {connection.get('id')}")


# Geometry


def _mend_plan_view(road: Element, where: str, notices: list[str]) -> None:
    plan = road.find("planView")
    if plan is None:
        return
    geometries = plan.findall("geometry")
    for geometry in geometries:
        place = f"{where}, <geometry> at s={geometry.get('s')}"
        if len(geometries) > 1 and number(geometry, "length", place) <= 0.0:
            plan.remove(geometry)
            notices.append(f"{place}: has no length; left out")
            continue
        shape = next((child for child in geometry if child.tag in _SHAPES), None)
        if shape is None:
            raise OpenDriveError(f"{place}: has none of {', '.join(_SHAPES)}")
        if geometry[0] is not shape:
            # carla.Map looks at the first child alone.
            geometry.remove(shape)
            geometry.insert(0, shape)
            notices.append(f"{place}: <{shape.tag}> put before its neighbours")
        _mend_shape(geometry, shape, place, notices)


def _mend_shape(geometry: Element, shape: Element, place: str, notices: list[str]) -> None:
    """Clothoids of constant curvature become arcs, arcs without curvature lines."""
    if shape.tag == "spiral":
        start, end = (number(shape, name, place) for name in ("curvStart", "curvEnd"))
        if abs(end - start) < NO_CURVATURE_PER_M:
            _reshape(geometry, shape, 0.5 * (start + end))
            notices.append(f"{place}: <spiral> with equal curvatures {start:g} is an arc or a line")
    elif shape.tag == "arc":
        curvature = number(shape, "curvature", place)
        if abs(curvature) < NO_CURVATURE_PER_M:
            _reshape(geometry, shape, 0.0)
            notices.append(f"{place}: <arc> with curvature {curvature:g} is a line")


def _reshape(geometry: Element, shape: Element, curvature_per_m: float) -> None:
    index = list(geometry).index(shape)
    geometry.remove(shape)
    if abs(curvature_per_m) < NO_CURVATURE_PER_M:
        geometry.insert(index, Element("line"))
    else:
        geometry.insert(index, Element("arc", curvature=repr(curvature_per_m)))


def _begin_at_zero(
    road: Element, parent_tag: str, tag: str, where: str, notices: list[str]
) -> None:
    """Profiles are 0 before their first record; the wheel needs one there."""
    parent = road.find(parent_tag)
    first = None if parent is None else parent.find(tag)
    if parent is None or first is None or number(first, "s", where, 0.0) <= 0.0:
        return
    zero = Element(tag, s="0", a="0", b="0", c="0", d="0")
    parent.insert(list(parent).index(first), zero)
    notices.append(f"{where}: <{tag}> begins at s={first.get('s')} only; 0 before it")


def _check_numbers(road: Element, where: str) -> None:
    """Every number that the wheel makes positions of."""
    shapes = [shape for geometry in road.iter("geometry") for shape in geometry]
    records = [*road.iter("geometry"), *road.iter("elevation"), *road.iter("laneOffset")]
    for element in [*records, *shapes, *road.iter("width")]:
        if element.tag == "userData":
            continue
        for name in element.attrib:
            if name != "pRange":
                number(element, name, where)


def _check_extent(element: Element, road: RoadRecord, where: str) -> None:
    if not 0.0 < road.length_m <= LONGEST_ROAD_M:
        raise OpenDriveError(
            f"{where}: length {road.length_m:g} m is not above 0 and up to {LONGEST_ROAD_M:g} m"
        )
    geometries = element.findall("planView/geometry")
    if not geometries:
        raise OpenDriveError(f"{where}: has no <geometry> in <planView>")
    if number(geometries[0], "s", where, 0.0) > 0.0:
        raise OpenDriveError(f"{where}: its first <geometry> begins at s={geometries[0].get('s')}")
    if not road.sections:
        raise OpenDriveError(f"{where}: has no <laneSection>")
    starts = [section.start_m for section in road.sections]
    if starts[0] > 0.0 or any(second <= first for first, second in pairwise(starts)):
        raise OpenDriveError(f"{where}: its lane sections do not follow each other from s=0")


# Lanes


def _drop_empty_sections(road: Element, where: str, notices: list[str]) -> None:
    """Sections without length: the wheel gives their lanes' widths to the section before."""
    lanes = road.find("lanes")
    if lanes is None:
        return
    sections = lanes.findall("laneSection")
    starts = [number(section, "s", where, 0.0) for section in sections]
    ends = [*starts[1:], number(road, "length", where)]
    for section, start_m, end_m in zip(sections, starts, ends, strict=False):
        if end_m - start_m < SHORTEST_SECTION_M and len(lanes.findall("laneSection")) > 1:
            lanes.remove(section)
            notices.append(f"{where}: the lane section at s={start_m:g} has no length; left out")
    first = lanes.find("laneSection")
    if first is not None and 0.0 < number(first, "s", where, 0.0) < SHORTEST_SECTION_M:
        first.set("s", "0")


def _mend_lanes(road: Element, where: str, notices: list[str]) -> None:
    for section in road.findall("lanes/laneSection"):
        if section.find("center/lane") is None:
            centre = section.find("center")
            centre = SubElement(section, "center") if centre is None else centre
            SubElement(centre, "lane", id="0", type="none", level="false")
            notices.append(f"{where}: a lane section without centre lane got one")
    for lane in road.findall("lanes/laneSection/*/lane"):
        kind = _SAME_LANE_TYPES.get(lane.get("type", ""))
        if kind is not None:
            notices.append(f"{where}, lane {lane.get('id')}: type {lane.get('type')} is {kind}")
            lane.set("type", kind)


def _check_lanes(section: SectionRecord, where: str) -> None:
    ids = sorted(lane.lane_id for lane in section.lanes)
    if ids != list(range(ids[0], ids[-1] + 1)) or 0 not in ids:
        raise OpenDriveError(f"{where}: the lane ids {ids} have a gap; number the lanes in a row")


def _check_width(lane: Element, where: str) -> None:
    first = lane.find("width")
    if first is not None and number(first, "sOffset", where, 0.0) > 0.0:
        raise OpenDriveError(
            f"{where}: its first <width> begins at sOffset={first.get('sOffset')}; give one for 0"
        )


# Links


def _mend_links(root: Element, notices: list[str]) -> None:
    """Take out links to lanes that are not there, and complete those that were left out."""
    sections = {road.get("id", ""): _lane_ids(road) for road in root.findall("road")}
    junctions = {junction.get("id") for junction in root.findall("junction")}
    for road in root.findall("road"):
        where = f"road {road.get('id')}"
        elements = road.findall("lanes/laneSection")
        own = sections[road.get("id", "")]
        beyond = {
            side: _linked_lanes(road.find(f"link/{side}"), sections, junctions)
            for side in ("predecessor", "successor")
        }
        for index, section in enumerate(elements):
            before = own[index - 1] if index > 0 else beyond["predecessor"]
            after = own[index + 1] if index + 1 < len(own) else beyond["successor"]
            for lane in section.findall("*/lane"):
                _drop_wrong_link(lane, "predecessor", before, f"{where}, section {index}", notices)
                _drop_wrong_link(lane, "successor", after, f"{where}, section {index}", notices)
        for index, (section, following) in enumerate(pairwise(elements)):
            _join(section, following, f"{where}, sections {index} and {index + 1}", notices)


def _lane_ids(road: Element) -> list[set[str]]:
    """Ids of the lanes of each section."""
    return [
        {lane.get("id", "") for lane in section.findall("*/lane")}
        for section in road.findall("lanes/laneSection")
    ]


def _linked_lanes(
    link: Element | None, sections: dict[str, list[set[str]]], junctions: set[str | None]
) -> set[str] | None:
    """Lanes that a road's end leads to; None where its junction knows."""
    if link is None:
        return set()
    if link.get("elementType") == "junction" and link.get("elementId") in junctions:
        return None
    target = sections.get(link.get("elementId", ""), [])
    if not target:
        return set()
    ends = {"start": target[:1], "end": target[-1:]}.get(link.get("contactPoint", ""), target)
    return set().union(*ends)


def _drop_wrong_link(
    lane: Element, side: str, existing: set[str] | None, where: str, notices: list[str]
) -> None:
    links = lane.find("link")
    link = None if links is None else links.find(side)
    if links is None or link is None or existing is None:
        return
    if link.get("id") not in existing or link.get("id") == "0" != lane.get("id"):
        links.remove(link)
        notices.append(
            f"{where}, lane {lane.get('id')}: its {side} {link.get('id')} is not there; link left "
            "out"
        )


def _join(section: Element, following: Element, where: str, notices: list[str]) -> None:
    """Link driving lanes of one number whose links at a section's end were left out."""
    later = {lane.get("id"): lane for lane in following.findall("*/lane")}
    taken = {_link_of(lane, "successor") for lane in section.findall("*/lane")}
    reached = {_link_of(lane, "predecessor") for lane in later.values()}
    for lane in section.findall("*/lane"):
        lane_id = lane.get("id", "")
        other = later.get(lane_id)
        if other is None or not lane.get("type") == other.get("type") == "driving":
            continue
        onward, back = _link_of(lane, "successor"), _link_of(other, "predecessor")
        if onward == lane_id and back is None:
            _set_link(other, "predecessor", lane_id)
        elif back == lane_id and onward is None:
            _set_link(lane, "successor", lane_id)
        elif onward is None and back is None and lane_id not in taken | reached:
            _set_link(lane, "successor", lane_id)
            _set_link(other, "predecessor", lane_id)
        else:
            continue
        notices.append(f"{where}: lane {lane_id} is linked to itself across them")


def _link_of(lane: Element, side: str) -> str | None:
    link = lane.find(f"link/{side}")
    return None if link is None else link.get("id")


def _set_link(lane: Element, side: str, lane_id: str) -> None:
    links = lane.find("link")
    if links is None:
        links = Element("link")
        lane.insert(0, links)
    SubElement(links, side, id=lane_id)


# Junctions


def _give_junctions_ids_of_their_own(root: Element, notices: list[str]) -> None:
    """The wheel takes a link to a junction for one to a road wherever a road has that id."""
    roads = {road.get("id") for road in root.findall("road")}
    junctions = {junction.get("id") for junction in root.findall("junction")}
    free = (str(number) for number in count(100_000) if str(number) not in roads | junctions)
    for junction in root.findall("junction"):
        old = junction.get("id")
        if old not in roads:
            continue
        new = next(free)
        junction.set("id", new)
        for road in root.findall("road"):
            if road.get("junction") == old:
                road.set("junction", new)
            for link in road.findall("link/*"):
                if link.get("elementType") == "junction" and link.get("elementId") == old:
                    link.set("elementId", new)
        notices.append(f"junction {old}: a road has the same id; known as junction {new}")


def _mend_junctions(root: Element, notices: list[str]) -> None:
    sections = {road.get("id", ""): _lane_ids(road) for road in root.findall("road")}
    for junction in root.findall("junction"):
        where = f"junction {junction.get('id')}"
        connections = junction.findall("connection")
        ids = [connection.get("id", "") for connection in connections]
        if len(set(ids)) < len(ids) or not all(text.isdecimal() for text in ids):
            for index, connection in enumerate(connections):
                connection.set("id", str(index))
            notices.append(f"{where}: its connections are numbered anew")
        for connection in connections:
            road = connection.get("connectingRoad")
            lanes = set().union(*sections.get(road or "", []))
            for link in connection.findall("laneLink"):
                if road in sections and (link.get("to") not in lanes or link.get("to") == "0"):
                    connection.remove(link)
                    notices.append(
                        f"{where}: the link to lane {link.get('to')} of road {road}, which is not "
                        "there, is left out"
                    )


def _check_connection(connection: Element, roads: Iterable[int], where: str) -> None:
    if connection.get("connectingRoad") is None and connection.get("linkedRoad") is not None:
        raise OpenDriveError(
            f"{where}: belongs to a direct junction (linkedRoad), which CARLA does not know; write "
            "it as a common junction with connecting roads"
        )
    for name in ("incomingRoad", "connectingRoad"):
        if connection.get(name) is None:
            continue
        road_id = whole_number(connection.get(name), where, f"the {name}")
        if road_id not in roads and name == "connectingRoad":
            raise OpenDriveError(f"{where}: {name} {road_id} is not there")


# Signals and objects


def _drop_unknown_signals(root: Element, notices: list[str]) -> None:
    signals = {signal.get("id") for signal in root.findall("road/signals/signal")}
    controllers = {controller.get("id") for controller in root.findall("controller")}
    for road in root.findall("road"):
        for listed in road.findall("signals"):
            for reference in listed.findall("signalReference"):
                if reference.get("id") not in signals:
                    listed.remove(reference)
                    notices.append(
                        f"road {road.get('id')}: the signal {reference.get('id')} that it refers "
                        "to is not there; left out"
                    )
    for controller in root.findall("controller"):
        for control in controller.findall("control"):
            if control.get("signalId") not in signals:
                controller.remove(control)
                notices.append(
                    f"controller {controller.get('id')}: its signal {control.get('signalId')} is "
                    "not there; left out"
                )
    for junction in root.findall("junction"):
        for entry in junction.findall("controller"):
            if entry.get("id") not in controllers:
                junction.remove(entry)
                notices.append(
                    f"junction {junction.get('id')}: its controller {entry.get('id')} is not "
                    "there; left out"
                )


def _mend_objects(road: Element, where: str, notices: list[str]) -> None:
    for element in road.findall("objects/object"):
        name = element.get("name", "")
        if element.get("type") == "crosswalk":
            _mend_outline(element, f"{where}, crosswalk {element.get('id')}", notices)
        elif name[:6] in ("Speed_", "speed_") and not _names_a_speed(name):
            # The wheel makes a speed sign of it, and fails where no number follows.
            element.set("name", f"_{name}")
            notices.append(f"{where}, object {element.get('id')}: {name!r} names no speed")


def _names_a_speed(name: str) -> bool:
    text = name[13:] if "STATIC" in name else name[6:]
    return text[:1].isdecimal()


def _mend_outline(element: Element, where: str, notices: list[str]) -> None:
    """One outline, with its first corner repeated at the end: the wheel puts the corners of all
    crosswalks into one row, which can be parted there only."""
    outline, wrapped = element.find("outline"), element.find("outlines/outline")
    if outline is None and wrapped is not None:
        element.append(wrapped)
        outline = wrapped
        notices.append(f"{where}: its outline is read from <outlines>")
    if outline is None:
        # Without one the wheel gives it the outline of the crosswalk before.
        outline = SubElement(element, "outline")
        for u, v in _box_corners(element, where):
            SubElement(outline, "cornerLocal", u=repr(u), v=repr(v), z="0")
        notices.append(f"{where}: has no outline; drawn by its length and width")
    corners = outline.findall("cornerLocal")
    if len(corners) < 3:
        return
    ends = [[number(corner, name, where, 0.0) for name in "uvz"] for corner in corners]
    if max(abs(a - b) for a, b in zip(ends[0], ends[-1], strict=True)) > 1e-6:
        SubElement(outline, "cornerLocal", {key: corners[0].get(key, "0") for key in "uvz"})
        notices.append(f"{where}: its outline is closed by its first corner")


def _box_corners(element: Element, where: str) -> Iterator[tuple[float, float]]:
    half_u = 0.5 * number(element, "length", where, 0.0)
    half_v = 0.5 * number(element, "width", where, 0.0)
    for u, v in ((-1, -1), (-1, 1), (1, 1), (1, -1)):
        yield u * half_u, v * half_v
