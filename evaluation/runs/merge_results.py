"""Several results files of one run as one, in the form of whoever wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.official.results import OfficialRecord
from evaluation.runs.benchmark import ResultFileError
from evaluation.runs.job import Json
from evaluation.runs.leaderboard_file import RouteRecord, summarise
from evaluation.runs.result_files import PlannedRoute, RunRecords, id_in_route_file, repetition_of
from evaluation.scoring.bench2drive import PUBLISHED_ROUTES
from evaluation.scoring.penalty import Scores
from evaluation.scoring.tick import Kind
from evaluation.scoring.totals import mean_over


def merge(run: RunRecords, planned: Mapping[str, PlannedRoute]) -> Json:
    """The merged file. Its records do not depend on the order of the parts, and merging it with one
    of them changes nothing. planned: in the order of the route file, empty if that is not known.

    Raises ResultFileError where there is nothing to merge, or where the parts have no common form.
    """
    if not run.records:
        raise ResultFileError("the results hold no record of a route")
    theirs = {"scenario_name" in record.as_written for record in run.records}
    if len(theirs) > 1:
        raise ResultFileError("records of the leaderboard and of Bench2Drive: never mix them")
    return _bench2drive(run.records) if theirs.pop() else _leaderboard(run, planned)


def _bench2drive(records: Sequence[OfficialRecord]) -> Json:
    """As its tool writes it: without indices, ids as text, falling."""
    bare = [{**record.as_written} for record in records]
    for one in bare:
        one.pop("index", None)
    return {
        "_checkpoint": {"records": sorted(bare, key=lambda one: one["route_id"], reverse=True)},
        "driving score": mean_over((one.score for one in records), PUBLISHED_ROUTES),
        "success rate": mean_over((one.success for one in records), PUBLISHED_ROUTES),
        "eval num": len(records),
    }


def _leaderboard(run: RunRecords, planned: Mapping[str, PlannedRoute]) -> Json:
    """With totals if no route is missing, else "Started" as the leaderboard has it."""
    order = {route_id: place for place, route_id in enumerate(planned)}
    records = sorted(
        run.records,
        key=lambda one: (
            repetition_of(one),
            order.get(id_in_route_file(one), 0),
            _natural(id_in_route_file(one)),
        ),
    )
    written = [{**record.as_written, "index": place} for place, record in enumerate(records)]
    total = len(records) + run.missing(planned).count
    finished = total == len(records) and all(one.status != "Started" for one in records)
    crashed = any("Simulation crashed" in one.status for one in records)
    totals = summarise([as_ours(one) for one in records], total, {}) if finished else {}
    status = ("Crashed" if crashed else "Finished") if finished else "Started"
    return {
        "_checkpoint": {
            "global_record": totals,
            "progress": [len(records), total],
            "records": written,
        },
        "entry_status": status,
        "eligible": status == "Finished",
    }


def _natural(route_id: str) -> tuple[int, str]:
    return (int(route_id), "") if route_id.isdecimal() else (0, route_id)


def as_ours(record: OfficialRecord) -> RouteRecord:
    """With every kind of infraction; those that we do not know are left out."""
    meta: Mapping[str, Any] = record.as_written["meta"]
    return RouteRecord(
        index=record.index,
        route_id=record.route_id,
        status=record.status,
        num_infractions=sum(map(len, record.infractions.values())),
        infractions={kind.value: record.infractions.get(kind.value, ()) for kind in Kind},
        scores=Scores(
            score_route=record.completion_percent,
            score_penalty=record.penalty,
            score_composed=record.score,
        ),
        meta={
            "route_length": record.length_m,
            "duration_game": record.game_s,
            "duration_system": float(meta.get("duration_system", 0.0)),
        },
    )
