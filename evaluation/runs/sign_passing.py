"""Bench2Drive's abilities of a run: which failed routes got by their sign, from routes and maps.

Bench2Drive counts the points of CARLA's GlobalRoutePlanner, which repeats some and leaves out
others; with ours, all 1 m apart, the share of a route at which its sign lies differs by up to 0.1.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import carla

from evaluation.official.results import OfficialRecord
from evaluation.routes.lane_graph import LaneGraph, LaneRouteError
from evaluation.routes.route import Route, RouteFileError
from evaluation.routes.towns import TownSpecError, open_map, spec_of
from evaluation.runs.benchmark import Benchmark, ResultFileError
from evaluation.runs.result_files import PlannedRoute, RunRecords, scenario_type
from evaluation.scoring.abilities import TRAFFIC_SIGNS, TYPES, AbilityRoute, abilities, sign_share
from evaluation.scoring.tick import Kind

SIGN_INFRACTIONS = (Kind.STOP.value, Kind.RED_LIGHT.value)


@dataclass(frozen=True)
class Abilities:
    """values: 0..1 by ability, None where not known; needed: for that, by town."""

    values: Mapping[str, float | None]
    needed: Mapping[str, str]


def abilities_of(
    run: RunRecords,
    benchmark: Benchmark,
    planned: Mapping[str, PlannedRoute],
    routes: Sequence[Route],
    towns_folder: Path | None,
    carla_agents: Path | None = None,
) -> Abilities:
    """routes: of the route file, empty where it was not given; carla_agents: folder of CARLA's
    package `agents`, whose planner is then taken instead of ours. Of repetitions the first counts,
    as in Bench2Drive's tool. Raises ResultFileError if that package is not in the folder."""
    signs_apart = benchmark is Benchmark.BENCH2DRIVE_0_0_3
    firsts = {route_id: found[0] for route_id, found in run.repetitions.items()}
    types = {
        route_id: planned[route_id].scenario if route_id in planned else scenario_type(record)
        for route_id, record in firsts.items()
    }
    asked = {
        route_id
        for route_id, record in firsts.items()
        if types[route_id] in TYPES[TRAFFIC_SIGNS] and _needs_map(record, signs_apart)
    }
    planner_of = _ours if carla_agents is None else _carlas(carla_agents)
    shares, needed = _sign_shares(
        [one for one in routes if one.route_id in asked], towns_folder, planner_of
    )
    if asked and not routes:
        needed = {"any": "--routes FILE, the routes of the benchmark"}
    judged = [
        AbilityRoute(types[route_id], record.success, _passed(record, shares.get(route_id)))
        for route_id, record in firsts.items()
    ]
    return Abilities(abilities(judged, signs_apart=signs_apart), needed)


def _ran_a_sign(record: OfficialRecord) -> bool:
    return any(record.infractions.get(kind) for kind in SIGN_INFRACTIONS)


def _needs_map(record: OfficialRecord, signs_apart: bool) -> bool:
    return not _ran_a_sign(record) and (signs_apart or not record.success)


def _passed(record: OfficialRecord, share: float | None) -> bool | None:
    if _ran_a_sign(record):
        return False
    return None if share is None else record.completion_percent / 100.0 > share


Planner = Callable[[Route], Sequence[bool]]
"""Tells of each point of a route whether it lies in a junction."""


def _ours(world_map: carla.Map) -> Planner:
    graph = LaneGraph(world_map)
    return lambda route: list(route.dense(graph).junction)


def _carlas(folder: Path) -> Callable[[carla.Map], Planner]:
    """CARLA's own planner, from `agents` in the folder."""
    sys.path.insert(0, str(folder))
    try:
        module = import_module("agents.navigation.global_route_planner")
    except ImportError as error:
        raise ResultFileError(
            f"--carla-agents {folder}: {error}; name CARLA's folder PythonAPI/carla"
        ) from None
    finally:
        sys.path.remove(str(folder))

    def planner_of(world_map: carla.Map) -> Planner:
        planner = module.GlobalRoutePlanner(world_map, 1.0)

        def junctions(route: Route) -> list[bool]:
            places = [carla.Location(*place) for place in route.positions_world_m]
            legs = (planner.trace_route(start, end) for start, end in pairwise(places))
            return [bool(waypoint.is_junction) for leg in legs for waypoint, _ in leg]

        return junctions

    return planner_of


def _sign_shares(
    routes: Iterable[Route],
    towns_folder: Path | None,
    planner_of: Callable[[carla.Map], Planner],
) -> tuple[dict[str, float], dict[str, str]]:
    """By route id; and what is needed for those that are not to be had, by town."""
    shares: dict[str, float] = {}
    needed: dict[str, str] = {}
    by_town: dict[str, list[Route]] = defaultdict(list)
    for route in routes:
        by_town[route.town].append(route)
    for town, found in by_town.items():
        try:
            spec = spec_of(town, None, towns_folder)
        except TownSpecError:
            needed[town] = "--towns DIR with their .xodr files"
            continue
        try:
            junctions = planner_of(open_map(spec)[0])
            for route in found:
                share = sign_share(junctions(route))
                if share is None:
                    needed[town] = f"route {route.route_id} has no junction"
                else:
                    shares[route.route_id] = share
        except (TownSpecError, RouteFileError, LaneRouteError) as error:
            needed[town] = str(error)
    return shares, needed
