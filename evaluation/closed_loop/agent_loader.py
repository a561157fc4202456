"""Loading an agent from its file exactly as the leaderboard does."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import carla

from agent.observation import AgentStep
from evaluation.errors import UserError
from evaluation.routes.global_plan import GpsPlan, WorldPlan

ENTRY_POINT = "get_entry_point"


class AgentLoadError(UserError, RuntimeError):
    """The agent's file or class cannot be loaded; the message names the file."""


class Agent(Protocol):
    """The leaderboard's contract; `last_step`, `privileged` and `runs_on` are ours and optional."""

    track: Any

    def set_global_plan(self, gps_plan: GpsPlan, world_plan: WorldPlan) -> None: ...

    def setup(self, config: str) -> None: ...

    def sensors(self) -> Sequence[Mapping[str, Any]]: ...

    def run_step(self, input_data: Mapping[str, Any], timestamp: float) -> carla.VehicleControl: ...

    def destroy(self) -> None: ...


class AgentClass(Protocol):
    def __call__(self, carla_host: str, carla_port: int, debug: bool = False) -> Agent: ...


def check_agent_file(path: Path) -> None:
    """Raises AgentLoadError unless the file can be an agent's, without running anything of it."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise AgentLoadError(f"{path}: no such agent file") from None
    except OSError as error:
        raise AgentLoadError(f"{path}: cannot be read as an agent: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise AgentLoadError(f"{path}: not a Python file: {error}") from None
    names = {getattr(node, "name", "") for node in ast.walk(tree)}
    if ENTRY_POINT not in names and "*" not in names:
        raise AgentLoadError(
            f"{path}: has no function {ENTRY_POINT}(), which names the agent's class"
        )


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
    entry_point = getattr(module, ENTRY_POINT, None)
    if entry_point is None:
        raise AgentLoadError(f"{path}: has no function get_entry_point()")
    name = entry_point()
    if not hasattr(module, name):
        raise AgentLoadError(f"{path}: get_entry_point() names {name!r}, which is not in the file")
    agent_class: AgentClass = getattr(module, name)
    return agent_class


def is_privileged(agent: Agent) -> bool:
    """Whether the agent says that it reads the simulator itself, and not its sensors alone."""
    return bool(getattr(agent, "privileged", False))


def runs_on(agent: Agent) -> str:
    """What computes the agent's network ("onnx on cpu"), "" where it does not tell."""
    return str(getattr(agent, "runs_on", ""))


def last_step_of(agent: Agent) -> AgentStep | None:
    """What the agent tells about its last tick, if it tells anything."""
    step = getattr(agent, "last_step", None)
    # The agent's file may have been imported under two names, hence not isinstance.
    return step if type(step).__name__ == AgentStep.__name__ else None
