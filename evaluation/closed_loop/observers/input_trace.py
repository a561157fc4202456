"""Writes a session's inputs while it is driven (`closed_loop/session_files.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.closed_loop.episode import Observer, Step
from evaluation.closed_loop.route_scenario import RouteScenario
from evaluation.closed_loop.sensor_interface import Spec
from evaluation.closed_loop.session_files import Header, Json, SessionWriter, TracedTick
from evaluation.routes.global_plan import plans_of


class InputTrace(Observer):
    """Writes the session of one route into a folder.

    agent, agent_config: what `drive` was given; conditions: of the run, to tell checkpoints apart.
    """

    def __init__(self, folder: Path, agent: Path, agent_config: str, conditions: Json) -> None:
        self.folder = folder
        self._agent = agent
        self._agent_config = agent_config
        self._conditions = conditions
        self._writer: SessionWriter | None = None

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        gps, world = plans_of(scenario.dense, scenario.session.opendrive)
        header = Header(
            agent=str(self._agent.resolve()),
            agent_config=self._agent_config,
            specs=tuple(dict(spec) for spec in specs),
            gps_plan=tuple((g["lat"], g["lon"], g["z"], float(c)) for g, c in gps),
            world_plan=tuple(
                (p.location.x, p.location.y, p.location.z, p.rotation.yaw, float(c))
                for p, c in world
            ),
            town=scenario.route.town,
            route=scenario.route.name_of(),
            conditions=self._conditions,
            runs_on=scenario.agent_runs_on,
        )
        self._writer = SessionWriter(self.folder, header)
        for traced in scenario.past():
            self._writer.write(traced)

    def step(self, step: Step) -> None:
        assert self._writer is not None
        answer = step.answer
        self._writer.write(
            TracedTick(
                tick=step.tick,
                inputs=step.inputs,
                plan=None if step.agent_step is None else step.agent_step.plan,
                answer=(answer.throttle, answer.steer, answer.brake),
                by_person=step.by_person,
            )
        )

    def end(self) -> None:
        if self._writer is not None:
            self._writer.close()
