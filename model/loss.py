"""Squared distance to what the expert did, per sample, and how the parts add up."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from model.batch import DrivingLabel, DrivingOutput, TrainingOutput

SampleLoss = tuple[Float[Tensor, " batch"], Int[Tensor, " batch"]]


def driving_losses(output: DrivingOutput, label: DrivingLabel) -> dict[str, SampleLoss]:
    """``speed_wps_loss`` and, with a route head, ``route_loss``: values (batch,) in square metres
    and the count of each sample, 1 or 0. A sample that does not count has the value 0.
    """
    speed_wps = _squared_error(output.speed_wps, label.speed_wps, label.speed_wps_valid)
    losses = {"speed_wps_loss": speed_wps}
    if output.route is not None:
        losses["route_loss"] = _squared_error(output.route, label.route, label.route_valid)
    return losses


def summarise_losses(
    losses: Mapping[str, SampleLoss], weights: Mapping[str, float] | None = None
) -> TrainingOutput:
    """Average each loss over the samples that count (0 where there is none), then add them up.

    ``weights`` multiplies losses by name, 1 for a name that it lacks; a name that no loss has is a
    :class:`ValueError`.
    """
    weights = weights or {}
    for name in weights:
        if name not in losses:
            raise ValueError(f"weights: unknown loss {name!r}; known are {', '.join(losses)}")
    averages = {name: _average(values, counts) for name, (values, counts) in losses.items()}
    parts = [weights.get(name, 1.0) * average for name, average in averages.items()]
    return TrainingOutput(
        loss=torch.stack(parts).sum(),
        loss_averages=averages,
        loss_values={name: values for name, (values, _) in losses.items()},
        loss_counts={name: counts for name, (_, counts) in losses.items()},
    )


def _average(values: Float[Tensor, " batch"], counts: Int[Tensor, " batch"]) -> Tensor:
    counted = torch.where(counts > 0, values, torch.zeros_like(values))
    average: Tensor = counted.sum() / counts.sum().clamp(min=1)
    return average


def distance_along(
    points: Float[Tensor, "batch points 2"],
) -> Float[Tensor, "batch points 1"]:
    """Length of the path from the ego over the points, up to each of them."""
    steps = points.diff(dim=1, prepend=torch.zeros_like(points[:, :1]))
    lengths: Tensor = torch.linalg.vector_norm(steps, dim=-1, keepdim=True)
    return lengths.cumsum(1)


def _squared_error(
    predicted: Float[Tensor, "batch points axes"],
    target: Float[Tensor, "batch points axes"],
    valid: Tensor,
) -> SampleLoss:
    # A label that does not count may hold anything, NaN included, and 0 * NaN is NaN.
    target = torch.where(valid.view(-1, 1, 1), target.float(), predicted.detach())
    error = F.mse_loss(predicted, target, reduction="none").sum(-1).mean(-1)
    return error, valid.long()
