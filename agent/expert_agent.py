"""Leaderboard entry of the expert: a privileged driver that can record training frames.

The leaderboard puts this folder on `sys.path` and imports this file by its base name.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import carla
import numpy as np

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
from agent.expert.expert_loop import ExpertLoop  # noqa: E402
from agent.expert.privileged_world import PrivilegedWorld  # noqa: E402
from agent.observation import (  # noqa: E402
    NO_IMAGES,
    SPEED_ID,
    AgentStep,
    Observer,
    ObserverSettings,
)
from agent.rig import camera_specs, load_rig, state_specs  # noqa: E402
from agent.settings import ExpertSettings, read_expert_settings  # noqa: E402
from model.config import CameraConfig  # noqa: E402

if TYPE_CHECKING:
    from agent.simlingo_agent import SimLingoAgent

logger = logging.getLogger(__name__)


def get_entry_point() -> str:
    """Name of the class that the leaderboard is to build."""
    return "ExpertAgent"


class ExpertAgent(AutonomousAgent):
    """Drives by the simulator's own state.

    Attributes:
        last_step: what the agent did in the last tick, for observers.
        cameras: the cameras whose images `last_step` holds; none unless asked for.
        recording_directory: folder of the frames recorded on this route, from the first tick on.
        privileged: it reads the simulator itself.
    """

    privileged = True

    def __init__(self, carla_host: str, carla_port: int, debug: bool = False) -> None:
        super().__init__(carla_host, carla_port, debug)
        self.track = Track.SENSORS
        self.last_step: AgentStep | None = None
        self.cameras: tuple[CameraConfig, ...] = ()
        self.recording_directory: Path | None = None
        self._address = (str(carla_host), int(carla_port))
        self._dense_plan: WorldPlan = []
        self._settings = ExpertSettings()
        self._observer: Observer | None = None
        self._world: PrivilegedWorld | None = None
        self._session: ExpertLoop | None = None
        self._driver: SimLingoAgent | None = None
        self._gps_plan: GpsPlan = []

    def set_global_plan(self, global_plan_gps: GpsPlan, global_plan_world_coord: WorldPlan) -> None:
        """Keep the plan before it is thinned: the expert drives along every point of it."""
        super().set_global_plan(global_plan_gps, global_plan_world_coord)
        self._dense_plan = list(global_plan_world_coord)
        self._gps_plan = global_plan_gps

    def setup(self, path_to_conf_file: str = "", *_: Any) -> None:
        """Read the settings and connect; further arguments of leaderboard forks are ignored.

        A client that connects to a synchronous world sees nothing before the next tick, so it has
        to be there before the first one that matters.
        """
        self._settings = read_expert_settings(path_to_conf_file)
        self._world = self._connect()
        if self._settings.driver:
            self._driver = self._seated(self._settings.driver)
            self.cameras = self._driver.cameras
        elif self._settings.cameras:
            self.cameras = load_rig(self._settings.rig)
            self._observer = Observer(self.cameras, ObserverSettings(jpeg_quality=0))

    def sensors(self) -> list[dict[str, Any]]:
        """State sensors, which tell of the frame: the expert needs no more, and no speedometer, for
        which official evaluators start a thread that polls a thousand times a second and whose data
        they wait for. Where a checkpoint drives, or for a video, all of them and the cameras."""
        if self._driver is None and self._observer is None:
            return [spec for spec in state_specs() if spec["id"] != SPEED_ID]
        return [*camera_specs(self.cameras), *state_specs()]

    def run_step(self, input_data: Mapping[str, Any], timestamp: float) -> carla.VehicleControl:
        """Control of one tick."""
        if self._session is None:
            self._session = self._start()
            self.recording_directory = self._session.recording_directory
        frame = max((int(entry[0]) for entry in input_data.values()), default=0)
        images = NO_IMAGES
        if self._observer is not None:
            images = self._observer.observe(input_data, timestamp).images
        driven = None
        if self._driver is not None:
            self._driver.run_step(input_data, timestamp)
            driven = self._driver.last_step
        self.last_step = self._session.step(frame, images, driven)
        control = self.last_step.control
        return carla.VehicleControl(
            throttle=control.throttle, steer=control.steer, brake=control.brake
        )

    def destroy(self) -> None:
        """Release the client and the recording's cameras; may be called again."""
        session, self._session = self._session, None
        world, self._world = self._world, None
        driver, self._driver = self._driver, None
        self.last_step = None
        if session is not None:
            session.close()
        if driver is not None:
            driver.destroy()
        if world is not None:
            world.release()

    def _seated(self, checkpoint: str) -> SimLingoAgent:
        """The learned agent, ready to drive the same route."""
        # Imported here because it brings torch, and the expert does without.
        from agent.simlingo_agent import SimLingoAgent

        driver = SimLingoAgent(*self._address)
        driver.set_global_plan(self._gps_plan, self._dense_plan)
        driver.setup(checkpoint)
        return driver

    def _connect(self) -> PrivilegedWorld:
        """The world that is driven in."""
        return PrivilegedWorld(*self._address)

    def _start(self) -> ExpertLoop:
        thinned = self._global_plan_world_coord
        if self._world is None:
            raise RuntimeError("run_step before setup: the expert has no connection")
        if not self._dense_plan or not thinned:
            raise RuntimeError("run_step before set_global_plan: the expert has no route")
        points, _, commands = plan_arrays(thinned)
        positions, yaws, _ = plan_arrays(self._dense_plan)
        rng = np.random.default_rng(self._settings.seed)
        return ExpertLoop(
            self._world, (positions, yaws), (points[:, :2], commands), self._settings, rng
        )
