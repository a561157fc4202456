"""One route from start to end: tick, observe, act, judge, notify."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import carla

from agent.observation import AgentStep
from evaluation.closed_loop.agent_loader import Agent, AgentClass, last_step_of
from evaluation.closed_loop.route_scenario import SETTLE_TICKS, RouteScenario
from evaluation.closed_loop.sensor_interface import (
    SensorInterface,
    SensorSpecError,
    Spec,
    check_specs,
)
from evaluation.routes.global_plan import plans_of
from evaluation.scoring.criteria_set import CriteriaSet, Measures
from evaluation.scoring.tick import Infraction, Tick
from evaluation.servers.embedded import SimulatorError
from evaluation.servers.session import Session

logger = logging.getLogger(__name__)

SIMULATION_CRASHED = "Simulation crashed"
AGENT_NOT_SET_UP = "Agent couldn't be set up"
AGENT_CRASHED = "Agent crashed"
SENSORS_INVALID = "Agent's sensors were invalid"


class AgentError(RuntimeError):
    """The agent raised; the message is the leaderboard's word for it, the cause what it raised."""


@dataclass(frozen=True)
class Driver:
    """An agent to be put behind the wheel. blackout: it gets black images."""

    agent_class: AgentClass
    config: str = ""
    blackout: bool = False


@dataclass(frozen=True)
class Step:
    """One finished tick, for observers. stage_ms: what each part of the tick took."""

    tick: Tick
    control: carla.VehicleControl
    agent_step: AgentStep | None
    completion_percent: float
    infractions: tuple[Infraction, ...]
    stage_ms: Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """A route that is over. failure: the leaderboard's words for what went wrong, "" if nothing
    did; trace: of the exception behind it; measures: None if there was nothing to measure."""

    completion_percent: float = 0.0
    infractions: tuple[Infraction, ...] = ()
    failure: str = ""
    trace: str = ""
    measures: Measures | None = None
    ticks: int = 0
    game_s: float = 0.0
    system_s: float = 0.0
    route_m: float = 0.0
    sensor_types: tuple[str, ...] = ()


class Observer:
    """Watches episodes; every method may be left as it is."""

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        """The ego stands on its route; specs: the agent's sensors."""

    def step(self, step: Step) -> None:
        """A tick is over."""

    def end(self) -> None:
        """The route is over, or was broken off; the ego still exists."""


@dataclass
class _Tally:
    """What is known of the route so far, for whichever way it ends."""

    started_s: float = field(default_factory=time.monotonic)
    ticks: int = 0
    game_s: float = 0.0
    sensor_types: tuple[str, ...] = ()


class _Clock:
    """Wall-clock time of the parts of one tick; what is lapped twice is added up."""

    def __init__(self) -> None:
        self._last_s = time.perf_counter()
        self.stage_ms: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now_s = time.perf_counter()
        lap_ms = 1000.0 * (now_s - self._last_s)
        self.stage_ms[name] = self.stage_ms.get(name, 0.0) + lap_ms
        self._last_s = now_s


def run_episode(scenario: RouteScenario, driver: Driver, observers: Sequence[Observer]) -> Outcome:
    """Drives the route until it is over. Failures of the agent and of the simulator end it and are
    told in the outcome; the agent and its sensors are released in every case."""
    criteria, tally = CriteriaSet(scenario.dense, scenario.road_rules), _Tally()
    failure, trace = "", ""
    try:
        with _seated(scenario, driver, tally) as (agent, sensors, specs), ExitStack() as stack:
            for observer in observers:
                stack.callback(observer.end)
                observer.begin(scenario, specs)
            _drive(scenario, agent, sensors, criteria, observers, tally)
    except AgentError as error:
        failure, trace = str(error), _trace_of(error.__cause__ or error)
    except RuntimeError as error:
        failure = SIMULATION_CRASHED
        trace = _trace_of(scenario.session.failure(error))
    criteria.finish()
    return Outcome(
        completion_percent=criteria.completion_percent,
        infractions=criteria.infractions,
        failure=failure,
        trace=trace,
        measures=criteria.measures if tally.ticks else None,
        ticks=tally.ticks,
        game_s=tally.game_s,
        system_s=time.monotonic() - tally.started_s,
        route_m=scenario.dense.length_m,
        sensor_types=tally.sensor_types,
    )


def _drive(
    scenario: RouteScenario,
    agent: Agent,
    sensors: SensorInterface,
    criteria: CriteriaSet,
    observers: Sequence[Observer],
    tally: _Tally,
) -> None:
    """The loop itself."""
    for _ in range(SETTLE_TICKS):
        scenario.start_clock(scenario.session.tick())
    while not criteria.over:
        clock = _Clock()
        snapshot = scenario.session.tick()
        clock.lap("simulator")
        tick = scenario.read(snapshot)
        clock.lap("scenario")
        data = sensors.collect(snapshot.frame, scenario.ego_state(snapshot))
        clock.lap("sensors")
        with _blaming(AGENT_CRASHED, scenario.session):
            control = _control_of(agent.run_step(data, tick.time_s))
        clock.lap("agent")
        scenario.ego.apply_control(control)
        clock.lap("control")
        criteria.step(tick)
        clock.lap("criteria")
        scenario.follow_weather(criteria.completion_percent)
        clock.lap("scenario")
        tally.ticks += 1
        tally.game_s = tick.time_s
        step = Step(
            tick=tick,
            control=control,
            agent_step=last_step_of(agent),
            completion_percent=criteria.completion_percent,
            infractions=criteria.infractions,
            stage_ms=clock.stage_ms,
        )
        for observer in observers:
            observer.step(step)


def _control_of(answer: object) -> carla.VehicleControl:
    """What an agent answered, with the automatic gearbox as the leaderboard has it."""
    if not isinstance(answer, carla.VehicleControl):
        raise TypeError(f"run_step returned {type(answer).__name__}, expected carla.VehicleControl")
    answer.manual_gear_shift = False
    return answer


@contextmanager
def _seated(
    scenario: RouteScenario, driver: Driver, tally: _Tally
) -> Iterator[tuple[Agent, SensorInterface, Sequence[Spec]]]:
    """Builds the agent and its sensors in the leaderboard's order and releases them."""
    session = scenario.session
    with ExitStack() as stack:
        with _blaming(AGENT_NOT_SET_UP, session):
            agent = driver.agent_class(session.host, session.port, False)
            stack.callback(_release, agent)
            agent.set_global_plan(*plans_of(scenario.dense, session.opendrive))
            agent.setup(driver.config)
            specs = list(agent.sensors())
        with _blaming(SENSORS_INVALID, session, SensorSpecError):
            check_specs(specs, str(getattr(agent.track, "value", agent.track)))
            sensors = SensorInterface(session, scenario.ego, specs, driver.blackout)
        stack.callback(sensors.destroy)
        tally.sensor_types = tuple(str(spec["type"]) for spec in specs)
        yield agent, sensors, specs


@contextmanager
def _blaming(status: str, session: Session, kind: type[Exception] = Exception) -> Iterator[None]:
    """Turns what the agent raises into an AgentError, unless the simulator is what failed."""
    try:
        yield
    except SimulatorError:
        raise
    except kind as error:
        session.require_alive()
        raise AgentError(status) from error


def _release(agent: Agent) -> None:
    """An agent that cannot be wound up does not spoil the route that it has driven."""
    try:
        agent.destroy()
    except Exception:
        logger.exception("the agent's destroy() failed")


def _trace_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
