"""Random inputs and small models for the tests of ``model``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from model.batch import DrivingInput, DrivingLabel
from model.config import DEBUG, ModelConfig
from model.driving import DrivingModel

# The same architecture, with CLIP's activation and a bonnet to cut, so that every branch is taken.
PADDED = dataclasses.replace(DEBUG, name="padded", cut_bottom_quarter=True)
SIX_CAMERAS = DEBUG.cameras + tuple(
    dataclasses.replace(camera, name=camera.name + "_rear", yaw_deg=camera.yaw_deg + 180.0)
    for camera in DEBUG.cameras
)


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


def points_of(driving_input: DrivingInput) -> Tensor:
    """The target or route points of an input that has some."""
    assert driving_input.target_point is not None
    return driving_input.target_point


def make_label(config: ModelConfig = DEBUG, batch: int = 2, seed: int = 0) -> DrivingLabel:
    generator = torch.Generator().manual_seed(seed)
    valid = torch.ones(batch, dtype=torch.bool)
    axes = 2 if config.speed_wps_mode == "2d" else 1
    return DrivingLabel(
        speed_wps=torch.rand(batch, config.speed_points, axes, generator=generator).cumsum(1),
        route=torch.rand(batch, config.route_points, 2, generator=generator).cumsum(1),
        speed_wps_valid=valid,
        route_valid=valid,
    )


def make_telling_input(config: ModelConfig = DEBUG) -> DrivingInput:
    """Four samples that a network must tell apart: ramps of several colours and directions, a slow
    and a fast car, targets far apart. Noise alone looks the same to a network in every sample."""
    driving_input = make_input(config, batch=4)
    rows, columns = driving_input.camera_images.shape[-2:]
    ramps = torch.stack(
        [
            torch.linspace(0, 255, columns).expand(rows, columns),
            torch.linspace(255, 0, columns).expand(rows, columns),
            torch.linspace(0, 255, rows)[:, None].expand(rows, columns),
            torch.full((rows, columns), 128.0),
        ]
    )
    colours = torch.tensor([[1, 0.2, 0.5], [0.3, 1, 0.1], [0.1, 0.4, 1], [1, 1, 1]])
    images = (ramps[:, None] * colours[:, :, None, None]).to(torch.uint8)
    speeds = torch.tensor([0.0, 17.0, 4.0, 12.0])
    targets = torch.tensor([[5.0, -30.0], [30.0, 30.0], [60.0, 0.0], [-30.0, 5.0]])
    return driving_input._replace(
        camera_images=images[:, None, None].expand_as(driving_input.camera_images).contiguous(),
        vehicle_speed=speeds[:, None].expand(4, config.speed_history).contiguous(),
        target_point=targets[:, None].expand(4, config.route_tokens, 2).contiguous(),
    )


def shuffled(driving_input: DrivingInput) -> dict[str, DrivingInput]:
    """The same with the images, the speeds or the targets of the neighbouring sample."""
    fields = ("camera_images", "vehicle_speed", "target_point")
    return {
        name: driving_input._replace(**{name: getattr(driving_input, name).roll(1, 0)})
        for name in fields
    }


def root_mean_square(outputs: Iterable[Tensor | None], others: Iterable[Tensor | None]) -> float:
    """How far apart two predictions are, over waypoints and route, metres."""
    pairs = zip(outputs, others, strict=True)
    gaps = [(a - b).flatten() for a, b in pairs if a is not None and b is not None]
    return float(torch.cat(gaps).square().mean().sqrt())
