"""One route from start to end: tick, observe, act, judge, notify."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import carla

from agent.observation import AgentStep
from evaluation.closed_loop.agent_loader import (
    Agent,
    AgentClass,
    is_privileged,
    last_step_of,
    runs_on,
)
from evaluation.closed_loop.disturbances import Disturbances, Disturber
from evaluation.closed_loop.failure import (
    AGENT_CRASHED,
    AGENT_NOT_SET_UP,
    SENSORS_INVALID,
    AgentError,
    Failure,
    failure_of,
)
from evaluation.closed_loop.hands import Hands, Scene
from evaluation.closed_loop.mishap import mishap_of
from evaluation.closed_loop.pulse import Phase, Pulse
from evaluation.closed_loop.route_scenario import SETTLE_TICKS, RouteScenario
from evaluation.closed_loop.saved_drive import SavedDrive
from evaluation.closed_loop.sensor_interface import (
    SensorData,
    SensorInterface,
    SensorSpecError,
    Spec,
    check_specs,
)
from evaluation.routes.global_plan import plans_of
from evaluation.scoring.criteria_set import CriteriaSet, Measures
from evaluation.scoring.penalty import Rules
from evaluation.scoring.tick import Infraction, Tick
from evaluation.servers.embedded import SimulatorError
from evaluation.servers.session import Session

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Driver:
    """An agent to be put behind the wheel. blackout: it gets black images; hands: of a person who
    may take over; disturbances: of its sensors and controls, drawn from the seed; until_mishap: the
    drive ends where it hits something or is far from its route."""

    agent_class: AgentClass
    config: str = ""
    blackout: bool = False
    hands: Hands | None = None
    disturbances: Disturbances = field(default_factory=Disturbances)
    seed: int = 0
    until_mishap: bool = False


@dataclass(frozen=True)
class Step:
    """One finished tick, for observers.

    inputs: what the agent was given; answer: the control that it answered with; control: the one
    that was applied, which is another where a person drives (by_person); single: whether the drive
    was paused before and after; stage_ms: what each part of the tick took.
    """

    tick: Tick
    inputs: SensorData
    answer: carla.VehicleControl
    control: carla.VehicleControl
    by_person: bool
    single: bool
    agent_step: AgentStep | None
    completion_percent: float
    infractions: tuple[Infraction, ...]
    stage_ms: Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """A route that is over. failure: what went wrong, None if nothing did; ending: why it was
    broken off all the same, "" if it was not; measures: None if there was nothing to measure;
    invalid_controls: ticks whose control was not finite; person_ticks: those that a person drove;
    agent_warnings: how often the agent met each fault, as it tells; delay_ticks: by how much
    controls came late in the mean."""

    completion_percent: float = 0.0
    infractions: tuple[Infraction, ...] = ()
    failure: Failure | None = None
    ending: str = ""
    measures: Measures | None = None
    ticks: int = 0
    game_s: float = 0.0
    system_s: float = 0.0
    route_m: float = 0.0
    sensor_types: tuple[str, ...] = ()
    invalid_controls: int = 0
    person_ticks: int = 0
    agent_warnings: Mapping[str, int] = field(default_factory=dict)
    delay_ticks: float = 0.0


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
    invalid_controls: int = 0
    person_ticks: int = 0
    agent_warnings: Mapping[str, int] = field(default_factory=dict)
    mishap: str = ""


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


def run_episode(
    scenario: RouteScenario,
    driver: Driver,
    observers: Sequence[Observer],
    pulse: Pulse | None = None,
    on_driven: Callable[[Outcome], None] = lambda _: None,
    rules: Rules = Rules.V2_0,
) -> Outcome:
    """Drives the route until it is over; failures end it and are told in the outcome.

    The agent and its sensors are released in every case, but not before `on_driven` was told the
    outcome: an agent that ends its process in `destroy` does not take a driven route with it.
    """
    criteria, tally, pulse = (
        CriteriaSet(scenario.dense, scenario.road_rules, rules),
        _Tally(),
        pulse or Pulse(),
    )
    disturber = Disturber(driver.disturbances, driver.seed)
    with ExitStack() as seat:
        failure = None
        try:
            for traced in scenario.past():
                criteria.step(traced.tick)
            agent, sensors, specs = _take_seat(
                scenario, driver, criteria.completion_percent, tally, pulse, seat
            )
            _warm_up(scenario, agent, tally, pulse)
            with ExitStack() as watching:
                if driver.hands is not None:
                    watching.callback(driver.hands.end)
                    driver.hands.begin()
                for observer in observers:
                    watching.callback(observer.end)
                    observer.begin(scenario, specs)
                _drive(
                    scenario,
                    agent,
                    sensors,
                    disturber,
                    criteria,
                    driver,
                    observers,
                    tally,
                    pulse,
                )
        except Exception as error:  # noqa: BLE001 (any failure ends the route and is told)
            failure = failure_of(error)
        try:
            criteria.finish()
        except Exception as error:  # noqa: BLE001 (as above)
            failure = failure or failure_of(error)
        outcome = Outcome(
            completion_percent=criteria.completion_percent,
            infractions=criteria.infractions,
            failure=failure,
            ending=criteria.ending or tally.mishap,
            measures=criteria.measures if tally.ticks else None,
            ticks=tally.ticks,
            game_s=tally.game_s,
            system_s=time.monotonic() - tally.started_s,
            route_m=scenario.dense.length_m,
            sensor_types=tally.sensor_types,
            invalid_controls=tally.invalid_controls,
            person_ticks=tally.person_ticks,
            agent_warnings=tally.agent_warnings,
            delay_ticks=disturber.mean_delay_ticks,
        )
        on_driven(outcome)
    return outcome


def _drive(
    scenario: RouteScenario,
    agent: Agent,
    sensors: SensorInterface,
    disturber: Disturber,
    criteria: CriteriaSet,
    driver: Driver,
    observers: Sequence[Observer],
    tally: _Tally,
    pulse: Pulse,
) -> None:
    """The loop itself."""
    with pulse.during(Phase.SIMULATOR):
        for _ in range(SETTLE_TICKS if scenario.saved is None else 0):
            scenario.start_clock(scenario.session.tick())
    hands = driver.hands
    while not criteria.over and not tally.mishap:
        clock = _Clock()
        with pulse.during(Phase.SIMULATOR):
            snapshot = scenario.session.tick()
            clock.lap("simulator")
            tick = scenario.read(snapshot)
            clock.lap("scenario")
            sensed = sensors.collect(snapshot.frame, scenario.ego_state(snapshot))
            data = disturber.sense(sensed)
        clock.lap("sensors")
        with pulse.during(Phase.AGENT_STEP), _blaming(AGENT_CRASHED, scenario.session):
            answer = _control_of(agent.run_step(data, tick.time_s), tally)
        clock.lap("agent")
        control, by_person, single = answer, False, False
        if hands is not None:
            with pulse.during(Phase.PERSON):
                control, by_person, single = hands.drive(Scene(tick, data, answer))
            tally.person_ticks += by_person
            clock.lap("person")
        control = disturber.act(control, clock.stage_ms["agent"])
        with pulse.during(Phase.SIMULATOR), scenario.session.calling():
            scenario.ego.apply_control(control)
        clock.lap("control")
        criteria.step(tick)
        if driver.until_mishap:
            tally.mishap = mishap_of(criteria.infractions, criteria.lateral_m)
        clock.lap("criteria")
        with pulse.during(Phase.SIMULATOR):
            scenario.follow_weather(criteria.completion_percent)
            scenario.follow_ego(snapshot, tick)
        clock.lap("scenario")
        tally.ticks += 1
        tally.game_s = tick.time_s
        agent_step = last_step_of(agent)
        if agent_step is not None:
            tally.agent_warnings = agent_step.warnings
        step = Step(
            tick=tick,
            inputs=data,
            answer=answer,
            control=control,
            by_person=by_person,
            single=single,
            agent_step=agent_step,
            completion_percent=criteria.completion_percent,
            infractions=criteria.infractions,
            stage_ms=clock.stage_ms,
        )
        for observer in observers:
            observer.step(step)


def _control_of(answer: object, tally: _Tally) -> carla.VehicleControl:
    """What an agent answered, with the automatic gearbox as the leaderboard has it. Where it is not
    finite the car brakes: CARLA would keep the last control."""
    if not isinstance(answer, carla.VehicleControl):
        raise TypeError(f"run_step returned {type(answer).__name__}, expected carla.VehicleControl")
    if not all(map(math.isfinite, (answer.throttle, answer.steer, answer.brake))):
        tally.invalid_controls += 1
        return carla.VehicleControl(brake=1.0)
    answer.manual_gear_shift = False
    return answer


def _take_seat(
    scenario: RouteScenario,
    driver: Driver,
    percent: float,
    tally: _Tally,
    pulse: Pulse,
    seat: ExitStack,
) -> tuple[Agent, SensorInterface, Sequence[Spec]]:
    """Builds the agent and its sensors in the leaderboard's order; `seat` releases them. percent:
    of the route that lies behind the ego."""
    session = scenario.session
    with pulse.during(Phase.AGENT_SETUP), _blaming(AGENT_NOT_SET_UP, session):
        agent = driver.agent_class(session.host, session.port, False)
        seat.callback(_release, agent, pulse)
        # Who reads the world itself cannot be warmed up by what was recorded: it gets the rest.
        dense = scenario.dense.rest(percent) if is_privileged(agent) else scenario.dense
        agent.set_global_plan(*plans_of(dense, session.opendrive))
        agent.setup(driver.config)
        specs = list(agent.sensors())
    scenario.agent_runs_on = runs_on(agent)
    with pulse.during(Phase.SIMULATOR), _blaming(SENSORS_INVALID, session, SensorSpecError):
        check_specs(specs, str(getattr(agent.track, "value", agent.track)))
        _require_saved(specs, scenario.saved)
        sensors = SensorInterface(
            session,
            scenario.ego,
            specs,
            driver.blackout,
            taken_over=None if scenario.saved is None else scenario.saved.actors.sensors,
        )
    scenario.sensor_ids = sensors.actor_ids
    seat.callback(sensors.destroy)
    tally.sensor_types = tuple(str(spec["type"]) for spec in specs)
    return agent, sensors, specs


def _require_saved(specs: Sequence[Spec], saved: SavedDrive | None) -> None:
    """Raises SensorSpecError where a saved drive has no sensor like one of these."""
    recorded = [] if saved is None else list(saved.header.specs)
    for spec in specs:
        if saved is not None and dict(spec) not in recorded:
            raise SensorSpecError(
                f"sensor {spec['id']!r}: the drive was saved with other sensors; go on from it "
                "with a checkpoint of the same rig, or save one with this agent"
            )


def _warm_up(scenario: RouteScenario, agent: Agent, tally: _Tally, pulse: Pulse) -> None:
    """Where the drive goes on from a saved one: gives the agent everything that it was given then,
    which leaves it as it was, however it remembers things. What it answers is not applied."""
    for traced in scenario.past():
        tally.ticks += 1
        tally.game_s = traced.tick.time_s
        tally.person_ticks += traced.by_person
        if not is_privileged(agent):
            with (
                pulse.during(Phase.AGENT_STEP),
                _blaming(AGENT_CRASHED, scenario.session),
            ):
                agent.run_step(traced.inputs, traced.tick.time_s)


@contextmanager
def _blaming(
    status: str, session: Session, kind: type[BaseException] = BaseException
) -> Iterator[None]:
    """Turns what the agent raises, an exit too, into an AgentError, unless the simulator is what
    failed."""
    try:
        yield
    except SimulatorError:
        raise
    except kind as error:
        session.require_alive()
        raise AgentError(status) from error


def _release(agent: Agent, pulse: Pulse) -> None:
    """An agent that cannot be wound up does not spoil the route that it has driven."""
    try:
        with pulse.during(Phase.AGENT_DESTROY):
            agent.destroy()
    except BaseException:
        logger.exception("the agent's destroy() failed")
