"""Scenarios of our own: what other road users do along a route, as its <scenarios> hold it.

<scenario name="12" type="StopSignJunction" background="8">
  <stream ego_m="131.5" meets_m="84.0" speed_mps="8.3" gaps_m="18.0 18.0">...</stream>
</scenario>

A scenario is a list of road users, each of which meets the ego at a distance along its route. Types
that are not ours are the official evaluator's, and are left to it.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, get_type_hints

from evaluation.routes.route import Route, RouteFileError

Positions: TypeAlias = tuple[tuple[float, float, float], ...]
"""Places (x, y, z) in the world, in metres."""
Floats: TypeAlias = tuple[float, ...]

TWIN = "-twin"
"""Ends the id of a route that is another's shape with the thing to decide shifted."""
KINDS = (
    "SignalledJunction",
    "StopSignJunction",
    "UnprotectedLeftTurn",
    "LeaderBrakes",
    "CutInAhead",
    "ParkedCarOncoming",
    "WalkerOnCrosswalk",
    "WalkerBehindCar",
    "MergeIntoStream",
    "RedLightRunner",
)


@dataclass(frozen=True)
class Stream:
    """Cars one behind the other along `path`, who look at no lights and signs.

    The first comes to `meets_m` of its path when an ego that goes on as it does comes to `ego_m` of
    its route, `late_s` after it; the others follow at `gaps_m` from front to front.
    """

    path: Positions
    meets_m: float
    ego_m: float
    speed_mps: float
    gaps_m: Floats = ()
    late_s: float = 0.0


@dataclass(frozen=True)
class Leader:
    """A car that drives before the ego, brakes hard at `brakes_at_m` of the route, stands, and goes
    on."""

    ahead_m: float
    speed_mps: float
    brakes_at_m: float
    deceleration_mps2: float
    stands_s: float


@dataclass(frozen=True)
class CutIn:
    """A car `offset_m` to the right of the route's lane (left: negative) which comes into it at
    `at_m`, when the ego is `before_s` behind, and goes on at `speed_mps`, later
    twice as fast. waits: it stands at the
    kerb until then, else it comes along beside the ego's lane."""

    offset_m: float
    at_m: float
    before_s: float
    speed_mps: float
    waits: bool


@dataclass(frozen=True)
class Parked:
    """A car that stands, `offset_m` to the right of the lane's centre."""

    at_m: float
    offset_m: float


@dataclass(frozen=True)
class Walker:
    """Somebody on foot, from the first place of `path` to the last, so that an ego that goes on as
    it does meets him in the middle of its lane, at `ego_m`; `late_s` after it."""

    path: Positions
    ego_m: float
    speed_mps: float
    late_s: float = 0.0


@dataclass(frozen=True)
class Lights:
    """The lights of the junction at `ego_m`: red for the ego until it has been near for `red_s`,
    green then; 0: green from the start. Crossing roads have the opposite."""

    ego_m: float
    red_s: float


RoadUser: TypeAlias = Stream | Leader | CutIn | Parked | Walker | Lights
TAGS: dict[str, type[RoadUser]] = {
    "stream": Stream,
    "leader": Leader,
    "cut_in": CutIn,
    "parked": Parked,
    "walker": Walker,
    "lights": Lights,
}


@dataclass(frozen=True)
class Scenario:
    """What there is to decide on a route, and who brings it about. background: vehicles around the
    ego beside them, if not more are asked for."""

    kind: str
    road_users: tuple[RoadUser, ...]
    background: int = 0

    def to_xml(self, name: str) -> str:
        """The <scenario> of a route file."""
        attributes = {"name": name, "type": self.kind, "background": str(self.background)}
        root = ET.Element("scenario", attributes)
        for user in self.road_users:
            _write(root, user)
        return ET.tostring(root, encoding="unicode")


def scenario_of(route: Route) -> Scenario | None:
    """The route's scenario, None if it has none of ours. Raises RouteFileError for what cannot be
    read."""
    for text in route.scenarios:
        element = ET.fromstring(text)
        kind = element.get("type", "")
        if kind in KINDS:
            where = f"{route.source}, route {route.route_id}, scenario {kind}"
            background = element.get("background", "0")
            if not background.isdecimal():
                raise RouteFileError(f"{where}: background={background!r} is not a whole number")
            users = tuple(_read(where, child) for child in element)
            return Scenario(kind, users, int(background))
    return None


def _write(root: ET.Element, user: RoadUser) -> None:
    tag = next(name for name, kind in TAGS.items() if type(user) is kind)
    element = ET.SubElement(root, tag)
    for field in fields(user):
        value = getattr(user, field.name)
        if field.name == "path":
            for place in value:
                texts = {axis: f"{number:.2f}" for axis, number in zip("xyz", place, strict=True)}
                ET.SubElement(element, "position", texts)
        else:
            element.set(field.name, _text(value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(f"{one:.2f}" for one in value) if isinstance(value, tuple) else f"{value:.2f}"


def _read(where: str, element: ET.Element) -> RoadUser:
    kind = TAGS.get(element.tag)
    if kind is None:
        raise RouteFileError(f"{where}: <{element.tag}> is none of {', '.join(TAGS)}")
    values: dict[str, Any] = {}
    for name, expected in get_type_hints(kind).items():
        if name == "path":
            values[name] = _path(where, element)
        elif element.get(name) is not None:
            values[name] = _value(f"{where}: <{element.tag}>", element, name, expected)
    unknown = sorted(set(element.keys()) - set(values))
    if unknown:
        raise RouteFileError(f"{where}: <{element.tag}> has no {unknown[0]!r}")
    try:
        return kind(**values)
    except TypeError as error:
        raise RouteFileError(f"{where}: <{element.tag}>: {error}") from None


def _path(where: str, element: ET.Element) -> Positions:
    places = element.findall("position")
    if len(places) < 2:
        raise RouteFileError(f"{where}: <{element.tag}> needs two or more <position>")
    at = f"{where}: <position>"
    return tuple(
        (_number(at, place, "x"), _number(at, place, "y"), _number(at, place, "z"))
        for place in places
    )


def _value(where: str, element: ET.Element, name: str, expected: Any) -> Any:
    text = element.get(name, "")
    if expected is bool:
        if text not in ("true", "false"):
            raise RouteFileError(f"{where} {name}={text!r} is neither true nor false")
        return text == "true"
    if expected is float:
        return _number(where, element, name)
    parts = [ET.Element(element.tag, {name: part}) for part in text.split()]
    return tuple(_number(where, part, name) for part in parts)


def _number(where: str, element: ET.Element, name: str) -> float:
    text = element.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RouteFileError(f"{where} {name}={text!r} is not a number")
    return value
