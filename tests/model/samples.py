"""Random inputs and small models for the tests of ``model``."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from model.batch import DrivingInput, DrivingLabel
from model.config import DEBUG, ModelConfig
from model.driving import DrivingModel

# The same architecture, with CLIP's activation and a bonnet to cut, so that every branch is taken.
PADDED = dataclasses.replace(DEBUG, name="padded", cut_bottom_quarter=True)


def variant(
    config: ModelConfig = DEBUG, vision: dict[str, Any] | None = None, **changes: Any
) -> ModelConfig:
    """``config`` with some fields changed; ``vision`` holds changes of ``config.vision``."""
    return dataclasses.replace(
        config, vision=dataclasses.replace(config.vision, **(vision or {})), **changes
    )


def make_model(config: ModelConfig = DEBUG, seed: int = 0) -> DrivingModel:
    """A model in evaluation mode; vectors (norms, biases) are moved off their trivial start."""
    torch.manual_seed(seed)
    model = DrivingModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def make_input(config: ModelConfig = DEBUG, batch: int = 2, seed: int = 0) -> DrivingInput:
    generator = torch.Generator().manual_seed(seed)
    camera, cameras = config.cameras[0], len(config.cameras)
    size = (batch, config.hist_len, cameras, 3, camera.height_px, camera.width_px)
    points = (batch, config.route_tokens, 2)
    return DrivingInput(
        camera_images=torch.randint(0, 256, size, dtype=torch.uint8, generator=generator),
        camera_intrinsics=torch.eye(3).expand(batch, cameras, 3, 3),
        camera_extrinsics=torch.eye(4).expand(batch, cameras, 4, 4),
        vehicle_speed=10.0 * torch.rand(batch, config.speed_history, generator=generator),
        map_route=(
            torch.randint(0, 256, (batch, 3, 64, 64), dtype=torch.uint8, generator=generator)
            if config.route_as == "image"
            else None
        ),
        target_point=20.0 * torch.randn(points, generator=generator),
    )


def make_label(config: ModelConfig = DEBUG, batch: int = 2, seed: int = 0) -> DrivingLabel:
    generator = torch.Generator().manual_seed(seed)
    valid = torch.ones(batch, dtype=torch.bool)
    return DrivingLabel(
        speed_wps=torch.rand(batch, config.speed_points, 2, generator=generator).cumsum(1),
        route=torch.rand(batch, config.route_points, 2, generator=generator).cumsum(1),
        speed_wps_valid=valid,
        route_valid=valid,
    )
