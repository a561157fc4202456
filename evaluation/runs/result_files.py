"""Result files whoever wrote them: the leaderboard's, Bench2Drive's, our own."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from evaluation.closed_loop.failure import EVALUATION_FAILED, MACHINE_FAILED, SIMULATION_CRASHED
from evaluation.official.results import (
    ROUTE_PREFIX,
    OfficialRecord,
    OfficialResults,
    official_results,
)
from evaluation.routes.route import Route
from evaluation.runs.benchmark import Benchmark, ResultFileError, check_benchmark
from evaluation.runs.leaderboard_file import STARTED
from evaluation.scoring.bench2drive import Motion

LOST = (STARTED, SIMULATION_CRASHED, MACHINE_FAILED, EVALUATION_FAILED)
"""Ends of the status of a route that tells nothing about the driver."""


@dataclass(frozen=True)
class RouteOutcome:
    """One route, its repetitions averaged. success_share, failed_share: of the repetitions; lost:
    the simulator or the machine failed, or the route was never ended."""

    score: float
    success_share: float
    failed_share: float
    lost: bool
    scenario: str
    town: str

    @property
    def success(self) -> bool:
        """Most repetitions are successes."""
        return self.success_share > 0.5


NOTHING = RouteOutcome(0.0, 0.0, 0.0, True, "", "")
"""Of a route without a record, where it is to count 0."""


@dataclass(frozen=True)
class PlannedRoute:
    """What the route file knows of a route; scenario: type of the first one, "" without any."""

    town: str
    scenario: str


@dataclass(frozen=True)
class Missing:
    """Drives that there ought to be. named: by what the routes and their repetitions tell;
    unnamed: how many more the files were to have (their `progress`)."""

    named: tuple[tuple[str, int], ...] = ()
    unnamed: int = 0

    @property
    def count(self) -> int:
        return len(self.named) + self.unnamed


@dataclass(frozen=True)
class RunRecords:
    """One run. records: by route id, each once; lacking: by file, how many routes it was to have
    beside those that it has; run: what this program knows of a run of its own."""

    records: tuple[OfficialRecord, ...]
    lacking: Mapping[Path, int] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def repetitions(self) -> Mapping[str, Sequence[OfficialRecord]]:
        """The records of each route, by its id in the route file."""
        found: dict[str, list[OfficialRecord]] = defaultdict(list)
        for record in self.records:
            found[id_in_route_file(record)].append(record)
        return found

    def missing(self, planned: Iterable[str] = ()) -> Missing:
        """planned: ids of the route file, empty if that is not known."""
        there = {(id_in_route_file(one), repetition_of(one)) for one in self.records}
        numbers = {number for _, number in there} or {0}
        routes = set(planned) or {route for route, _ in there}
        named = {(route, number) for route in routes for number in numbers} - there
        return Missing(tuple(sorted(named)), max(sum(self.lacking.values()) - len(named), 0))


def read_run(paths: Iterable[Path], beside: Collection[str] = ()) -> RunRecords:
    """The records of all files and folders, in whatever order. The same record twice is one; two
    records of a route that differ raise ResultFileError. beside: ids of routes that are not asked
    for, and left out."""
    files = {
        one.path.resolve(): one for path in dict.fromkeys(paths) for one in official_results(path)
    }
    merged: dict[str, OfficialRecord] = {}
    for _, file in sorted(files.items()):
        for record in file.records:
            known = merged.setdefault(record.route_id, record)
            if _content(known) != _content(record):
                raise ResultFileError(
                    f"{record.route_id} differs in {known.source} and {record.source}: "
                    "score them apart, or leave one out"
                )
    lacking = {one.path: one.planned - len(one.records) for one in _latest(list(files.values()))}
    return RunRecords(
        tuple(
            merged[route_id]
            for route_id in sorted(merged)
            if id_in_route_file(merged[route_id]) not in beside
        ),
        {path: count for path, count in lacking.items() if count > 0},
        next((file.run for _, file in sorted(files.items()) if file.run), {}),
    )


def _content(record: OfficialRecord) -> dict[str, object]:
    """Bench2Drive's merged file has no index, which is a place in the file anyway."""
    return {key: value for key, value in record.as_written.items() if key != "index"}


def _latest(files: Sequence[OfficialResults]) -> list[OfficialResults]:
    """Without those all of whose records stand in another that was to have as many or more: they
    are its earlier state, or went into it."""
    ids = [frozenset(record.route_id for record in file.records) for file in files]

    def is_older(mine: int, other: int) -> bool:
        fewer = (len(ids[mine]), files[mine].planned, -mine)
        more = (len(ids[other]), files[other].planned, -other)
        return (
            fewer < more
            and bool(ids[mine])
            and files[mine].planned <= files[other].planned
            and ids[mine] <= ids[other]
        )

    numbers = range(len(files))
    return [files[one] for one in numbers if not any(is_older(one, other) for other in numbers)]


def planned_of(routes: Iterable[Route]) -> dict[str, PlannedRoute]:
    """What there ought to be, by id, in the order of the route file."""
    return {route.route_id: PlannedRoute(route.town, route.scenario_type) for route in routes}


def id_in_route_file(record: OfficialRecord) -> str:
    """The route's id without the repetition."""
    return record.route_id.removeprefix(ROUTE_PREFIX).rpartition("_rep")[0] or record.route_id


def repetition_of(record: OfficialRecord) -> int:
    number = record.route_id.rpartition("_rep")[2]
    return int(number) if number.isdecimal() else 0


def is_lost(record: OfficialRecord) -> bool:
    return record.status.endswith(LOST)


def outcomes(run: RunRecords, planned: Mapping[str, PlannedRoute]) -> dict[str, RouteOutcome]:
    """By route id. Scenario and town are the record's, or else the route file's."""
    nothing = PlannedRoute("", "")
    return {
        route_id: RouteOutcome(
            score=fmean(one.score for one in found),
            success_share=fmean(one.success for one in found),
            failed_share=fmean(one.status.startswith("Failed") for one in found),
            lost=any(map(is_lost, found)),
            scenario=scenario_type(found[0]) or planned.get(route_id, nothing).scenario,
            town=found[0].town or planned.get(route_id, nothing).town,
        )
        for route_id, found in run.repetitions.items()
    }


def scenario_type(record: OfficialRecord) -> str:
    """Bench2Drive numbers the scenarios of a type: Accident_1."""
    return re.sub(r"_\d+$", "", record.scenario)


def read_pair(
    first: Path, second: Path, beside: Collection[str] = ()
) -> tuple[RunRecords, RunRecords]:
    """The records of two runs; ResultFileError if different rules gave them. beside: see
    `read_run`."""
    pair = read_run([first], beside), read_run([second], beside)
    if not all(run.records for run in pair):
        empty = first if not pair[0].records else second
        raise ResultFileError(f"{empty} holds no record of a route")
    for benchmark in Benchmark:
        if all(_is_of(run.records, benchmark) for run in pair):
            _require_same_routes(*pair)
            return pair
    raise ResultFileError(f"{first} and {second} were scored by different rules: never mix them")


def _require_same_routes(first: RunRecords, second: RunRecords) -> None:
    """Bench2Drive 0.0.3 and 0.0.4 have ids in common under which they drive different routes."""
    for route_id in set(first.repetitions) & set(second.repetitions):
        one, other = first.repetitions[route_id][0], second.repetitions[route_id][0]
        for ours, theirs in ((one.town, other.town), (scenario_type(one), scenario_type(other))):
            if ours and theirs and ours != theirs:
                raise ResultFileError(
                    f"route {route_id} is one with {ours} in {one.source} and one with {theirs} in "
                    f"{other.source}: they are of different benchmarks, never mix them"
                )


def _is_of(records: Sequence[OfficialRecord], benchmark: Benchmark) -> bool:
    try:
        check_benchmark(records, benchmark)
    except ResultFileError:
        return False
    return True


def read_motion(folder: Path, record: OfficialRecord) -> Motion:
    """What Bench2Drive stored of a route's samples in the folder. Raises ResultFileError."""
    path = folder / str(record.as_written.get("save_name", "")) / "metric_info.json"
    try:
        samples = list(json.loads(path.read_text(encoding="utf-8")).values())
        vectors = {
            name: np.array([sample[name] for sample in samples], dtype=np.float64)
            for name in ("acceleration", "forward_vector", "right_vector", "angular_velocity")
        }
        planar = {name: values[:, :2] for name, values in vectors.items()}
        yaw_rate_degps = vectors["angular_velocity"][:, 2]
    except OSError as error:
        raise ResultFileError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ResultFileError(f"{path} holds no samples of a drive: {error!r}") from None
    if len(samples) < 3:
        raise ResultFileError(f"{path} holds {len(samples)} samples; comfort needs three or more")
    return Motion(
        planar["acceleration"], planar["forward_vector"], planar["right_vector"], yaw_rate_degps
    )
