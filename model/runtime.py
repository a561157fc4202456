"""One object that owns device and number types, and turns one observation into one prediction."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.batch import DrivingInput, DrivingOutput, InputError
from model.driving import DrivingModel

STAGES = ("pictures", "vision", "language", "head")


@dataclass(frozen=True)
class Prediction:
    """What the model foresees, ego frame, metres; and how long each stage took.

    ``speed_wps`` (10, 2): positions 0.25 s apart. ``route`` (20, 2): points 1 m apart.
    """

    speed_wps: NDArray[np.float32]
    route: NDArray[np.float32]
    stage_ms: Mapping[str, float]


class Runtime:
    """Runs a model on one device: vision and Llama in bfloat16 on a GPU, float32 on a CPU.

    ``device`` is ``cpu``, ``cuda``, ``cuda:N`` or ``auto`` (a GPU where there is one).
    """

    def __init__(self, model: DrivingModel, device: str = "auto") -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self.config = model.config
        self.model = model.eval().to(self.device)
        if self.device.type == "cuda":
            for part in (model.vision_model, model.language_projection, model.language_model):
                part.to(torch.bfloat16)
        cameras = model.config.cameras
        self.intrinsics = torch.from_numpy(np.stack([c.intrinsics() for c in cameras])[None])
        self.extrinsics = torch.from_numpy(np.stack([c.extrinsics() for c in cameras])[None])

    def predict(
        self, images: NDArray[np.uint8], speed_mps: float, targets_ego_m: NDArray[np.float64]
    ) -> Prediction:
        """One tick. ``images`` (cameras, rows, columns, 3) RGB; ``targets_ego_m`` (2, 2), the next
        target and the next but one. Raises :class:`model.batch.InputError`.
        """
        if not np.isfinite(speed_mps):
            raise InputError(f"speed_mps: expected a finite number, got {speed_mps}")
        if not np.isfinite(targets_ego_m).all():
            raise InputError(f"targets_ego_m: expected finite numbers, got {targets_ego_m}")
        driving_input = DrivingInput(
            torch.from_numpy(images).permute(0, 3, 1, 2)[None, None].to(self.device),
            self.intrinsics.to(self.device),
            self.extrinsics.to(self.device),
            torch.tensor([[speed_mps]], dtype=torch.float32, device=self.device),
            None,
            torch.as_tensor(targets_ego_m, dtype=torch.float32, device=self.device)[None],
        )
        output, stage_ms = self._staged(driving_input)
        assert output.route is not None
        return Prediction(
            output.speed_wps[0].cpu().numpy(), output.route[0].cpu().numpy(), stage_ms
        )

    @torch.inference_mode()
    def _staged(self, driving_input: DrivingInput) -> tuple[DrivingOutput, Mapping[str, float]]:
        times = [time.perf_counter()]
        tiles = self.model.vision_model.prepare(driving_input.camera_images)
        times.append(time.perf_counter())
        vision = self.model.see(tiles, driving_input)
        times.append(time.perf_counter())
        features = self.model.think(vision, driving_input)
        times.append(time.perf_counter())
        output = self.model.driving_adaptor(features)
        times.append(time.perf_counter())
        spans = zip(times, times[1:], strict=False)
        return output, {n: 1e3 * (b - a) for n, (a, b) in zip(STAGES, spans, strict=True)}
