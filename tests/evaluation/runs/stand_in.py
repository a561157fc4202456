"""A worker that drives nothing: a route's id says what becomes of it.

`FATE-NUMBER` meets its fate; once a file `mended` lies beside the logs, all are driven well. Who
waits does so for a file `go` there, and leaves word of the process above it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evaluation.closed_loop.episode import Outcome
from evaluation.closed_loop.failure import (
    AGENT_CRASHED,
    ROUTE_INVALID,
    SIMULATION_CRASHED,
    Blame,
    Failure,
)
from evaluation.closed_loop.pulse import Phase, Pulse
from evaluation.routes.route import Route
from evaluation.runs.job import Job, JobResult
from evaluation.runs.worker import CannotBeginError, Tell, record_json, unscored

ROUTE = Route("7", "Generated3", ((0.0, 0.0, 0.0), (100.0, 0.0, 0.0)))
FAILURES = {
    "crashes": Failure(Blame.SIMULATOR, SIMULATION_CRASHED, "the simulator is gone", "its trace"),
    "bad": Failure(Blame.ROUTE, ROUTE_INVALID, "no lane"),
    "agent": Failure(Blame.AGENT, AGENT_CRASHED, "out of fuel"),
}
HANG_S = 60.0


def jobs_of(*route_ids: str) -> Sequence[Job]:
    """A job for each route, by its id."""
    routes = [replace(ROUTE, route_id=route_id) for route_id in route_ids]
    return [
        Job(route.route_id, index, route, Path("agent.py"), "")
        for index, route in enumerate(routes)
    ]


class StandIn:
    """Meets each route's fate."""

    def __init__(self, number: int, logs: Path, pulse: Pulse, tell: Tell) -> None:
        self._logs = logs
        self._pulse = pulse
        self._tell = tell

    def drive(self, job: Job) -> JobResult:
        fate = job.route.route_id.partition("-")[0]
        if (self._logs.parent / "mended").exists():
            fate = "ok"
        phases = {"agent": Phase.AGENT_STEP, "setup": Phase.AGENT_SETUP, "map": Phase.SIMULATOR}
        where, _, end = fate.partition("_")
        if end:
            with self._pulse.during(phases[where]):
                self._end(end)
        if fate == "waits":
            (self._logs.parent / f"begun_{os.getpid()}").write_text(str(os.getppid()))
            while not (self._logs.parent / "go").exists():
                time.sleep(0.05)
        if fate == "destroyed":
            self._tell("driven", driven(job).to_json())
            with self._pulse.during(Phase.AGENT_DESTROY):
                self._end("exits")
        if fate == "shows":
            self._pulse.show(99.0, 0.5, 55.0, 7.0)
        if fate == "raises":
            raise ValueError("out of luck")
        if fate == "refuses":
            raise CannotBeginError("no such agent")
        if fate == "killed":
            self._end("killed")
        return unscored(job, FAILURES[fate]) if fate in FAILURES else driven(job)

    @staticmethod
    def _end(how: str) -> None:
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "aborts":
            os.kill(os.getpid(), signal.SIGABRT)
        if how == "exits":
            os._exit(0)
        time.sleep(HANG_S)

    def close(self) -> None:
        """There is nothing to close."""


def driven(job: Job) -> JobResult:
    """A route without a fault."""
    outcome = Outcome(completion_percent=100.0, ticks=20, route_m=100.0)
    return JobResult(job.name, record_json(job, outcome), {"ticks": 20}, wall_s=0.1)
