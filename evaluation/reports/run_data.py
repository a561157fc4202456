"""What is known of the drives of a run's folder: records, traces, videos."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluation.closed_loop.observers.trace import DriveTrace, TraceError, read_trace, trace_path
from evaluation.official.results import OfficialRecord
from evaluation.routes.route import Route
from evaluation.runs.benchmark import Benchmark, benchmark_of
from evaluation.runs.result_files import (
    PlannedRoute,
    RunRecords,
    id_in_route_file,
    is_lost,
    planned_of,
    read_run,
    repetition_of,
    scenario_type,
)
from evaluation.runs.run_scores import RunScores, score_run
from evaluation.runs.sign_passing import abilities_of
from evaluation.scoring.tick import Kind

PLACE = re.compile(r"\(x=(-?\d+(?:\.\d+)?), y=(-?\d+(?:\.\d+)?)")
"""As the leaderboard's sentences name one."""


@dataclass(frozen=True)
class ShownInfraction:
    """kind: as in the results file; message: the evaluator's sentence; time_s: since the start of
    the route; place_world_m: x and y. None where it is not known."""

    kind: str
    message: str
    time_s: float | None = None
    place_world_m: tuple[float, float] | None = None


@dataclass(frozen=True)
class ShownDrive:
    """One record with what lies beside it. trace, video: None where there is none;
    positions_world_m: the sparse ones of the route file, empty where it was not given."""

    record: OfficialRecord
    route: str
    repetition: int
    scenario: str
    town: str
    infractions: Sequence[ShownInfraction] = ()
    trace: DriveTrace | None = None
    video: Path | None = None
    positions_world_m: Sequence[tuple[float, float, float]] = ()

    @property
    def state(self) -> str:
        """One word to filter by."""
        if is_lost(self.record):
            return "crashed"
        if self.record.success:
            return "success"
        return "failed" if self.record.status.startswith("Failed") else "with infractions"

    @property
    def stage_ms(self) -> Mapping[str, Sequence[float]]:
        """p50, p95 and worst of each part of a tick; empty where nobody measured."""
        found: Mapping[str, Sequence[float]] = self.record.extra.get("stage_ms_p50_p95_max", {})
        return found


@dataclass(frozen=True)
class RunData:
    """A run as a report shows it. notes: what could not be read."""

    path: Path
    name: str
    records: RunRecords
    scores: RunScores
    drives: Sequence[ShownDrive]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def conditions(self) -> Mapping[str, Any]:
        """Under which this program drove it; empty for others' results."""
        found: Mapping[str, Any] = self.records.run.get("conditions", {})
        return found


@dataclass(frozen=True)
class Expected:
    """What is asked of a run. routes: of the route file, empty where it was not given; beside: ids
    of those that are not asked for; towns_folder: of their .xodr files; benchmark: None for the one
    that the records tell."""

    routes: Sequence[Route] = ()
    beside: Collection[str] = ()
    towns_folder: Path | None = None
    benchmark: Benchmark | None = None


def read_run_data(path: Path, expected: Expected = Expected()) -> RunData:
    """The results in a file or folder with the traces and videos beside them. Raises UserError
    where there are no results, or others than expected."""
    run = read_run([path], expected.beside)
    planned = planned_of(expected.routes)
    notes: list[str] = []
    chosen = expected.benchmark or benchmark_of(run.records)
    abilities = None
    if chosen.is_bench2drive:
        if expected.benchmark is None:
            notes.append(f"taken for {chosen.value}, which scores as 0.0.3 does: give --protocol")
        abilities = abilities_of(run, chosen, planned, expected.routes, expected.towns_folder)
    scores = score_run(run, chosen, planned, abilities=abilities)
    routes = {route.route_id: route for route in expected.routes}
    drives = [_shown(record, path, routes, len(run.records), notes) for record in run.records]
    drives.sort(key=lambda one: (not one.route.isdecimal(), one.route.rjust(12), one.repetition))
    return RunData(path, name_of(path), run, scores, drives, notes)


def name_of(path: Path, levels: int = 1) -> str:
    """The last parts of a path, so many of them, without the ending."""
    whole = path.resolve()
    return "/".join((whole.with_suffix("") if path.is_file() else whole).parts[-levels:])


def told_apart(run: RunData, other: RunData) -> tuple[RunData, RunData]:
    """With names that differ, if their paths do."""
    for levels in range(1, len(run.path.resolve().parts)):
        names = name_of(run.path, levels), name_of(other.path, levels)
        if names[0] != names[1]:
            return replace(run, name=names[0]), replace(other, name=names[1])
    return run, other


def _shown(
    record: OfficialRecord,
    path: Path,
    routes: Mapping[str, Route],
    drives: int,
    notes: list[str],
) -> ShownDrive:
    folder = path if path.is_dir() else path.parent
    route = id_in_route_file(record)
    known = planned_of([routes[route]])[route] if route in routes else PlannedRoute("", "")
    trace = None
    try:
        trace = read_trace(trace_path(folder, record.route_id))
    except TraceError as error:
        notes.append(str(error))
    return ShownDrive(
        record=record,
        route=route,
        repetition=repetition_of(record),
        scenario=scenario_type(record) or known.scenario,
        town=record.town or known.town,
        infractions=_infractions(record, trace),
        trace=trace,
        video=_video(record, folder, route, drives),
        positions_world_m=routes[route].positions_world_m if route in routes else (),
    )


def _infractions(record: OfficialRecord, trace: DriveTrace | None) -> list[ShownInfraction]:
    """By the fields that this program stores, else by the sentences."""
    shown: list[ShownInfraction] = []
    stored = [dict(one) for one in record.extra.get("infractions", [])]
    for kind, sentences in record.infractions.items():
        ours = [one for one in stored if one.get("kind") == kind]
        for number, sentence in enumerate(sentences):
            fields = ours[number] if len(ours) == len(sentences) else {}
            place = PLACE.search(sentence)
            spot = (float(place[1]), float(place[2])) if place else None
            if "place_world_m" in fields:
                spot = (float(fields["place_world_m"][0]), float(fields["place_world_m"][1]))
            time_s = trace.time_of_s(int(fields["frame"])) if trace and "frame" in fields else None
            shown.append(ShownInfraction(kind, sentence, time_s, spot))
    slow = Kind.MIN_SPEED.value  # Bench2Drive has twenty of them in every route.
    return sorted(shown, key=lambda one: (one.time_s is None, one.time_s or 0.0, one.kind == slow))


def _video(record: OfficialRecord, folder: Path, route: str, drives: int) -> Path | None:
    """The run's own word, or else the names that `drive` gives."""
    names = [str(record.extra.get("video") or ""), f"drive_{route}.mp4"]
    names += ["drive.mp4"] if drives == 1 else []
    found = (folder / name for name in names if name and os.path.basename(name) == name)
    return next((path for path in found if path.is_file()), None)
