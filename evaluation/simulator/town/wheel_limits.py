"""What carla.Map cannot take of OpenDRIVE: mended where the meaning is plain, refused otherwise.

Checked against the wheel 0.9.16 and the sources of 0.9.15 (LibCarla/source/carla/opendrive and
road). Some of what is mended or refused here would end the process from inside the wheel, so that
no exception could be caught: a link to a lane that is not there, a first <laneOffset> beyond the
road's start, a reference to a signal or controller that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement

from evaluation.simulator.town.lane_links import (
    check_connection,
    give_junctions_ids_of_their_own,
    mend_junctions,
    mend_links,
)
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
    give_junctions_ids_of_their_own(root, notices)
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
    mend_junctions(root, notices)
    mend_links(root, notices)
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
            check_connection(connection, known, f"{where}, connection {connection.get('id')}")


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
    if starts[0] != 0.0 or any(second <= first for first, second in pairwise(starts)):
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
        notices.append(f"{where}: its first lane section begins at s=0")


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
