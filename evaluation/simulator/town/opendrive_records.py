"""What the product takes from an OpenDRIVE document, as records.

Numbers are checked here: an attribute that is no finite number is an error that names its road.
Frame: OpenDRIVE's own, s along the reference line and t to its left, m; limits in m/s.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

MPS_PER_UNIT = {"km/h": 1.0 / 3.6, "kph": 1.0 / 3.6, "mph": 0.44704, "m/s": 1.0}
"""Units of speed of OpenDRIVE 1.8 (e_unitSpeed), and one that tools write."""

LIGHT_TYPES = frozenset(
    {"1000001", "1000002", "1000020", "F", *(str(number) for number in range(1_000_008, 1_000_013))}
)
"""Types that the wheel 0.9.16 takes for lights; 1000011 is what SUMO's netconvert writes."""

_MOST_UNSIGNED = 2**32 - 1
_MOST_SIGNED = 2**31 - 1


class OpenDriveError(ValueError):
    """A document that cannot be used; the message names the element and the reason."""


@dataclass(frozen=True)
class SpeedRecord:
    """A limit from `s_m` of its road on; None where none is stated or it has no number."""

    s_m: float
    limit_mps: float | None


@dataclass(frozen=True)
class LaneRecord:
    """One lane of one section. `successor` and `predecessor` are lane ids, None for no link."""

    lane_id: int
    kind: str
    predecessor: int | None
    successor: int | None
    speeds: tuple[SpeedRecord, ...]


@dataclass(frozen=True)
class SectionRecord:
    """A stretch of a road with the same lanes; `index` counts them as carla.Map does."""

    index: int
    start_m: float
    end_m: float
    lanes: tuple[LaneRecord, ...]


@dataclass(frozen=True)
class RoadRecord:
    """One road; `junction_id` is -1 outside junctions."""

    road_id: int
    junction_id: int
    length_m: float
    left_hand: bool
    sections: tuple[SectionRecord, ...]
    speeds: tuple[SpeedRecord, ...]


@dataclass(frozen=True)
class SignalRecord:
    """A signal, or a reference to one from another road.

    `validities` are pairs of lane ids, empty where the document leaves them to `orientation`
    ("+", "-" or "none").
    """

    road_id: int
    signal_id: str
    kind: str
    subtype: str
    name: str
    value: float | None
    unit: str
    orientation: str
    s_m: float
    validities: tuple[tuple[int, int], ...]
    is_reference: bool = False


@dataclass(frozen=True)
class CrosswalkRecord:
    """A crosswalk; `corners_st_m` (s, t) only where its corners are given along the road, which
    carla.Map passes over."""

    road_id: int
    object_id: str
    corners_st_m: tuple[tuple[float, float], ...]


def number(element: Element, name: str, where: str, default: float | None = None) -> float:
    """A finite number of an attribute.

    Raises:
        OpenDriveError: it is missing and has no default, or is none.
    """
    text = element.get(name)
    if (text is None or not text.strip()) and default is not None:
        return default
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise OpenDriveError(f"{where}: <{element.tag}> has {name}={text!r}, which is no number")
    return value


def whole_number(text: str | None, where: str, what: str, signed: bool = False) -> int:
    """An id that carla.Map can hold.

    Raises:
        OpenDriveError: it is a word, or out of range.
    """
    try:
        value = int(text if text is not None else "")
    except ValueError:
        raise OpenDriveError(
            f"{where}: {what} {text!r} is no whole number, and CARLA knows no other ids; "
            "number them"
        ) from None
    low, high = (-_MOST_SIGNED - 1, _MOST_SIGNED) if signed else (0, _MOST_UNSIGNED)
    if not low <= value <= high:
        raise OpenDriveError(
            f"{where}: {what} {value} is not between {low} and {high}, which is all that CARLA "
            "holds; number them anew"
        )
    return value


def read_roads(root: Element) -> tuple[RoadRecord, ...]:
    """All roads, in the order of the document.

    Raises:
        OpenDriveError: an id or number that cannot be used, a repeated id, or sections that do
            not follow each other.
    """
    roads: dict[int, RoadRecord] = {}
    for element in root.findall("road"):
        road = _read_road(element)
        if road.road_id in roads:
            raise OpenDriveError(f"road {road.road_id}: the id is used more than once")
        roads[road.road_id] = road
    return tuple(roads.values())


def _read_road(element: Element) -> RoadRecord:
    where = f"road {element.get('id')}"
    road_id = whole_number(element.get("id"), where, "the road id")
    junction = element.get("junction") or "-1"
    length_m = number(element, "length", where)
    sections = tuple(_read_sections(element, where, length_m))
    return RoadRecord(
        road_id=road_id,
        junction_id=whole_number(junction, where, "the junction id", signed=True),
        length_m=length_m,
        left_hand=element.get("rule", "RHT").upper() == "LHT",
        sections=sections,
        speeds=tuple(_read_speeds(element, where)),
    )


def _read_sections(road: Element, where: str, length_m: float) -> Iterator[SectionRecord]:
    elements = road.findall("lanes/laneSection")
    starts = [number(section, "s", where, 0.0) for section in elements]
    for index, section in enumerate(elements):
        end_m = starts[index + 1] if index + 1 < len(starts) else length_m
        lanes = tuple(
            _read_lane(lane, where, starts[index])
            for side in ("left", "center", "right")
            for lane in section.findall(f"{side}/lane")
        )
        ids = [lane.lane_id for lane in lanes]
        if len(set(ids)) < len(ids):
            raise OpenDriveError(f"{where}, section {index}: a lane id is used more than once")
        yield SectionRecord(index, starts[index], end_m, lanes)


def _read_lane(element: Element, road: str, section_start_m: float) -> LaneRecord:
    where = f"{road}, lane {element.get('id')}"
    speeds = [
        SpeedRecord(section_start_m + number(speed, "sOffset", where, 0.0), speed_mps(speed))
        for speed in element.findall("speed")
    ]
    return LaneRecord(
        lane_id=whole_number(element.get("id"), where, "the lane id", signed=True),
        kind=element.get("type", "none"),
        predecessor=_linked_lane(element.find("link/predecessor"), where),
        successor=_linked_lane(element.find("link/successor"), where),
        speeds=tuple(sorted(speeds, key=lambda speed: speed.s_m)),
    )


def _linked_lane(link: Element | None, where: str) -> int | None:
    if link is None:
        return None
    return whole_number(link.get("id"), where, "the linked lane", signed=True) or None


def _read_speeds(road: Element, where: str) -> Iterator[SpeedRecord]:
    types = [(number(kind, "s", where, 0.0), kind.find("speed")) for kind in road.findall("type")]
    for s_m, speed in sorted(types, key=lambda pair: pair[0]):
        yield SpeedRecord(s_m, None if speed is None else speed_mps(speed))


def speed_mps(speed: Element) -> float | None:
    """Limit of a <speed>; None for "no limit", "undefined", and what is no number."""
    return in_mps(speed.get("max"), speed.get("unit") or "m/s")


def in_mps(value: str | None, unit: str) -> float | None:
    """A speed in a unit of OpenDRIVE; None for an unknown unit, and where it is not above 0."""
    try:
        speed = float(value or "") * MPS_PER_UNIT[unit.strip().lower()]
    except (ValueError, KeyError):
        return None
    return speed if 0.0 < speed < math.inf else None


def read_signals(root: Element) -> tuple[SignalRecord, ...]:
    """All signals and references to them, in the order of the document."""
    found = [
        (road, element)
        for road in root.findall("road")
        for element in road.findall("signals/*")
        if element.tag in ("signal", "signalReference")
    ]
    originals = {element.get("id", ""): element for _, element in found if element.tag == "signal"}
    return tuple(
        _read_signal(road, element, originals[element.get("id", "")]) for road, element in found
    )


def _read_signal(road: Element, element: Element, original: Element) -> SignalRecord:
    where = f"road {road.get('id')}, signal {element.get('id')}"
    value = original.get("value")
    try:
        shown = float(value) if value else None
    except ValueError:
        shown = None
    return SignalRecord(
        road_id=int(road.get("id", "-1")),
        signal_id=element.get("id", ""),
        kind=original.get("type", ""),
        subtype=original.get("subtype", ""),
        name=original.get("name", ""),
        value=shown if shown is not None and math.isfinite(shown) else None,
        unit=original.get("unit", ""),
        orientation=element.get("orientation", "none"),
        s_m=number(element, "s", where),
        validities=tuple(
            (
                whole_number(lanes.get("fromLane"), where, "the lane", signed=True),
                whole_number(lanes.get("toLane"), where, "the lane", signed=True),
            )
            for lanes in element.findall("validity")
        ),
        is_reference=element.tag == "signalReference",
    )


def read_crosswalks(root: Element) -> tuple[CrosswalkRecord, ...]:
    """All crosswalks, in the order of the document."""
    found = []
    for road in root.findall("road"):
        for element in road.findall("objects/object[@type='crosswalk']"):
            where = f"road {road.get('id')}, crosswalk {element.get('id')}"
            corners = tuple(
                (number(corner, "s", where), number(corner, "t", where))
                for corner in element.findall("outline/cornerRoad")
            )
            road_id, object_id = int(road.get("id", "-1")), element.get("id", "")
            found.append(CrosswalkRecord(road_id, object_id, corners))
    return tuple(found)


def read_controllers(root: Element) -> dict[int, tuple[tuple[str, ...], ...]]:
    """Signals of each junction: one tuple of signal ids per phase, in sequence."""
    signals = {
        controller.get("id", ""): tuple(
            dict.fromkeys(control.get("signalId", "") for control in controller.iter("control"))
        )
        for controller in root.findall("controller")
    }
    phases = {}
    for junction in root.findall("junction"):
        where = f"junction {junction.get('id')}"
        entries = sorted(
            junction.findall("controller"),
            key=lambda entry: number(entry, "sequence", where, 0.0),
        )
        listed = tuple(signals.get(entry.get("id", ""), ()) for entry in entries)
        if listed:
            junction_id = whole_number(junction.get("id"), where, "the junction id", signed=True)
            phases[junction_id] = listed
    return phases
