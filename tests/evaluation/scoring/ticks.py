"""Ticks for criteria, without a simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.scoring.tick import Criterion, Infraction, Tick

TICK_S = 0.05


def tick_at(
    x_m: float,
    y_m: float = 1.75,
    *,
    time_s: float = 0.0,
    speed_mps: float = 10.0,
    yaw_rad: float = 0.0,
    **more: Any,
) -> Tick:
    """The ego at a place, driving where it points."""
    heading = np.array([np.cos(yaw_rad), np.sin(yaw_rad), 0.0])
    fields: dict[str, Any] = {
        "frame": round(time_s / TICK_S),
        "time_s": time_s,
        "location_world_m": np.array([x_m, y_m, 0.0]),
        "yaw_rad": yaw_rad,
        "velocity_world_mps": speed_mps * heading,
        "half_extent_m": np.array([2.45, 0.92, 0.75]),
        "speed_limit_mps": 10.0,
    }
    return Tick(**{**fields, **more})


def along_x(start_m: float, end_m: float, speed_mps: float = 10.0, **more: Any) -> list[Tick]:
    """Ticks of driving along +x (or back, where the end is before the start)."""
    step_m = speed_mps * TICK_S * (1.0 if end_m >= start_m else -1.0)
    count = int(abs(end_m - start_m) / abs(step_m)) + 1
    return [
        tick_at(start_m + index * step_m, time_s=index * TICK_S, speed_mps=speed_mps, **more)
        for index in range(count)
    ]


def judge(criterion: Criterion, ticks: Sequence[Tick]) -> list[Infraction]:
    """Everything that a criterion says about the ticks, its last word included."""
    found = [infraction for tick in ticks for infraction in criterion.step(tick)]
    return [*found, *criterion.finish(ticks[-1])]
