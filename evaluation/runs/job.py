"""One route to drive, and what came of it, as they pass between processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluation.closed_loop.debug_session import DebugSession
from evaluation.closed_loop.disturbances import Disturbances
from evaluation.closed_loop.failure import Failure
from evaluation.official.leaderboard import LeaderboardSettings
from evaluation.routes.route import Route
from evaluation.scoring.penalty import Rules
from evaluation.servers.session import SessionSettings

Json = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One route for one worker.

    Attributes:
        name: no other job of a run has it; the ledger knows the route by it.
        index: place among the routes of the run.
        session: the simulator to drive in; jobs with the same one can share it.
        traffic: number of background vehicles.
        disturbances: of sensors and controls, drawn from the seed.
        video: file to write, None for no video.
        trace: file to write of where and how the route was driven, None for none.
        light_times_s: green and all-red time of the town's lights, None leaves them as they are.
        debug: what is watched and kept of the drive beside its results.
        until_mishap: the drive ends where it hits something or is far from its route.
        saved: saved drive to go on from; its world is in `session`.
        repetition: number of the drive among those of its route, from 0.
        official: how the official evaluator is to drive it; None is our own loop.
    """

    name: str
    index: int
    route: Route
    agent: Path
    agent_config: str
    session: SessionSettings = field(default_factory=SessionSettings)
    traffic: int = 0
    seed: int = 0
    rules: Rules = Rules.V2_0
    blackout: bool = False
    disturbances: Disturbances = field(default_factory=Disturbances)
    video: Path | None = None
    video_fps: int = 10
    trace: Path | None = None
    light_times_s: tuple[float, float] | None = None
    debug: DebugSession = field(default_factory=DebugSession)
    until_mishap: bool = False
    saved: Path | None = None
    repetition: int = 0
    official: LeaderboardSettings | None = None


@dataclass(frozen=True)
class JobResult:
    """A route that is over.

    Attributes:
        record: in the leaderboard's form, as JSON.
        extra: what is known beside it, as JSON.
        failure: why the route was not driven to its end; None where it was scored.
        attempt: how many times it was tried, this time included.
        is_last: False for a failed attempt that is followed by another.
    """

    name: str
    record: Json
    extra: Json
    failure: Failure | None = None
    wall_s: float = 0.0
    attempt: int = 1
    is_last: bool = True

    @property
    def is_finished(self) -> bool:
        """Whether the route need not be driven again."""
        return self.failure is None or not self.failure.is_infrastructure

    @property
    def status(self) -> str:
        return str(self.record["status"])

    def to_json(self) -> Json:
        return {**asdict(self), "failure": self.failure and self.failure.to_json()}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> JobResult:
        """Raises KeyError, TypeError or ValueError for what `to_json` has not written."""
        result = JobResult(**content)
        failure = content["failure"]
        return replace(result, failure=None if failure is None else Failure.from_json(failure))


def plain(content: Any) -> Any:
    """Content as JSON gives it back: tuples as lists, paths as text, what is not finite as null."""
    return json.loads(json.dumps(content, default=str), parse_constant=lambda _: None)
