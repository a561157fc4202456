"""Route files of the leaderboard: reading, writing, and the plan that an agent is given.

<routes><route id="0" town="Town01">
  <weathers><weather route_percentage="0" cloudiness="5.0" .../></weathers>
  <waypoints><position x="1.0" y="2.0" z="0.0"/>...</waypoints>
  <scenarios>...</scenarios>
</route></routes>
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from evaluation.routes.route import Route, RouteFileError, WeatherPoint


def read_routes(path: Path, only: Sequence[str] = ()) -> tuple[Route, ...]:
    """All routes of the file, or those whose ids are given, in the file's order."""
    try:
        root = ET.parse(path).getroot()
    except FileNotFoundError:
        raise RouteFileError(f"{path}: no such route file") from None
    except ET.ParseError as error:
        raise RouteFileError(f"{path} is not XML: {error}") from None
    routes = tuple(
        _read_route(path, element, index) for index, element in enumerate(root.iter("route"))
    )
    if not routes:
        raise RouteFileError(f"{path}: no <route> in the file")
    ids = [route.route_id for route in routes]
    repeated = sorted({route_id for route_id in ids if ids.count(route_id) > 1})
    if repeated:
        raise RouteFileError(f"{path}: route id {', '.join(repeated)} is used more than once")
    missing = [route_id for route_id in only if route_id not in ids]
    if missing:
        raise RouteFileError(f"{path}: no route {', '.join(missing)}; it has {', '.join(ids)}")
    return tuple(route for route in routes if not only or route.route_id in only)


def _read_route(path: Path, element: ET.Element, index: int) -> Route:
    route_id = element.get("id")
    where = f"{path}, route {route_id}" if route_id else f"{path}, route number {index + 1}"
    town = element.get("town")
    if not route_id or not town:
        missing = "id" if not route_id else "town"
        raise RouteFileError(f"{where}: the attribute {missing!r} of <route> is missing")
    waypoints = element.find("waypoints")
    positions = [] if waypoints is None else list(waypoints.iter("position"))
    if len(positions) < 2:
        raise RouteFileError(
            f"{where}: needs two or more <position> in <waypoints>, got {len(positions)}"
        )
    scenarios = element.find("scenarios")
    return Route(
        route_id=route_id,
        town=town,
        positions_world_m=tuple(
            (
                _number(where, position, "x"),
                _number(where, position, "y"),
                _number(where, position, "z"),
            )
            for position in positions
        ),
        weathers=_read_weathers(where, element.find("weathers")),
        scenarios=tuple(
            ET.tostring(scenario, encoding="unicode").strip()
            for scenario in (() if scenarios is None else scenarios)
        ),
        source=path,
    )


def _number(where: str, element: ET.Element, name: str) -> float:
    text = element.get(name)
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RouteFileError(f"{where}: <{element.tag}> {name}={text!r} is not a number")
    return value


def _read_weathers(where: str, weathers: ET.Element | None) -> tuple[WeatherPoint, ...]:
    if weathers is None:
        return ()
    points = []
    for weather in weathers.iter("weather"):
        names = sorted(name for name in weather.keys() if name != "route_percentage")  # noqa: SIM118
        points.append(
            WeatherPoint(
                route_percent=_number(where, weather, "route_percentage"),
                parameters=tuple((name, _number(where, weather, name)) for name in names),
            )
        )
    return tuple(sorted(points, key=lambda point: point.route_percent))


def write_routes(path: Path, routes: Sequence[Route]) -> None:
    root = ET.Element("routes")
    for route in routes:
        element = ET.SubElement(root, "route", id=route.route_id, town=route.town)
        weathers = ET.SubElement(element, "weathers")
        for point in route.weathers:
            attributes = {name: repr(value) for name, value in point.parameters}
            ET.SubElement(
                weathers, "weather", {"route_percentage": repr(point.route_percent), **attributes}
            )
        waypoints = ET.SubElement(element, "waypoints")
        for position in route.positions_world_m:
            attributes = {name: f"{value:.2f}" for name, value in zip("xyz", position, strict=True)}
            ET.SubElement(waypoints, "position", attributes)
        scenarios = ET.SubElement(element, "scenarios")
        scenarios.extend(ET.fromstring(scenario) for scenario in route.scenarios)
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ET.tostring(root, encoding="unicode") + "\n", encoding="utf-8")
