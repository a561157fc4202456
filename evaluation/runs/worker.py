"""What a worker process does: it drives routes, one after the other, in a simulator of its own.

The carla package runs threads (a traffic manager's, a stream's) that end the whole process where
they fail. So routes are driven here, and everything that must not be lost is in the process above.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import carla

from evaluation.closed_loop.agent_loader import AgentClass, AgentLoadError, load_agent_class
from evaluation.closed_loop.episode import Driver, Observer, Outcome, run_episode
from evaluation.closed_loop.failure import Failure, failure_of, one_line
from evaluation.closed_loop.hands import Hands, HandsSettings
from evaluation.closed_loop.hands_terminal import KeyPipe
from evaluation.closed_loop.hands_window import Window
from evaluation.closed_loop.observers.input_trace import InputTrace
from evaluation.closed_loop.observers.passenger import Passenger
from evaluation.closed_loop.observers.rerun_viewer import RerunViewer
from evaluation.closed_loop.observers.state_saver import StateSaver
from evaluation.closed_loop.observers.timing import Timing
from evaluation.closed_loop.observers.trace import Trace
from evaluation.closed_loop.observers.video import Video
from evaluation.closed_loop.pulse import Phase, Pulse
from evaluation.closed_loop.route_scenario import open_route_scenario
from evaluation.closed_loop.saved_drive import open_saved_drive
from evaluation.closed_loop.session_files import size_bytes
from evaluation.errors import UserError
from evaluation.routes.route import RouteFileError
from evaluation.runs.conditions import agent_conditions
from evaluation.runs.job import Job, JobResult, Json, plain
from evaluation.runs.leaderboard_file import record_of
from evaluation.runs.route_progress import RouteProgress
from evaluation.scoring.penalty import Rules
from evaluation.servers.session import Session, SessionSettings, open_session

logger = logging.getLogger(__name__)

LEARNED_AGENT = Path(__file__).parents[2] / "agent" / "simlingo_agent.py"
ROUTES_PER_SIMULATOR = 8
"""A simulator is started anew after so many routes, so that nothing can grow for ever in it.
Chosen: a start takes seconds, a route minutes."""

Tell = Callable[[str, Json], None]
"""Sends a message to the process above: "ready", "driven"; results are sent by whoever calls."""


class Worker(Protocol):
    """Drives one job after the other; made in the worker's process."""

    def drive(self, job: Job) -> JobResult: ...

    def close(self) -> None: ...


WorkerFactory = Callable[[int, Path, Pulse, Tell], Worker]
"""From the worker's number, the folder of its logs, its pulse and its way to tell; a function or
class of a module, because the process has to find it."""


class CannotBeginError(UserError):
    """No route of this kind can be driven at all; the message says why."""


class RouteWorker:
    """Keeps a session for as long as the jobs want the same, it answers, and it is not to be
    recycled, which it is after a number of routes."""

    def __init__(
        self,
        number: int,
        logs: Path,
        pulse: Pulse,
        tell: Tell,
        recycle_after: int = ROUTES_PER_SIMULATOR,
    ) -> None:
        self._recycle_after = recycle_after
        self._log = logs / f"simulator_{number}.log"
        self._pulse = pulse
        self._tell = tell
        self._stack = ExitStack()
        self._session: Session | None = None
        self._wanted: tuple[SessionSettings, str] | None = None
        self._driven = 0
        self._agents: dict[Path, AgentClass] = {}

    def drive(self, job: Job) -> JobResult:
        """Drives one route; failures are in the result. Raises CannotBeginError where the agent
        cannot be loaded, or the very first simulator cannot be had."""
        started_s = time.monotonic()
        outcome, timing = Outcome(), Timing()

        def result(outcome: Outcome) -> JobResult:
            return self._result(job, outcome, timing, time.monotonic() - started_s)

        try:
            with self._pulse.during(Phase.EVALUATION):
                agent_class = self._agent_class(job.agent)
                session = self._session_for(job)
                hands = None if job.debug.hands is None else hands_of(job.debug.hands)
                driver = Driver(
                    agent_class,
                    job.agent_config,
                    job.blackout,
                    hands,
                    job.disturbances,
                    job.seed,
                    job.until_mishap,
                )
                outcome = self._drive(job, session, driver, timing, result)
        except CannotBeginError:
            raise
        except Exception as error:  # noqa: BLE001 (any failure ends the route and is told)
            outcome = replace(outcome, failure=failure_of(error))
        self._driven += 1
        return result(outcome)

    def _drive(
        self,
        job: Job,
        session: Session,
        driver: Driver,
        timing: Timing,
        result: Callable[[Outcome], JobResult],
    ) -> Outcome:
        def driven(outcome: Outcome) -> None:
            self._tell("driven", result(outcome).to_json())

        outcome: Outcome | None = None
        try:
            with ExitStack() as stack:
                saved = None
                if job.saved is not None:
                    saved = stack.enter_context(open_saved_drive(job.saved))
                with self._pulse.during(Phase.SIMULATOR):
                    scenario = stack.enter_context(
                        open_route_scenario(session, job.route, job.traffic, job.seed, saved)
                    )
                if job.light_times_s is not None:
                    with session.calling():
                        set_light_times(session.world, *job.light_times_s)
                observers = self._observers(job, timing)
                outcome = run_episode(scenario, driver, observers, self._pulse, driven, job.rules)
        except Exception as error:
            if outcome is None:
                raise
            # Clearing away failed: the route is driven all the same, its simulator is not kept.
            logger.exception("after the route: %s", one_line(error))
            self.close()
        return outcome

    def _observers(self, job: Job, timing: Timing) -> Sequence[Observer]:
        observers: list[Observer] = [RouteProgress(self._pulse, job.rules), timing]
        if job.trace is not None:
            observers.append(Trace(job.trace))
        if job.video is not None:
            observers.append(Video(job.video, job.video_fps, job.rules))
        debug = job.debug
        if debug.is_shown:
            passenger = None
            if debug.predict is not None:
                passenger = Passenger(self._agent_class(LEARNED_AGENT), debug.predict)
            observers.append(
                RerunViewer(job.name, job.rules, debug.recording, debug.viewer, passenger)
            )
        if debug.inputs is not None:
            conditions = agent_conditions(job.agent, job.agent_config)
            observers.append(InputTrace(debug.inputs, job.agent, job.agent_config, conditions))
            # After it: what it has written goes into the files.
            town = job.session.server.town
            observers.append(StateSaver(dict(debug.saves), debug.inputs, town, job.seed))
        return observers

    def _result(self, job: Job, outcome: Outcome, timing: Timing, wall_s: float) -> JobResult:
        inputs = job.debug.inputs if outcome.ticks else None
        extra: dict[str, Any] = {
            **({} if outcome.measures is None else asdict(outcome.measures)),
            "infractions": [found.to_json() for found in outcome.infractions],
            "ticks": outcome.ticks,
            "invalid_controls": outcome.invalid_controls,
            "agent_warnings": outcome.agent_warnings,
            "delay_ticks": round(outcome.delay_ticks, 3),
            "town": job.route.town,
            "sensor_types": outcome.sensor_types,
            **({} if job.video is None else {"video": job.video.name}),
            **(timing.summary() if outcome.ticks else {}),
            **({"person_ticks": outcome.person_ticks} if outcome.person_ticks else {}),
            **({"inputs_bytes": size_bytes(inputs)} if inputs is not None else {}),
        }
        return JobResult(
            job.name, record_json(job, outcome), plain(extra), outcome.failure, round(wall_s, 3)
        )

    def _agent_class(self, path: Path) -> AgentClass:
        if path not in self._agents:
            with self._pulse.during(Phase.AGENT_SETUP):
                try:
                    self._agents[path] = load_agent_class(path)
                except AgentLoadError as error:
                    raise CannotBeginError(str(error)) from error
                except BaseException as error:
                    raise CannotBeginError(
                        f"{path}: importing it ended with {one_line(error)}"
                    ) from error
        return self._agents[path]

    def _session_for(self, job: Job) -> Session:
        """A session whose map is the route's town."""
        wanted = (job.session, job.route.town)
        if self._session is not None and (wanted != self._wanted or self._is_worn(job)):
            self.close()
        if self._session is None:
            with self._pulse.during(Phase.SIMULATOR):
                try:
                    opened = open_session(job.session, self._log, job.route.town)
                    self._session = self._stack.enter_context(opened)
                except UserError as error:
                    if self._wanted is None and not isinstance(error, RouteFileError):
                        raise CannotBeginError(str(error)) from error
                    raise
            self._wanted, self._driven = wanted, 0
            server = self._session.server
            renderer = "" if server is None else server.renderer
            self._tell("ready", {"town": self._session.town, "renderer": renderer})
        return self._session

    def _is_worn(self, job: Job) -> bool:
        """Whether a simulator of ours has to be started anew before the next route."""
        if not job.session.is_ours:
            return False
        if self._driven >= self._recycle_after:
            return True
        assert self._session is not None
        with self._pulse.during(Phase.SIMULATOR):
            return not self._session.answers()

    def close(self) -> None:
        """Ends the session; another one is opened when it is needed."""
        self._session = None
        with self._pulse.during(Phase.SIMULATOR):
            self._stack.close()


def hands_of(settings: HandsSettings) -> Hands:
    """The hands of whoever sits at the window or the terminal."""
    keys = settings.keys
    return Hands(Window if keys is None else partial(KeyPipe, keys), settings.paused)


def set_light_times(world: carla.World, green_s: float, all_red_s: float) -> None:
    """Gives all lights of the town other phases than usual."""
    for light in world.get_actors().filter("traffic.traffic_light"):
        light.set_green_time(green_s)
        light.set_red_time(all_red_s)


def unscored(job: Job, failure: Failure, wall_s: float = 0.0) -> JobResult:
    """The result of a route of which no worker could tell."""
    record = record_json(job, Outcome(failure=failure))
    return JobResult(job.name, record, {"town": job.route.town}, failure, round(wall_s, 3))


def record_json(job: Job, outcome: Outcome) -> Json:
    """The route's record, with what Bench2Drive's hold besides where its rules are in force."""
    record = record_of(job.index, job.route.name_of(job.repetition), outcome, job.rules)
    if job.rules is Rules.BENCH2DRIVE:
        scenario = job.route.scenario_type
        names = {"scenario_name": scenario and f"{scenario}_1", "town_name": job.route.town}
        record = replace(record, beside=names)
    content: Json = plain(record.to_json())
    return content
