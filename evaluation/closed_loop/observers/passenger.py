"""An agent that gets what the driver gets and is asked what it would do, but does not drive."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.closed_loop.agent_loader import AgentClass, last_step_of
from evaluation.closed_loop.episode import Step
from evaluation.closed_loop.route_scenario import RouteScenario
from evaluation.closed_loop.sensor_interface import Spec
from evaluation.errors import UserError
from evaluation.routes.global_plan import plans_of
from planner.records import Plan


class PassengerError(UserError, RuntimeError):
    """The passenger needs other sensors than the driver has."""


class Passenger:
    """Plans for the same inputs as the driver, for instance labels against predictions."""

    def __init__(self, agent_class: AgentClass, config: str = "") -> None:
        self._agent_class = agent_class
        self._config = config

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        """Raises PassengerError where a sensor of the passenger is not among the driver's."""
        session = scenario.session
        self._agent = self._agent_class(session.host, session.port, False)
        self._agent.set_global_plan(*plans_of(scenario.dense, session.opendrive))
        self._agent.setup(self._config)
        mounted = {str(spec["id"]): dict(spec) for spec in specs}
        for wanted in self._agent.sensors():
            if mounted.get(str(wanted["id"])) != dict(wanted):
                raise PassengerError(
                    f"--predict: the checkpoint needs the sensor {wanted['id']!r}, which the agent "
                    "that drives does not have like that; give the expert the same cameras with "
                    "cameras=true,rig=RIG (a preset or a rig.json)"
                )

    def step(self, step: Step) -> Plan | None:
        """What it would do in this tick."""
        self._agent.run_step(step.inputs, step.tick.time_s)
        told = last_step_of(self._agent)
        return None if told is None else told.plan

    def end(self) -> None:
        self._agent.destroy()
