"""What is understood of a map: roads, lanes, lights and what they rule, signs, crosswalks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from evaluation.errors import UserError
from evaluation.routes.lane_graph import LaneGraph
from evaluation.routes.random_routes import RandomRouteError, one_route
from evaluation.routes.towns import document_of
from evaluation.simulator.town.opendrive_file import OpenDriveFile
from evaluation.simulator.town.signal_specs import TrafficLightSpec
from evaluation.simulator.town.town import Town, TownError, load_town

PROBE_ROUTE_M = 200.0
"""Length of the route that is looked for, to tell whether the map can be driven."""


@dataclass(frozen=True)
class MapReport:
    """One map. `refusal` is the reason why it cannot be used, None where it loads; `lines` tell
    what was understood, `notices` what was mended, left out, or is obeyed by nobody."""

    source: str
    refusal: str | None
    lines: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def text(self) -> str:
        if self.refusal is not None:
            return f"{self.source}\n  refused: {self.refusal}"
        told = [*self.lines, *(f"note: {notice}" for notice in self.notices)]
        return "\n".join([self.source, *(f"  {line}" for line in told)])


def report_on(spec: str) -> MapReport:
    """Load a town as the simulator and the routes do: `demo`, `generated:<seed>` or a path."""
    try:
        document = document_of(spec)
        town = load_town(spec, seed=0)
        graph = LaneGraph(town.map)
    except (TownError, UserError) as error:
        return MapReport(spec, str(error))
    lines = (*_roads(document, graph), *_signals(town), *_rest(document, town), _route(town))
    return MapReport(spec, None, lines, town.notices)


def _roads(document: OpenDriveFile, graph: LaneGraph) -> Iterator[str]:
    kinds = Counter(
        lane.kind
        for road in document.roads
        for section in road.sections
        for lane in section.lanes
        if lane.kind != "none"
    )
    sides = {"left" if road.left_hand else "right" for road in document.roads}
    length_km = sum(road.length_m for road in document.roads) / 1000.0
    junctions = len({road.junction_id for road in document.roads} - {-1})
    yield (
        f"{len(document.roads)} roads of {length_km:.2f} km, {junctions} junctions; traffic keeps "
        + " and ".join(sorted(sides))
    )
    links = sum(len(after) for after in graph.successors().values())
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    yield f"lanes by section: {listed}; {links} links between driving lanes"


def _signals(town: Town) -> Iterator[str]:
    yield f"{len(town.traffic_lights)} traffic lights"
    for light in town.traffic_lights:
        yield f"  light {light.sign_id}: {_ruled(light)}"
    signs = Counter(sign.type_id.removeprefix("traffic.") for sign in town.traffic_signs)
    yield "signs: " + (", ".join(f"{n} {kind}" for kind, n in sorted(signs.items())) or "none")


def _ruled(light: TrafficLightSpec) -> str:
    roads = sorted({road for road, _ in light.ruled_lanes})
    lanes = ", ".join(str(lane) for _, lane in light.ruled_lanes)
    return (
        f"road {', '.join(map(str, roads))}, lanes {lanes}, into junction {light.junction_id}, "
        f"phase {light.group}"
    )


def _rest(document: OpenDriveFile, town: Town) -> Iterator[str]:
    yield f"{len(document.crosswalks)} crosswalks, {len(town.spawn_points)} spawn points"


def _route(town: Town) -> str:
    try:
        route = one_route(town.map, town.name, PROBE_ROUTE_M, seed=0)
        length_m = route.dense(LaneGraph(town.map)).length_m
    except RandomRouteError as error:
        return f"no route: {error}"
    return f"a route of {length_m:.0f} m was found"
