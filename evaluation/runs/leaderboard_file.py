"""The leaderboard's results file: made from the ledger after every route, atomically.

Everything that is ours and not the leaderboard's stands under the separate key "extra".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import fsum, isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from evaluation.closed_loop.episode import Outcome
from evaluation.closed_loop.failure import (
    AGENT_CRASHED,
    EVALUATION_FAILED,
    MACHINE_FAILED,
    SENSORS_INVALID,
    SIMULATION_CRASHED,
    Blame,
    Failure,
)
from evaluation.errors import UserError
from evaluation.runs.atomic_file import write_atomically
from evaluation.runs.job import JobResult, Json
from evaluation.scoring.criteria.outside_lanes import metres_in
from evaluation.scoring.penalty import SCORE_DIGITS, Rules, Scores, score
from evaluation.scoring.status import status_of
from evaluation.scoring.tick import Kind
from evaluation.scoring.totals import deviation_over, mean_over

DIGITS = 3
STARTED = "Started"
"""Status of a route that another evaluator was driving when it was stopped."""
SENSOR_ICONS = {
    "sensor.camera.rgb": "carla_camera",
    "sensor.lidar.ray_cast": "carla_lidar",
    "sensor.other.radar": "carla_radar",
    "sensor.other.gnss": "carla_gnss",
    "sensor.other.imu": "carla_imu",
    "sensor.opendrive_map": "carla_opendrive_map",
    "sensor.speedometer": "carla_speedometer",
}
LABELS: Sequence[tuple[str, str]] = (
    ("Avg. driving score", "score_composed"),
    ("Avg. route completion", "score_route"),
    ("Avg. infraction penalty", "score_penalty"),
    ("Collisions with pedestrians", Kind.COLLISION_PEDESTRIAN.value),
    ("Collisions with vehicles", Kind.COLLISION_VEHICLE.value),
    ("Collisions with layout", Kind.COLLISION_LAYOUT.value),
    ("Red lights infractions", Kind.RED_LIGHT.value),
    ("Stop sign infractions", Kind.STOP.value),
    ("Off-road infractions", Kind.OUTSIDE_LANES.value),
    ("Route deviations", Kind.ROUTE_DEVIATION.value),
    ("Route timeouts", Kind.ROUTE_TIMEOUT.value),
    ("Agent blocked", Kind.BLOCKED.value),
    ("Yield emergency vehicles infractions", Kind.YIELD_EMERGENCY.value),
    ("Scenario timeouts", Kind.SCENARIO_TIMEOUT.value),
    ("Min speed infractions", Kind.MIN_SPEED.value),
)
SCORES = ("score_composed", "score_route", "score_penalty")
META = ("route_length", "duration_game", "duration_system")


class ResultsFileError(UserError, ValueError):
    """A results file that cannot be resumed; the message names it and says what to do."""


@dataclass(frozen=True)
class RouteRecord:
    """One entry of the file's records. beside: what only Bench2Drive's have."""

    index: int
    route_id: str
    status: str
    num_infractions: int
    infractions: Mapping[str, Sequence[str]]
    scores: Scores
    meta: Mapping[str, float]
    beside: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> RouteRecord:
        """Raises KeyError or TypeError where something is missing."""
        known = {name: content[name] for name in RECORD_KEYS}
        # Evaluators of other versions have other kinds; those that we count are always there.
        known["infractions"] = {kind.value: [] for kind in Kind} | dict(known["infractions"])
        return RouteRecord(
            **known, beside={key: one for key, one in content.items() if key not in RECORD_KEYS}
        )

    def to_json(self) -> Json:
        content: Json = asdict(self)
        content.update(content.pop("beside"))
        return content

    @property
    def failed(self) -> bool:
        return self.status.startswith("Failed")


RECORD_KEYS = tuple(name for name in RouteRecord.__dataclass_fields__ if name != "beside")


def record_of(index: int, name: str, outcome: Outcome, rules: Rules) -> RouteRecord:
    """The leaderboard's record of a route that is over."""
    messages: dict[str, list[str]] = {kind.value: [] for kind in Kind}
    for infraction in outcome.infractions:
        messages[infraction.kind.value].append(infraction.message)
    count = sum(len(found) for found in messages.values())
    broken_off = outcome.ending if outcome.failure is None else outcome.failure.status
    return RouteRecord(
        index=index,
        route_id=name,
        status=status_of(outcome.completion_percent, outcome.infractions, broken_off),
        num_infractions=count,
        infractions=messages,
        scores=score(outcome.completion_percent, outcome.infractions, rules),
        meta={
            "route_length": round(outcome.route_m, DIGITS),
            "duration_game": round(outcome.game_s, DIGITS),
            "duration_system": round(outcome.system_s, DIGITS),
        },
    )


@dataclass
class Results:
    """All records of one run. path: where the file is; total: how many routes there are."""

    path: Path
    total: int
    run: Mapping[str, Any]
    records: list[RouteRecord] = field(default_factory=list)
    extras: dict[str, Json] = field(default_factory=dict)
    sensors: list[str] = field(default_factory=list)

    def add(self, result: JobResult) -> None:
        """Takes over a route from the ledger; `write` shows it."""
        record = RouteRecord.from_json(result.record)
        self.records = [one for one in self.records if one.route_id != record.route_id]
        self.records.append(record)
        self.records.sort(key=lambda one: one.index)
        self.extras[record.route_id] = extra_of(result)
        if not self.sensors:
            kinds = result.extra.get("sensor_types", [])
            self.sensors = [SENSOR_ICONS[kind] for kind in kinds if kind in SENSOR_ICONS]

    @property
    def finished(self) -> bool:
        return len(self.records) == self.total

    @property
    def entry_status(self) -> str:
        if not self.finished:
            return "Started"
        statuses = " ".join(record.status for record in self.records)
        if SIMULATION_CRASHED in statuses or MACHINE_FAILED in statuses:
            return "Crashed"
        return "Rejected" if SENSORS_INVALID in statuses else "Finished"

    def to_json(self) -> Json:
        """The file's contents; the totals appear once all routes are finished."""
        summary = summarise(self.records, self.total, self.extras) if self.finished else {}
        values = []
        if summary:
            shown = {**summary["infractions"], **summary["scores_mean"]}
            values = [str(shown[key]) for _, key in LABELS]
        return {
            "_checkpoint": {
                "global_record": summary,
                "progress": [len(self.records), self.total],
                "records": [record.to_json() for record in self.records],
            },
            "entry_status": self.entry_status,
            "eligible": self.entry_status == "Finished",
            "sensors": self.sensors,
            "values": values,
            "labels": [label for label, _ in LABELS] if summary else [],
            "extra": {"run": dict(self.run), "routes": self.extras},
        }

    def write(self) -> None:
        write_atomically(self.path, json.dumps(self.to_json(), indent=4))


def outside_m_of(record: RouteRecord, extra: Mapping[str, Any]) -> float:
    """Metres that a route was driven outside its lanes: as this program stored them, or, in a
    record that another evaluator wrote, from its sentences. Raises ResultsFileError."""
    kind = Kind.OUTSIDE_LANES.value
    if "infractions" in extra:
        return fsum(found["outside_m"] for found in extra["infractions"] if found["kind"] == kind)
    try:
        return sum(map(metres_in, record.infractions[kind]))
    except ValueError as error:
        raise ResultsFileError(f"{record.route_id}: {kind} cannot be read: {error}") from None


def summarise(records: Sequence[RouteRecord], total: int, extras: Mapping[str, Json]) -> Json:
    """The leaderboard's global record: mean scores over all routes, infractions per km. extras: by
    route, what is known beside the record."""
    columns = {key: [float(record.scores[key]) for record in records] for key in SCORES}  # type: ignore[literal-required]
    infractions = infractions_per_km(records)
    # A length, not a number of events, and therefore not per kilometre.
    outside_m = sum(outside_m_of(one, extras.get(one.route_id, {})) for one in records)
    infractions[Kind.OUTSIDE_LANES.value] = round(outside_m / 1000, DIGITS)
    statuses = {"Failed" if record.failed else record.status for record in records}
    return {
        "index": -1,
        "route_id": -1,
        "status": next((s for s in ("Failed", "Completed") if s in statuses), "Perfect"),
        "infractions": infractions,
        "scores_mean": {
            key: round(mean_over(column, total), SCORE_DIGITS) for key, column in columns.items()
        },
        "scores_std_dev": {
            key: round(deviation_over(column, total), DIGITS) for key, column in columns.items()
        },
        "meta": {
            "total_length": sum(record.meta["route_length"] for record in records),
            "duration_game": sum(record.meta["duration_game"] for record in records),
            "duration_system": sum(record.meta["duration_system"] for record in records),
            "exceptions": [
                [record.route_id, record.index, record.status]
                for record in records
                if record.failed
            ],
        },
    }


def infractions_per_km(records: Sequence[RouteRecord]) -> dict[str, float]:
    """By kind, per kilometre of the routes that was driven, as the leaderboard rounds it."""
    km = sum(r.meta["route_length"] / 1000 * r.scores["score_route"] / 100 for r in records)
    return {
        kind.value: round(
            sum(len(r.infractions[kind.value]) for r in records) / max(km, 0.001), DIGITS
        )
        for kind in Kind
    }


def extra_of(result: JobResult) -> Json:
    """What is known of a route beside its record."""
    told: Json = {"wall_s": result.wall_s, "attempt": result.attempt}
    if result.failure is not None:
        told |= {"failure": result.failure.to_json(), "trace": result.failure.trace}
    return {**result.extra, **told}


def read_foreign(path: Path) -> list[JobResult]:
    """The finished routes of a results file, whoever wrote it; none where there is no file. A route
    that was only started is left out. Raises ResultsFileError if the file is damaged."""
    advice = "move it away to start afresh; it was not changed"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsFileError(f"{path} cannot be read ({error}): {advice}") from None
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ResultsFileError(
            f"{path} is truncated or not JSON (line {error.lineno}: {error.msg}): {advice}"
        ) from None
    except RecursionError:
        raise ResultsFileError(f"{path} is nested too deeply to be read: {advice}") from None
    try:
        extras = data.get("extra", {}).get("routes", {})
        records = [_checked(record) for record in data["_checkpoint"]["records"]]
        return [
            JobResult(one["route_id"], one, dict(extras.get(one["route_id"], {})), _failure(one))
            for one in records
            if one["status"] != STARTED
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ResultsFileError(f"{path} is not a results file ({error!r}): {advice}") from None


def _checked(record: Json) -> Json:
    """A record with all that is computed from; raises what reading it would."""
    read = RouteRecord.from_json({name: record[name] for name in RECORD_KEYS})
    numbers = [float(read.scores[key]) for key in SCORES]  # type: ignore[literal-required]
    numbers += [float(read.meta[key]) for key in META]
    if not all(map(isfinite, numbers)) or not isinstance(read.status, str):
        raise ValueError(f"{read.route_id}: {read.status}, {numbers}")
    return read.to_json()


def _failure(record: Json) -> Failure | None:
    """Whose fault a foreign record says it was."""
    status = str(record["status"]).removeprefix("Failed - ")
    blames = {
        SIMULATION_CRASHED: Blame.SIMULATOR,
        MACHINE_FAILED: Blame.MACHINE,
        EVALUATION_FAILED: Blame.EVALUATION,
        AGENT_CRASHED: Blame.AGENT,
        SENSORS_INVALID: Blame.AGENT,
    }
    return Failure(blames[status], status, status) if status in blames else None


def mean_of(records: Sequence[RouteRecord], key: str) -> float:
    """Mean of one score over the records; 0 without any."""
    values = [float(record.scores[key]) for record in records]  # type: ignore[literal-required]
    return fmean(values) if values else 0.0
