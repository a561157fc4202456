"""A recorded session once more, without a simulator: the same inputs, the plans compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.observation import AgentStep
from evaluation.closed_loop.agent_loader import Agent, AgentClass, last_step_of, runs_on
from evaluation.closed_loop.session_files import (
    Header,
    Json,
    SessionError,
    TracedTick,
    count_ticks,
    read_header,
    read_ticks,
)
from model.conditions import differences
from planner.records import Plan

NOBODY = ("127.0.0.1", 0)
"""Where an agent that is replayed finds no simulator."""
PARTS = ("plan", "route", "waypoints", "throttle", "steer", "brake")
"""In this order they follow from each other, so the first one is named."""


@dataclass(frozen=True)
class Difference:
    """How far the replayed tick is from the recorded one: metres for route and waypoints (largest
    distance of two points), shares for the pedals and the steer; plan: 1 where only one of them has
    a plan."""

    tick: int
    time_s: float
    amounts: Mapping[str, float]

    @property
    def first_part(self) -> str | None:
        """The first part that is not equal, None where all are."""
        return next((part for part in PARTS if self.amounts[part] != 0.0), None)

    def exceeds(self, tolerance: float) -> bool:
        """Whether any part is farther off than that (in its own unit)."""
        return any(not amount <= tolerance for amount in self.amounts.values())


@dataclass(frozen=True)
class ReplayReport:
    """ticks: how many were replayed; recorded_ticks: how many the session tells of, more where it
    was cut short; differences: of the ticks that are not equal; seconds as the session counts;
    runs_on: what computed the agent's network now."""

    ticks: int
    recorded_ticks: int
    differences: tuple[Difference, ...]
    runs_on: str = ""

    def beyond(self, tolerance: float) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.exceeds(tolerance))

    def largest(self, part: str) -> float:
        return max((one.amounts[part] for one in self.differences), default=0.0)


OnTick = Callable[[TracedTick, AgentStep | None], None]


def replay(
    folder: Path,
    agent_class: AgentClass,
    config: str,
    on_tick: OnTick = lambda *_: None,
) -> ReplayReport:
    """Runs an agent over a session; `on_tick` is told each tick and what the agent did.

    Raises SessionError for a folder without a session, or one of another rig.
    """
    header = read_header(folder)
    agent = start(agent_class, header, config)
    differences: list[Difference] = []
    count = 0
    try:
        for count, tick in enumerate(read_ticks(folder, header), start=1):
            control = agent.run_step(tick.inputs, tick.tick.time_s)
            step = last_step_of(agent)
            answer = (control.throttle, control.steer, control.brake)
            found = _difference(count, tick, None if step is None else step.plan, answer)
            if found.first_part is not None:
                differences.append(found)
            on_tick(tick, step)
    finally:
        agent.destroy()
    if count == 0:
        raise SessionError(f"{folder}: the session holds no tick; record it anew")
    return ReplayReport(count, count_ticks(folder), tuple(differences), runs_on(agent))


def start(agent_class: AgentClass, header: Header, config: str) -> Agent:
    """The agent as it stood at the start of the session; SessionError where it cannot be set up so,
    or wants other sensors than were recorded."""
    agent = agent_class(*NOBODY, False)
    agent.set_global_plan(*header.plans())
    try:
        agent.setup(config)
    except Exception as error:
        raise SessionError(
            f"the agent cannot be set up with {config!r}: {type(error).__name__}: {error}"
        ) from error
    unlike = _unlike(_by_id(header.specs), _by_id(list(agent.sensors())))
    if unlike:
        agent.destroy()
        raise SessionError(
            f"the session was recorded with another rig ({'; '.join(unlike)}): replay a checkpoint "
            "of the recorded rig, or record a session with this one (drive --agent-config "
            "CHECKPOINT --record-inputs)"
        )
    return agent


def _by_id(specs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(spec["id"]): dict(spec) for spec in specs}


def _unlike(recorded: Mapping[str, Json], wanted: Mapping[str, Json]) -> list[str]:
    """In what two rigs differ, sensor by sensor."""
    return [
        f"{name} was not recorded"
        if name not in recorded
        else f"the agent does not want {name}"
        if name not in wanted
        else f"{name}: {', '.join(map(str, differences(recorded[name], wanted[name])))}"
        for name in dict.fromkeys([*recorded, *wanted])
        if recorded.get(name) != wanted.get(name)
    ]


def _difference(
    number: int, tick: TracedTick, plan: Plan | None, answer: tuple[float, float, float]
) -> Difference:
    before = tick.plan
    pairs = zip(("throttle", "steer", "brake"), tick.answer, answer, strict=True)
    amounts = {name: abs(now - then) for name, then, now in pairs}
    amounts |= {"plan": 0.0, "route": 0.0, "waypoints": 0.0}
    if before is None or plan is None:
        amounts["plan"] = float((before is None) != (plan is None))
    else:
        amounts["route"] = _farthest_m(before.route_ego_m, plan.route_ego_m)
        amounts["waypoints"] = _farthest_m(before.waypoints_ego_m, plan.waypoints_ego_m)
    return Difference(number, tick.tick.time_s, amounts)


def _farthest_m(first: np.ndarray, second: np.ndarray) -> float:
    if first.shape != second.shape:
        return math.inf
    if np.array_equal(first, second, equal_nan=True):
        return 0.0
    return float(np.linalg.norm(first - second, axis=1).max(initial=0.0))
