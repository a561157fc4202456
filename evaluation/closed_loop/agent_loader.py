"""Loading an agent from its file exactly as the leaderboard does."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import carla

from agent.observation import AgentStep
from evaluation.errors import UserError
from evaluation.routes.global_plan import GpsPlan, WorldPlan


class AgentLoadError(UserError, RuntimeError):
    """The agent's file or class cannot be loaded; the message names the file."""


class Agent(Protocol):
    """The leaderboard's contract; `last_step` is ours and optional."""

    track: Any

    def set_global_plan(self, gps_plan: GpsPlan, world_plan: WorldPlan) -> None: ...

    def setup(self, config: str) -> None: ...

    def sensors(self) -> Sequence[Mapping[str, Any]]: ...

    def run_step(self, input_data: Mapping[str, Any], timestamp: float) -> carla.VehicleControl: ...

    def destroy(self) -> None: ...


class AgentClass(Protocol):
    def __call__(self, carla_host: str, carla_port: int, debug: bool = False) -> Agent: ...


def load_agent_class(path: Path) -> AgentClass:
    """The class that the file's get_entry_point() names."""
    if not path.is_file():
        raise AgentLoadError(f"{path}: no such agent file")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(path.stem)
    except Exception as error:
        raise AgentLoadError(f"{path}: importing it failed: {error!r}") from error
    origin = getattr(module, "__file__", None)
    if origin is None or Path(origin).resolve() != path.resolve():
        raise AgentLoadError(
            f"{path}: the name {path.stem!r} is already taken by {origin}; rename the agent's file"
        )
    entry_point = getattr(module, "get_entry_point", None)
    if entry_point is None:
        raise AgentLoadError(f"{path}: has no function get_entry_point()")
    name = entry_point()
    if not hasattr(module, name):
        raise AgentLoadError(f"{path}: get_entry_point() names {name!r}, which is not in the file")
    agent_class: AgentClass = getattr(module, name)
    return agent_class


def last_step_of(agent: Agent) -> AgentStep | None:
    """What the agent tells about its last tick, if it tells anything."""
    step = getattr(agent, "last_step", None)
    # The agent's file may have been imported under two names, hence not isinstance.
    return step if type(step).__name__ == AgentStep.__name__ else None
