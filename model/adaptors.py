"""Speed, targets and route into tokens. All of it in float32; see :mod:`model.precision`."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetModel

from model.batch import DrivingInput, InputError
from model.config import ModelConfig
from model.precision import full_precision

# What is mapped to 0..1: speeds in m/s, coordinates in metres; the second of each is the newer one.
SPEED_RANGES_MPS = ((0.0, 64.0 / 3.6), (0.0, 110.0 / 3.6))
POINT_RANGES_M = ((-32.0, 32.0), (-200.0, 200.0))
HIDDEN_SIZE = 256
RESNET18_WIDTHS = (64, 128, 256, 512)
RESNET18_DEPTHS = (2, 2, 2, 2)


class NormZeroOne(nn.Module):
    """Map the range (low, high) to (0, 1); values outside go beyond."""

    def __init__(self, min_max: tuple[float, float]) -> None:
        super().__init__()
        self.low, self.high = min_max

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return (x - self.low) / (self.high - self.low)


class VectorInputAdaptor(nn.Module):
    """A vector (batch, size) into one token (batch, 1, width)."""

    def __init__(self, input_size: int, token_size: int, min_max: tuple[float, float]) -> None:
        super().__init__()
        self.norm = NormZeroOne(min_max)
        self.mlp = _mlp(input_size, token_size)

    def forward(self, x: Float[Tensor, "batch size"]) -> Float[Tensor, "batch 1 width"]:
        with full_precision(x):
            token: Tensor = self.mlp(self.norm(x.float()))
        return token.unsqueeze(1)


class WaypointInputAdaptor(nn.Module):
    """Points (batch, points, 2) into as many tokens (batch, points, width)."""

    def __init__(self, token_size: int, min_max: tuple[float, float]) -> None:
        super().__init__()
        self.norm = NormZeroOne(min_max)
        self.mlp = _mlp(2, token_size)

    def forward(self, x: Float[Tensor, "batch points 2"]) -> Float[Tensor, "batch points width"]:
        with full_precision(x):
            tokens: Tensor = self.mlp(self.norm(x.float()))
        return tokens


class RouteEncode(nn.Module):
    """A bird's-eye image of the route into one token, by a ResNet-18."""

    def __init__(self, token_size: int) -> None:
        super().__init__()
        self.backbone = ResNetModel(
            ResNetConfig(
                embedding_size=RESNET18_WIDTHS[0],
                hidden_sizes=list(RESNET18_WIDTHS),
                depths=list(RESNET18_DEPTHS),
                layer_type="basic",
            )
        )
        self.fc = nn.Linear(RESNET18_WIDTHS[-1], token_size)

    def forward(
        self, map_route: UInt8[Tensor, "batch 3 rows columns"]
    ) -> Float[Tensor, "batch 1 width"]:
        with full_precision(map_route):
            pooled = self.backbone(map_route.float() / 128.0 - 1.0).pooler_output
            token: Tensor = self.fc(pooled.flatten(1))
        return token.unsqueeze(1)


class ContextEncoder(nn.Module):
    """Everything that is not an image: the speed's token, then the route's."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size, newer = config.language.hidden_size, int(config.new_layer_norm_minmax)
        self.speed_encoder = (
            VectorInputAdaptor(config.speed_history, size, SPEED_RANGES_MPS[newer])
            if config.speed_as_input
            else None
        )
        self.from_image = config.route_as == "image"
        self.route_encoder: RouteEncode | WaypointInputAdaptor = (
            RouteEncode(size)
            if self.from_image
            else WaypointInputAdaptor(size, POINT_RANGES_M[newer])
        )
        self.tokens = int(config.speed_as_input) + config.route_tokens

    def forward(self, driving_input: DrivingInput) -> Float[Tensor, "batch tokens width"]:
        route = driving_input.map_route if self.from_image else driving_input.target_point
        if route is None:
            field = "map_route" if self.from_image else "target_point"
            raise InputError(f"{field}: expected the input that route_as asks for, got None")
        return self.encode(driving_input.vehicle_speed, route)

    def encode(
        self, vehicle_speed: Float[Tensor, "batch history"], route: Tensor
    ) -> Float[Tensor, "batch tokens width"]:
        """``route``: an image (batch, 3, rows, columns), or points (batch, 2) or (batch, n, 2)."""
        route = route.unsqueeze(1) if route.dim() == 2 else route
        route_tokens: Tensor = self.route_encoder(route)
        if self.speed_encoder is None:
            return route_tokens
        return torch.cat([self.speed_encoder(vehicle_speed), route_tokens], dim=1)


def _mlp(input_size: int, token_size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(input_size, HIDDEN_SIZE), nn.ReLU(), nn.Linear(HIDDEN_SIZE, token_size)
    )
