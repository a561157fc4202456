"""Links between lanes, roads and junctions of an OpenDRIVE document, as carla.Map needs them.

A link to a lane that is not there ends the process from inside the wheel; one that is missing
between two sections of a road ends the lane.
"""

from __future__ import annotations

from collections.abc import Container
from itertools import count, pairwise
from xml.etree.ElementTree import Element, SubElement

from evaluation.simulator.town.opendrive_records import OpenDriveError, whole_number


def mend_links(root: Element, notices: list[str]) -> None:
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


def give_junctions_ids_of_their_own(root: Element, notices: list[str]) -> None:
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


def mend_junctions(root: Element, notices: list[str]) -> None:
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


def check_connection(connection: Element, roads: Container[int], where: str) -> None:
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
