"""The only bridge between model and planner: an observation and targets in, a plan out."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from agent.observation import Observation
from model.checkpoint import load_checkpoint
from model.config import CameraConfig
from model.runtime import Runtime
from planner.frames import ego_from_world
from planner.records import EgoState, Plan, Target

WAYPOINT_INTERVAL_S = 0.25


@dataclass(frozen=True)
class Planned:
    """A plan and what each stage of making it took."""

    plan: Plan
    stage_ms: Mapping[str, float]


class Policy:
    """A loaded checkpoint that plans.

    Args:
        checkpoint: directory of the checkpoint; raises `CheckpointError` where it does not fit.
        device: cpu, cuda, cuda:N or auto.
        threads: of torch on a CPU; 0 leaves torch's own number. One is best beside a simulator.
    """

    def __init__(self, checkpoint: Path, device: str = "auto", threads: int = 1) -> None:
        self._runtime: Runtime | None = Runtime(load_checkpoint(checkpoint), device)
        self.cameras: tuple[CameraConfig, ...] = self._runtime.config.cameras
        self.device = str(self._runtime.device)
        if threads > 0 and self._runtime.device.type == "cpu":
            torch.set_num_threads(threads)

    def plan(self, observation: Observation, ego: EgoState, targets: Sequence[Target]) -> Planned:
        """Plan for one tick; speed and targets must be finite."""
        if self._runtime is None:
            raise RuntimeError("the policy has been closed")
        started = time.perf_counter()
        points = np.stack([target.position_world_m for target in targets])
        targets_ego_m = ego_from_world(points, ego)
        prediction = self._runtime.predict(observation.images, ego.speed_mps, targets_ego_m)
        plan = Plan(
            route_ego_m=np.asarray(prediction.route, dtype=np.float64),
            waypoints_ego_m=np.asarray(prediction.speed_wps, dtype=np.float64),
            waypoint_interval_s=WAYPOINT_INTERVAL_S,
        )
        total_ms = 1e3 * (time.perf_counter() - started)
        return Planned(plan, {**prediction.stage_ms, "model": total_ms})

    def close(self) -> None:
        """Give the model's memory back; may be called again."""
        if self._runtime is None:
            return
        on_gpu = self._runtime.device.type == "cuda"
        self._runtime = None
        gc.collect()
        if on_gpu:
            torch.cuda.empty_cache()
