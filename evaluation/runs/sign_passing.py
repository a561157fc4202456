"""Bench2Drive's abilities of a run: which failed routes got by their sign, from routes and maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.official.results import OfficialRecord
from evaluation.routes.lane_graph import LaneGraph, LaneRouteError
from evaluation.routes.route import Route, RouteFileError
from evaluation.routes.towns import TownSpecError, open_map, spec_of
from evaluation.runs.benchmark import Benchmark
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
) -> Abilities:
    """routes: of the route file, empty where it was not given. Of repetitions the first counts, as
    in Bench2Drive's tool."""
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
    shares, needed = _sign_shares([one for one in routes if one.route_id in asked], towns_folder)
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


def _sign_shares(
    routes: Iterable[Route], towns_folder: Path | None
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
            graph = LaneGraph(open_map(spec)[0])
            for route in found:
                share = sign_share(list(route.dense(graph).junction))
                if share is None:
                    needed[town] = f"route {route.route_id} has no junction"
                else:
                    shares[route.route_id] = share
        except (TownSpecError, RouteFileError, LaneRouteError) as error:
            needed[town] = str(error)
    return shares, needed
