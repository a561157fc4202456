"""How far a plan is from the expert's, in metres and metres per second."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from model.batch import DrivingLabel, DrivingOutput

# A controller reads its speed from the way from the first waypoint to the third.
SPEED_SPAN_S = 0.5


class Errors(NamedTuple):
    """One value per sample; what is not ``valid`` does not count."""

    value: Tensor
    valid: Tensor


def plan_errors(output: DrivingOutput, label: DrivingLabel) -> dict[str, Errors]:
    """Errors of each sample by name.

    * ``route_10m``, ``route_end``: distance of the route's point 10 m ahead, and of its last one
      (19 m ahead), from the label's. ``route_mean``: over all points.
    * ``wp_ade``, ``wp_fde``: distance of the waypoints from the label's, mean and last. In mode
      ``1d`` the distance along the path.
    * ``speed_mps``: of the speed that a controller reads from the waypoints.
    """
    wanted = label.speed_wps
    waypoints = torch.linalg.vector_norm(output.speed_wps - wanted, dim=-1)
    speed_error = (_speed_mps(output.speed_wps) - _speed_mps(wanted)).abs()
    valid = label.speed_wps_valid
    errors = {
        "wp_ade": Errors(waypoints.mean(1), valid),
        "wp_fde": Errors(waypoints[:, -1], valid),
        "speed_mps": Errors(speed_error, valid),
    }
    if output.route is not None:
        route = torch.linalg.vector_norm(output.route - label.route, dim=-1)
        middle = min(10, route.shape[1] - 1)
        errors["route_10m"] = Errors(route[:, middle], label.route_valid)
        errors["route_end"] = Errors(route[:, -1], label.route_valid)
        errors["route_mean"] = Errors(route.mean(1), label.route_valid)
    return errors


def mean(errors: Errors) -> tuple[Tensor, int]:
    """Mean over the valid samples (0 when there is none) and their number."""
    count = int(errors.valid.sum())
    total = torch.where(errors.valid, errors.value, torch.zeros_like(errors.value)).sum()
    return total / max(1, count), count


def _speed_mps(points: Tensor) -> Tensor:
    way: Tensor = torch.linalg.vector_norm(points[:, 2] - points[:, 0], dim=-1)
    return way / SPEED_SPAN_S
