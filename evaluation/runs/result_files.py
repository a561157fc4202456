"""Result files whoever wrote them: the leaderboard's, Bench2Drive's, our own."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from statistics import fmean
from xml.etree import ElementTree as ET

import numpy as np

from evaluation.closed_loop.failure import EVALUATION_FAILED, MACHINE_FAILED, SIMULATION_CRASHED
from evaluation.errors import UserError
from evaluation.official.results import ROUTE_PREFIX, OfficialRecord, official_records
from evaluation.routes.route_file import read_routes
from evaluation.runs.leaderboard_file import STARTED
from evaluation.scoring.bench2drive import Motion
from evaluation.scoring.criteria.outside_lanes import metres_in
from evaluation.scoring.penalty import Rules, penalty
from evaluation.scoring.status import PERFECT
from evaluation.scoring.tick import Infraction, Kind

LOST = (STARTED, SIMULATION_CRASHED, MACHINE_FAILED, EVALUATION_FAILED)
"""Ends of the status of a route that tells nothing about the driver."""
PENALTY_TOLERANCE = 1e-4
"""The sentences name the share outside the lanes to two decimals of a percent."""
SCORE_TOLERANCE = 1e-3
"""Points by which a product of numbers of six decimals is off, and to spare."""
PERCENT_IN_SENTENCE = re.compile(r"(-?\d+(?:\.\d+)?)%")
AMOUNTS = (Kind.OUTSIDE_LANES, Kind.MIN_SPEED)


class ResultFileError(UserError, ValueError):
    """Results that cannot be scored; the message names file or route and says what to do."""


class Benchmark(Enum):
    """By whose rules a file was written, as `--protocol` names them."""

    LEADERBOARD_2_0 = "leaderboard-2.0"
    LEADERBOARD_2_1 = "leaderboard-2.1"
    BENCH2DRIVE_0_0_3 = "bench2drive-0.0.3"
    BENCH2DRIVE_0_0_4 = "bench2drive-0.0.4"

    @property
    def is_bench2drive(self) -> bool:
        return self in (Benchmark.BENCH2DRIVE_0_0_3, Benchmark.BENCH2DRIVE_0_0_4)

    @property
    def rules(self) -> Rules:
        return Rules.V2_1 if self is Benchmark.LEADERBOARD_2_1 else Rules.V2_0


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


@dataclass(frozen=True)
class PlannedRoute:
    """What the route file knows of a route; scenario: type of the first one, "" without any."""

    town: str
    scenario: str


def read_all(paths: Iterable[Path]) -> list[OfficialRecord]:
    """The records of all files and folders, by route id. The same record twice is one; two records
    of a route that differ raise ResultFileError."""
    merged: dict[str, OfficialRecord] = {}
    for path in paths:
        for record in official_records(path):
            known = merged.setdefault(record.route_id, record)
            if _content(known) != _content(record):
                raise ResultFileError(
                    f"{record.route_id} differs in {known.source} and {record.source}: "
                    "score them apart, or leave one out"
                )
    return [merged[route_id] for route_id in sorted(merged)]


def _content(record: OfficialRecord) -> dict[str, object]:
    """Bench2Drive's merged file has no index, which is a place in the file anyway."""
    return {key: value for key, value in record.as_written.items() if key != "index"}


def read_planned(path: Path) -> dict[str, PlannedRoute]:
    """The routes of a route file by id."""
    return {
        route.route_id: PlannedRoute(
            route.town,
            ET.fromstring(route.scenarios[0]).get("type", "") if route.scenarios else "",
        )
        for route in read_routes(path)
    }


def id_in_route_file(record: OfficialRecord) -> str:
    """The route's id without the repetition."""
    return record.route_id.removeprefix(ROUTE_PREFIX).rpartition("_rep")[0] or record.route_id


def is_lost(record: OfficialRecord) -> bool:
    return record.status.endswith(LOST)


def outcomes(
    records: Sequence[OfficialRecord], planned: Mapping[str, PlannedRoute]
) -> dict[str, RouteOutcome]:
    """By route id. Scenario and town are the record's, or else the route file's."""
    repetitions: dict[str, list[OfficialRecord]] = defaultdict(list)
    for record in records:
        repetitions[id_in_route_file(record)].append(record)
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
        for route_id, found in repetitions.items()
    }


def scenario_type(record: OfficialRecord) -> str:
    """Bench2Drive numbers the scenarios of a type: Accident_1."""
    return re.sub(r"_\d+$", "", record.scenario)


def check_benchmark(records: Sequence[OfficialRecord], benchmark: Benchmark) -> None:
    """Raises ResultFileError for a record that other rules than the benchmark's gave."""
    for record in records:
        theirs = "scenario_name" in record.as_written
        if theirs != benchmark.is_bench2drive:
            writer = "Bench2Drive" if theirs else "the leaderboard"
            raise ResultFileError(
                f"{record.source}: {record.route_id} was written by {writer}, which is not "
                f"{benchmark.value}: choose another --protocol, never mix them"
            )
        if not theirs and not _fits(record, benchmark):
            for other in (Benchmark.LEADERBOARD_2_0, Benchmark.LEADERBOARD_2_1):
                if _fits(record, other):
                    raise ResultFileError(
                        f"{record.source}: the penalty of {record.route_id} is {other.value}'s, "
                        f"not {benchmark.value}'s: choose another --protocol, never mix them"
                    )


def _fits(record: OfficialRecord, benchmark: Benchmark) -> bool:
    """Whether the penalty is what the rules make of the infractions."""
    rebuilt = penalty(_infractions(record, benchmark), benchmark.rules)
    return abs(rebuilt - record.penalty) <= PENALTY_TOLERANCE


def _infractions(record: OfficialRecord, benchmark: Benchmark) -> list[Infraction]:
    """From the sentences; the percent is NaN where a sentence that needs one names none."""
    known = {kind.value: kind for kind in Kind}
    found: list[Infraction] = []
    for name, sentences in record.infractions.items():
        kind = known.get(name)
        if kind is None or (kind is Kind.MIN_SPEED and benchmark.is_bench2drive):
            continue  # Bench2Drive penalises no speed.
        for sentence in sentences:
            amount = percent_in(sentence) if kind in AMOUNTS else None
            found.append(Infraction(kind, 0, sentence, amount))
    return found


def percent_in(sentence: str) -> float:
    """The percentage that a sentence names; NaN if none."""
    found = PERCENT_IN_SENTENCE.search(sentence)
    return float(found[1]) if found else math.nan


def read_pair(first: Path, second: Path) -> tuple[list[OfficialRecord], list[OfficialRecord]]:
    """The records of two runs; ResultFileError if different rules gave them."""
    pair = read_all([first]), read_all([second])
    if not all(pair):
        empty = first if not pair[0] else second
        raise ResultFileError(f"{empty} holds no record of a route")
    for benchmark in Benchmark:
        if all(_is_of(records, benchmark) for records in pair):
            return pair
    raise ResultFileError(f"{first} and {second} were scored by different rules: never mix them")


def _is_of(records: Sequence[OfficialRecord], benchmark: Benchmark) -> bool:
    try:
        check_benchmark(records, benchmark)
    except ResultFileError:
        return False
    return True


def contradictions(record: OfficialRecord, benchmark: Benchmark) -> list[str]:
    """In what a record contradicts itself; such a record is counted as it stands."""
    found: list[str] = []
    entries = sum(map(len, record.infractions.values()))
    told = record.as_written.get("num_infractions", entries)
    if told != entries:
        found.append(f"num_infractions is {told}, but {entries} are listed")
    complete, failed = record.completion_percent >= 100.0, record.status.startswith("Failed")
    if record.status != STARTED and complete == failed:
        found.append(f"{record.status!r} at {record.completion_percent} % of the route")
    if record.status == PERFECT and entries:
        found.append(f"{PERFECT!r} with {entries} infractions")
    product = max(record.completion_percent * record.penalty, 0.0)
    if abs(product - record.score) > SCORE_TOLERANCE:
        found.append(f"score {record.score} is not completion times penalty ({product:.6f})")
    if not _fits(record, benchmark):
        rebuilt = penalty(_infractions(record, benchmark), benchmark.rules)
        found.append(f"penalty {record.penalty}, but its infractions make {rebuilt:.6f}")
    return found


def outside_m(record: OfficialRecord) -> float:
    """Metres driven outside the lanes; a sentence that names none counts 0."""
    total_m = 0.0
    for sentence in record.infractions.get(Kind.OUTSIDE_LANES.value, ()):
        with suppress(ValueError):
            total_m += metres_in(sentence)
    return total_m


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
