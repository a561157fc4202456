"""An agent that follows its route at the speed limit and looks at nothing at all.

What it succeeds on decides nothing:
`python -m evaluation drive --routes mini --agent tests/integration/ignoring_agent.py --no-video`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import carla
import numpy as np

_ROOT = str(Path(__file__).resolve().parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from agent.agent_contract import (  # noqa: E402
    AutonomousAgent,
    GpsPlan,
    Track,
    WorldPlan,
    plan_arrays,
)
from agent.expert.lane_path import SPACING_M, LanePath  # noqa: E402
from agent.expert.pedals import Pedals  # noqa: E402
from agent.expert.privileged_world import PrivilegedWorld  # noqa: E402
from agent.expert.route_to_path import plan_path  # noqa: E402
from agent.expert.speed_law import (  # noqa: E402
    SpeedSettings,
    brake_in_time_mps,
    cruise_acceleration_mps2,
    curve_speed_mps,
)
from agent.expert.steering import SteeringSettings, steer_to_path  # noqa: E402

TICK_S = 0.05


def get_entry_point() -> str:
    """Name of the class that the leaderboard is to build."""
    return "IgnoringAgent"


class IgnoringAgent(AutonomousAgent):
    """Drives as the expert would on an empty road without rules."""

    def __init__(self, carla_host: str, carla_port: int, debug: bool = False) -> None:
        super().__init__(carla_host, carla_port, debug)
        self.track = Track.SENSORS
        self._address = (str(carla_host), int(carla_port))
        self._plan: WorldPlan = []
        self._path: LanePath | None = None
        self._distance_m: float | None = None
        self._pedals = Pedals()
        self._settings = SpeedSettings()

    def set_global_plan(self, global_plan_gps: GpsPlan, global_plan_world_coord: WorldPlan) -> None:
        super().set_global_plan(global_plan_gps, global_plan_world_coord)
        self._plan = list(global_plan_world_coord)

    def setup(self, path_to_conf_file: str = "", *_: Any) -> None:
        self._world = PrivilegedWorld(*self._address)

    def sensors(self) -> list[dict[str, Any]]:
        return [{"type": "sensor.speedometer", "id": "speed", "reading_frequency": 20}]

    def run_step(self, input_data: Mapping[str, Any], timestamp: float) -> carla.VehicleControl:
        view = self._world.view(max(int(entry[0]) for entry in input_data.values()))
        if self._path is None:
            positions, yaws, _ = plan_arrays(self._plan)
            self._path = plan_path(positions, yaws, self._world.map).path
        self._distance_m, _ = self._path.locate(view.ego.position_world_m, self._distance_m)
        wanted_mps = self._wanted_mps(self._path, self._distance_m)
        throttle, brake = self._pedals.step(
            view.ego.speed_mps,
            cruise_acceleration_mps2(view.ego.speed_mps, wanted_mps, self._settings),
            TICK_S,
        )
        steer = steer_to_path(
            self._path, self._distance_m, view.ego, view.yaw_rate_radps, SteeringSettings()
        )
        return carla.VehicleControl(throttle=throttle, brake=brake, steer=steer)

    def _wanted_mps(self, path: LanePath, distance_m: float) -> float:
        """Speed of the limit and of the bends ahead."""
        limit_mps = float(self._world.find_ego().get_speed_limit()) / 3.6
        profile = brake_in_time_mps(
            np.minimum(curve_speed_mps(path.curvature_per_m, self._settings), limit_mps),
            SPACING_M,
            self._settings.comfort_deceleration_mps2,
        )
        return float(profile[path.index(distance_m)])

    def destroy(self) -> None:
        self._world.release()
