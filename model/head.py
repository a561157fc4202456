"""Learned queries in, waypoints and route out."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.batch import DrivingOutput
from model.config import ModelConfig
from model.precision import full_precision

QUERY_STD = 0.02


class DrivingAdaptor(nn.Module):
    """Queries that close the token sequence, and heads that read them when it comes back.

    Each head gives a step from point to point; a cumulative sum makes positions of them. Order of
    the queries: route first, then speed. Float32 throughout; see :mod:`model.precision`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size, hidden = config.language.hidden_size, config.adaptor_size
        deep = config.route_head == "deep"
        self.route_points = config.route_points if config.predict_route_as_wps else 0
        self.speed_points = config.speed_points
        axes = 2 if config.speed_wps_mode == "2d" else 1
        self.query_embeds_speed = _queries(self.speed_points, size)
        self.speed_wps_head = _head([size, hidden, axes], bias=deep)
        set_first_step(self.speed_wps_head, config.speed_step_m)
        if config.predict_route_as_wps:
            self.query_embeds_wps = _queries(self.route_points, size)
            sizes = [size, 2 * hidden, hidden, 2] if deep else [size, hidden, 2]
            self.route_head = _head(sizes, bias=deep)
            set_first_step(self.route_head, config.route_step_m)

    @property
    def tokens(self) -> int:
        return self.route_points + self.speed_points

    def queries(self, batch: int) -> Float[Tensor, "batch queries width"]:
        """The queries, repeated for each sample of the batch."""
        parts: list[Tensor] = [self.query_embeds_speed]
        if self.route_points:
            parts.insert(0, self.query_embeds_wps)
        return torch.cat(parts, dim=1).expand(batch, -1, -1)

    def forward(self, features: Float[Tensor, "batch queries width"]) -> DrivingOutput:
        with full_precision(features):
            features = features.float()
            speed_steps = self.speed_wps_head(features[:, self.route_points :])
            speed_wps = speed_steps.cumsum(1)
            if not self.route_points:
                return DrivingOutput(speed_wps, None)
            route = self.route_head(features[:, : self.route_points]).cumsum(1)
        return DrivingOutput(speed_wps, route)


def _queries(points: int, size: int) -> nn.Parameter:
    return nn.Parameter(QUERY_STD * torch.randn(1, points, size))


def _head(sizes: list[int], *, bias: bool) -> nn.Sequential:
    """Linear layers with SiLU between them; ``bias`` is that of the last one."""
    layers: list[nn.Module] = []
    for width, next_width in pairwise(sizes[:-1]):
        layers += [nn.Linear(width, next_width), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1], bias=bias))


def set_first_step(head: nn.Sequential, step_m: float) -> None:
    """Let an untrained head predict ``step_m`` forward and nothing sideways; 0 changes nothing."""
    bias = head[-1].bias
    if step_m and isinstance(bias, Tensor):
        with torch.no_grad():
            bias.zero_()
            bias[0] = step_m
