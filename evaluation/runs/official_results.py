"""What official evaluators came to, entered in the ledger of the folder of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from types import MappingProxyType

from evaluation.closed_loop.failure import (
    AGENT_CRASHED,
    AGENT_NOT_SET_UP,
    SENSORS_INVALID,
    SIMULATION_CRASHED,
    Blame,
    Failure,
)
from evaluation.official.checkouts import (
    BENCH2DRIVE,
    LEADERBOARD_2_0,
    LEADERBOARD_2_1,
    LEADERBOARD_MASTER,
    CheckoutError,
)
from evaluation.official.leaderboard import LeaderboardSettings, OfficialRun, check_settings
from evaluation.official.results import OfficialRecord
from evaluation.runs.benchmark import Benchmark
from evaluation.runs.conditions import route_conditions, run_conditions
from evaluation.runs.job import Job, JobResult, Json, plain
from evaluation.runs.ledger import open_ledger
from evaluation.servers.session import SessionSettings

BLAMES: Mapping[str, Blame] = MappingProxyType(
    {
        AGENT_NOT_SET_UP: Blame.AGENT,
        AGENT_CRASHED: Blame.AGENT,
        SENSORS_INVALID: Blame.AGENT,
        SIMULATION_CRASHED: Blame.SIMULATOR,
    }
)
"""Endings after which a route is not scored, in the evaluators' words."""


EVALUATORS: Mapping[Benchmark, Sequence[str]] = MappingProxyType(
    {
        Benchmark.LEADERBOARD_2_0: (LEADERBOARD_2_0, LEADERBOARD_MASTER),
        Benchmark.LEADERBOARD_2_1: (LEADERBOARD_2_1,),
        Benchmark.BENCH2DRIVE_0_0_3: (BENCH2DRIVE,),
        Benchmark.BENCH2DRIVE_0_0_4: (BENCH2DRIVE,),
    }
)
"""Evaluators that score by a protocol; the master branch has the rules of 2.0."""


def evaluator_for(settings: LeaderboardSettings, protocol: Benchmark) -> LeaderboardSettings:
    """The settings with the evaluator of the protocol, checked as far as that goes without a
    simulator. Raises UserError."""
    first, *others = (replace(settings, evaluator=name) for name in EVALUATORS[protocol])
    try:
        check_settings(first)
    except CheckoutError:
        for other in others:
            with suppress(CheckoutError):
                check_settings(other)
                return other
        raise
    return first


def enter_results(settings: LeaderboardSettings, run: OfficialRun) -> None:
    """Adds the routes of a run that the ledger does not have yet; a run that was not resumed begins
    a new ledger, as the evaluator begins a new file.

    Raises LedgerError when another run uses the folder or its ledger is damaged.
    """
    routes = {route.route_id: route for route in run.routes}
    with open_ledger(settings.checkpoint.parent) as ledger:
        if not settings.resume:
            ledger.set_aside()
        ledger.begin(
            plain(
                {
                    "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                    "conditions": conditions_of(settings, run),
                    "routes": settings.routes,
                    "total": run.results.planned,
                }
            )
        )
        for record in run.results.records:
            if record.route_id not in ledger.finished and record.status != "Started":
                _, route_id, repetition = record.route_id.split("_")
                number = int(repetition.removeprefix("rep"))
                ledger.add(result_of(record), route_conditions(routes[route_id], {}, number))


def conditions_of(settings: LeaderboardSettings, run: OfficialRun) -> Json:
    """Everything but the route that decides how it comes out."""
    session = SessionSettings(simulator=settings.simulator)
    resolved = replace(settings, evaluator=run.checkouts.evaluator)
    job = Job(
        "",
        0,
        run.routes[0],
        settings.agent,
        settings.agent_config,
        session,
        seed=settings.seed,
        official=resolved,
    )
    return run_conditions(job)


def result_of(record: OfficialRecord) -> JobResult:
    """The record as the ledger has it."""
    reason = record.status.partition(" - ")[2]
    blame = BLAMES.get(reason)
    failure = (
        None if blame is None else Failure(blame, reason, "the evaluator says more in its output")
    )
    extra = {key: text for key in ("scenario", "town") if (text := getattr(record, key))}
    return JobResult(
        record.route_id,
        dict(record.as_written),
        extra,
        failure,
        float(record.as_written["meta"].get("duration_system", 0.0)),
    )
