"""Route files of the leaderboard: reading those of 2.x and 1.0, writing those of 2.x.

<routes><route id="0" town="Town01">
  <weathers><weather route_percentage="0" cloudiness="5.0" .../></weathers>
  <waypoints><position x="1.0" y="2.0" z="0.0"/>...</waypoints>
  <scenarios>...</scenarios>
</route></routes>

Leaderboard 1.0 (longest6, town05_long, NEAT's routes) has neither <weathers> nor <position>:
<route id="0" town="Town01"><weather cloudiness="5.0" .../>
  <waypoint x="1.0" y="2.0" z="0.0" pitch="0.0" roll="0.0" yaw="90.0"/>...</route>
"""

from __future__ import annotations

import logging
import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import carla

from evaluation.routes.benchmarks import of_parts, route_file
from evaluation.routes.route import Route, RouteFileError, WeatherPoint

logger = logging.getLogger(__name__)


def read_routes(path: Path, only: Sequence[str] = ()) -> tuple[Route, ...]:
    """All routes of the file, or of every .xml file of the folder, or those whose ids are given, in
    the file's order. path: also the name of a benchmark that comes with this program. Raises
    RouteFileError."""
    path, parts = route_file(path)
    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    if not files:
        raise RouteFileError(f"{path}: there is no .xml file in the folder")
    routes = tuple(route for file in files for route in _read_file(file))
    ids = Counter(route.route_id for route in routes)
    repeated = sorted(route_id for route_id, times in ids.items() if times > 1)
    if repeated:
        where = dict.fromkeys(str(one.source) for one in routes if one.route_id == repeated[0])
        raise RouteFileError(
            f"{', '.join(where)}: route id {', '.join(repeated)} is used more than once"
        )
    missing = [route_id for route_id in only if route_id not in ids]
    if missing:
        raise RouteFileError(f"{path}: no route {', '.join(missing)}; it has {', '.join(ids)}")
    routes = of_parts(routes, parts)
    return tuple(route for route in routes if not only or route.route_id in only)


def beside_the_part(path: Path) -> frozenset[str]:
    """Ids of the routes that a benchmark has beside the part of it that `path` names; none where it
    names none. Raises RouteFileError."""
    file, parts = route_file(path)
    if not parts:
        return frozenset()
    whole, part = read_routes(file), read_routes(path)
    return frozenset(one.route_id for one in whole) - {one.route_id for one in part}


def _read_file(path: Path) -> tuple[Route, ...]:
    try:
        root = ET.parse(path).getroot()
    except FileNotFoundError:
        raise RouteFileError(f"{path}: no such route file") from None
    except OSError as error:
        raise RouteFileError(f"{path} cannot be read: {error.strerror}") from None
    except (ET.ParseError, LookupError, ValueError) as error:
        raise RouteFileError(f"{path} is not XML: {error}") from None
    routes = tuple(
        _read_route(path, element, index) for index, element in enumerate(root.iter("route"))
    )
    if not routes:
        raise RouteFileError(f"{path}: no <route> in the file")
    return routes


def _read_route(path: Path, element: ET.Element, index: int) -> Route:
    route_id = element.get("id")
    where = f"{path}, route {route_id}" if route_id else f"{path}, route number {index + 1}"
    town = element.get("town")
    if not route_id or not town:
        missing = "id" if not route_id else "town"
        raise RouteFileError(f"{where}: the attribute {missing!r} of <route> is missing")
    positions = element.findall("waypoints/position") or element.findall("waypoint")
    if len(positions) < 2:
        raise RouteFileError(
            f"{where}: needs two or more <position> in <waypoints>, or <waypoint> as in "
            f"leaderboard 1.0; got {len(positions)}"
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
        weathers=tuple(
            sorted(_read_weathers(where, element), key=lambda point: point.route_percent)
        ),
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


def _read_weathers(where: str, route: ET.Element) -> Iterator[WeatherPoint]:
    """Weathers of leaderboard 2.x, or the single one of 1.0, which holds from the start."""
    for weather in route.findall("weathers/weather"):
        percent = _number(where, weather, "route_percentage")
        yield WeatherPoint(percent, _weather_parameters(where, weather))
    if route.find("weathers") is None:
        for weather in route.findall("weather")[:1]:
            yield WeatherPoint(0.0, _weather_parameters(where, weather))


def _weather_parameters(where: str, weather: ET.Element) -> tuple[tuple[str, float], ...]:
    """What CARLA's weather has of the attributes; the rest is left out with a warning, as in the
    official evaluator."""
    names = sorted(set(weather.keys()) - {"route_percentage"})
    for name in names:
        if name not in _known_weather():
            logger.warning(
                "%s: <weather> %s is no weather parameter of CARLA; ignored", where, name
            )
    return tuple(
        (name, _number(where, weather, name)) for name in names if name in _known_weather()
    )


@cache
def _known_weather() -> frozenset[str]:
    weather = carla.WeatherParameters()
    return frozenset(name for name in dir(weather) if isinstance(getattr(weather, name), float))


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
