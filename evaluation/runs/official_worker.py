"""A worker that leaves each route to an official evaluator, in a process of that one's own."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from evaluation.closed_loop.failure import (
    MACHINE_FAILED,
    SIMULATION_CRASHED,
    Blame,
    Failure,
    one_line,
)
from evaluation.closed_loop.pulse import Phase, Pulse
from evaluation.errors import UserError
from evaluation.official.leaderboard import LeaderboardSettings, locate, run_leaderboard
from evaluation.official.results import OfficialRecord, OfficialResultsError, read_results
from evaluation.runs.job import Job, JobResult
from evaluation.runs.leaderboard_file import STARTED
from evaluation.runs.official_results import result_of
from evaluation.runs.worker import Tell, unscored
from evaluation.servers.embedded import SimulatorError


class OfficialWorker:
    """Starts evaluator and simulator for every route anew: nothing of one reaches the next."""

    def __init__(self, number: int, logs: Path, pulse: Pulse, tell: Tell) -> None:
        self._log = logs / f"simulator_{number}.log"
        self._pulse = pulse
        self._tell = tell

    def drive(self, job: Job) -> JobResult:
        """Drives one route; failures are in the result."""
        assert job.official is not None
        started_s = time.monotonic()
        # An earlier try may have left results.
        job.official.checkpoint.unlink(missing_ok=True)
        self._tell("ready", {"town": job.route.town, "renderer": ""})
        try:
            with self._pulse.during(Phase.OFFICIAL):
                # What is the same for all routes was checked before the first one.
                run = run_leaderboard(job.official, locate(job.official))
            records = list(run.results.records)
            failure = _no_record(f"it wrote {len(records)} records")
        except SimulatorError as error:
            records = _records_of(job.official)
            failure = Failure(Blame.SIMULATOR, SIMULATION_CRASHED, one_line(error))
        except (UserError, OSError) as error:
            records = _records_of(job.official)
            failure = _no_record(one_line(error))
        self._keep_log(job.official)
        wall_s = round(time.monotonic() - started_s, 3)
        record = next((one for one in records if one.status != STARTED), None)
        if record is None:
            return unscored(job, failure, wall_s)
        return replace(_result(job, record), wall_s=wall_s)

    def _keep_log(self, settings: LeaderboardSettings) -> None:
        """The simulator's log where those of our own runner lie."""
        with suppress(OSError):
            self._log.write_bytes(settings.checkpoint.with_name("simulator.log").read_bytes())

    def close(self) -> None:
        """Nothing outlives a route."""


def _records_of(settings: LeaderboardSettings) -> list[OfficialRecord]:
    """What the evaluator has written before it failed."""
    try:
        return list(read_results(settings.checkpoint).records)
    except OfficialResultsError:
        return []


def _no_record(what: str) -> Failure:
    return Failure(Blame.MACHINE, MACHINE_FAILED, f"the evaluator did not end the route: {what}")


def _result(job: Job, record: OfficialRecord) -> JobResult:
    """The record under the name of its repetition, which the evaluator takes for the first."""
    own = {"index": job.index, "route_id": job.route.name_of(job.repetition)}
    result = result_of(replace(record, as_written={**record.as_written, **own}))
    return replace(result, name=job.name, extra={"town": job.route.town, **result.extra})
