"""The only bridge between model and planner: an observation and targets in, a plan out."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agent.plan_source import Planned
from model.checkpoint import load_checkpoint
from model.config import FRAME_INTERVAL_S, CameraConfig, ModelConfig
from model.latency import Latency
from model.onnx_stages import FOLDER
from model.route import planned_points
from model.runtime import Runtime
from planner.frames import ego_from_world
from planner.records import EgoState, Plan, Target

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]


class Policy:
    """A loaded checkpoint that plans.

    Args:
        checkpoint: directory of the checkpoint; raises `CheckpointError` where it does not fit.
        device: cpu, cuda, cuda:N or auto.
        threads: of torch on a CPU; 0 leaves torch's own number. One is best beside a simulator.
        backend: how the network is run; see `Runtime`.
    """

    def __init__(
        self, checkpoint: Path, device: str = "auto", threads: int = 1, backend: str = "auto"
    ) -> None:
        self._runtime: Runtime | None = Runtime(
            load_checkpoint(checkpoint),
            device,
            backend=backend,
            threads=threads,
            onnx_folder=checkpoint / FOLDER,
        )
        self.config: ModelConfig = self._runtime.config
        self.cameras: tuple[CameraConfig, ...] = self.config.cameras
        self.runs_on = f"{self._runtime.backend} on {self._runtime.device}"

    def plan(
        self,
        images: U8,
        speeds_mps: F64,
        ego: EgoState,
        targets: Sequence[Target],
        route_world_m: F64,
    ) -> Planned:
        """Plan for one tick; all numbers must be finite.

        Args:
            images: (hist_len, N, H, W, 3) RGB, oldest first.
            speeds_mps: (speed_history,), oldest first.
            ego: where the car is.
            targets: the next two; read where `route_as` is target_point.
            route_world_m: (n, 2) the dense route from beside the ego on; read elsewhere.
        """
        if self._runtime is None:
            raise RuntimeError("the policy has been closed")
        started = time.perf_counter()
        if self.config.route_as == "target_point":
            points = np.stack([target.position_world_m for target in targets])
            points_ego_m: NDArray[np.floating] = ego_from_world(points, ego)
        else:
            route_ego_m = ego_from_world(route_world_m, ego)
            points_ego_m = planned_points(route_ego_m, self.config.route_points)
        views = images if self.config.hist_len > 1 else images[0]
        prediction = self._runtime.predict(views, speeds_mps, points_ego_m)
        plan = Plan(
            route_ego_m=np.asarray(prediction.route, dtype=np.float64),
            waypoints_ego_m=np.asarray(prediction.speed_wps, dtype=np.float64),
            waypoint_interval_s=FRAME_INTERVAL_S,
        )
        total_ms = 1e3 * (time.perf_counter() - started)
        return Planned(plan, {**prediction.stage_ms, "model": total_ms})

    def latency(self) -> dict[str, Latency]:
        """Figures by stage of the network, over the last few thousand ticks."""
        return {} if self._runtime is None else self._runtime.latency.summary()

    def close(self) -> None:
        """Give the model's memory back; may be called again."""
        if self._runtime is None:
            return
        on_gpu = self._runtime.device.type == "cuda"
        self._runtime = None
        gc.collect()
        if on_gpu:
            torch.cuda.empty_cache()
