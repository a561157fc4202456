"""What the CARLA leaderboard asks of an agent: its base class, or ours of the same contract.

`AutonomousAgent` and `Track` are those of the official leaderboard where that one can be imported
(its checkout and scenario_runner's are on PYTHONPATH). Elsewhere, ours take their place, so that
the agents drive without the checkouts. PyPI has an unrelated package that is called `leaderboard`
too; only a package with the leaderboard's own modules in it is taken.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import carla
import numpy as np

from planner.records import Command
from planner.route import thin_plan

logger = logging.getLogger(__name__)

GpsPlan = Sequence[tuple[Mapping[str, float], Any]]
WorldPlan = Sequence[tuple[carla.Transform, Any]]
OFFICIAL_MODULE = "leaderboard.autoagents.autonomous_agent"


class OwnTrack(Enum):
    """The leaderboard's tracks; the values are those of its `--track` option."""

    SENSORS = "SENSORS"
    MAP = "MAP"
    SENSORS_QUALIFIER = "SENSORS_QUALIFIER"
    MAP_QUALIFIER = "MAP_QUALIFIER"


class OwnAutonomousAgent:
    """Base class of an agent where the official one is absent.

    A runner builds it, then calls `set_global_plan`, `setup`, `sensors`, `run_step` for each tick
    and `destroy`.
    """

    def __init__(self, carla_host: str, carla_port: int, debug: bool = False) -> None:
        self.track: Any = OwnTrack.SENSORS
        self._global_plan: list[tuple[Mapping[str, float], Any]] | None = None
        self._global_plan_world_coord: list[tuple[carla.Transform, Any]] | None = None

    def set_global_plan(self, global_plan_gps: GpsPlan, global_plan_world_coord: WorldPlan) -> None:
        """Keep the plan thinned as the leaderboard thins it (about 200 m, all turns)."""
        points = [
            (place.location.x, place.location.y, place.location.z)
            for place, _ in global_plan_world_coord
        ]
        commands = [command_of(option) for _, option in global_plan_world_coord]
        kept = thin_plan(np.array(points), commands)
        self._global_plan_world_coord = [global_plan_world_coord[index] for index in kept]
        self._global_plan = [global_plan_gps[index] for index in kept]

    def setup(self, path_to_conf_file: str) -> None:
        """Initialise the agent from its configuration string."""

    def sensors(self) -> list[dict[str, Any]]:
        """The sensors that the agent needs, as the leaderboard's specification dicts."""
        return []

    def run_step(self, input_data: Mapping[str, Any], timestamp: float) -> carla.VehicleControl:
        """Control of one tick for `input_data[id] = (frame, data)`."""
        return carla.VehicleControl()

    def destroy(self) -> None:
        """Release everything that the agent holds."""


def command_of(road_option: Any) -> Command:
    """Our command for a `RoadOption` of whichever package, or for its number."""
    return Command(int(getattr(road_option, "value", road_option)))


def plan_arrays(plan: WorldPlan) -> tuple[np.ndarray, np.ndarray, list[Command]]:
    """Positions (n, 3) in metres, yaws (n,) in radians and commands of a plan."""
    places = [place for place, _ in plan]
    positions = [(p.location.x, p.location.y, p.location.z) for p in places]
    yaws = np.radians([p.rotation.yaw for p in places])
    commands = [command_of(option) for _, option in plan]
    return np.array(positions, dtype=np.float64), yaws, commands


def official_agent_module() -> Any | None:
    """The leaderboard's own module with `AutonomousAgent`, or None where it is not to be had."""
    spec = importlib.util.find_spec("leaderboard")
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    files = [Path(folder) / "autoagents" / "autonomous_agent.py" for folder in folders]
    if not any(file.is_file() for file in files):
        return None
    try:
        module = importlib.import_module(OFFICIAL_MODULE)
    except ImportError as error:
        logger.warning(
            "the leaderboard at %s does not import (%s); using the agents' own base class. "
            "Put scenario_runner and CARLA's PythonAPI/carla on PYTHONPATH to use it.",
            folders[0],
            error,
        )
        return None
    return module


if TYPE_CHECKING:
    AutonomousAgent = OwnAutonomousAgent
    Track = OwnTrack
else:
    _official = official_agent_module()
    AutonomousAgent = OwnAutonomousAgent if _official is None else _official.AutonomousAgent
    Track = OwnTrack if _official is None else _official.Track
