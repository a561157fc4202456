"""Leaderboard entry of the learned agent.

The leaderboard puts this folder on `sys.path` and imports this file by its base name.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import carla

_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from agent.agent_contract import (  # noqa: E402
    AutonomousAgent,
    GpsPlan,
    Track,
    WorldPlan,
    plan_arrays,
)
from agent.driving_loop import DrivingLoop  # noqa: E402
from agent.observation import AgentStep  # noqa: E402
from agent.plan_source import PlanSource, open_plan_source  # noqa: E402
from agent.recorder import SessionRecorder, session_directory  # noqa: E402
from agent.rerun_log import SUFFIX, RerunRecorder, numbered, require_rerun  # noqa: E402
from agent.rig import camera_specs, check_rig, state_specs  # noqa: E402
from agent.settings import AgentSettings, read_agent_settings  # noqa: E402
from model.config import CameraConfig  # noqa: E402

logger = logging.getLogger(__name__)


def get_entry_point() -> str:
    """Name of the class that the leaderboard is to build."""
    return "SimLingoAgent"


class SimLingoAgent(AutonomousAgent):
    """Drives by cameras, GNSS, IMU and speedometer.

    Attributes:
        last_step: what the agent did in the last tick, for observers.
        cameras: the cameras whose images `last_step` holds, once set up.
        runs_on: what computes the network, once set up; see `PlanSource`.
    """

    def __init__(self, carla_host: str, carla_port: int, debug: bool = False) -> None:
        super().__init__(carla_host, carla_port, debug)
        self.track = Track.SENSORS
        self.last_step: AgentStep | None = None
        self.cameras: tuple[CameraConfig, ...] = ()
        self.runs_on = ""
        self._dense_plan: WorldPlan = ()
        self._settings = AgentSettings()
        self._policy: PlanSource | None = None
        self._loop: DrivingLoop | None = None
        self._recorder: SessionRecorder | RerunRecorder | None = None

    def set_global_plan(self, global_plan_gps: GpsPlan, global_plan_world_coord: WorldPlan) -> None:
        """Keep the dense plan too, which the base class thins out."""
        super().set_global_plan(global_plan_gps, global_plan_world_coord)
        self._dense_plan = global_plan_world_coord

    def setup(self, path_to_conf_file: str = "", *_: Any) -> None:
        """Load the checkpoint; further arguments of leaderboard forks are ignored."""
        self._settings = read_agent_settings(path_to_conf_file)
        self._policy = open_plan_source(self._settings)
        self.cameras, self.runs_on = self._policy.cameras, self._policy.runs_on
        check_rig(self.cameras)
        if self._settings.record.endswith(SUFFIX):
            require_rerun()

    def sensors(self) -> list[dict[str, Any]]:
        """The rig that the checkpoint was trained with, and the state sensors."""
        return [*camera_specs(self.cameras), *state_specs()]

    def run_step(self, input_data: Mapping[str, Any], timestamp: float) -> carla.VehicleControl:
        """Control of one tick."""
        if self._loop is None:
            self._loop = self._start()
            self._recorder = self._start_recorder()
        self.last_step = self._loop.step(input_data, timestamp)
        if self._recorder is not None:
            self._recorder.record(self.last_step)
        control = self.last_step.control
        return carla.VehicleControl(
            throttle=control.throttle, steer=control.steer, brake=control.brake
        )

    def destroy(self) -> None:
        """Release files and the model's memory; may be called again."""
        loop, self._loop = self._loop, None
        recorder, self._recorder = self._recorder, None
        policy, self._policy = self._policy, None
        self.last_step = None
        if loop is not None and (warnings := loop.warnings()):
            logger.warning("met on this route: %s", dict(warnings))
        try:
            if recorder is not None:
                recorder.close(policy.latency() if policy is not None else None)
        finally:
            if policy is not None:
                policy.close()

    def _start_recorder(self) -> SessionRecorder | RerunRecorder | None:
        root = Path(self._settings.record)
        if not self._settings.record:
            return None
        if root.suffix == SUFFIX:
            name = self._settings.save_name
            path = numbered(root.with_stem(f"{root.stem}_{name}" if name else root.stem))
            return RerunRecorder(path, self.cameras, plan_arrays(self._dense_plan)[0][:, :2])
        directory = session_directory(root, self._settings.save_name)
        return SessionRecorder(directory, self.cameras, self._settings.record_every)

    def _start(self) -> DrivingLoop:
        if self._policy is None:
            raise RuntimeError("run_step before setup: the agent has no model")
        if not self._global_plan or not self._global_plan_world_coord:
            raise RuntimeError("run_step before set_global_plan: the agent has no route")
        return DrivingLoop(
            self._global_plan,
            self._global_plan_world_coord,
            self._dense_plan,
            self._policy,
            self._settings,
        )
