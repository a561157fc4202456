"""Bench2Drive's figures: success, efficiency and comfort.

Source: Thinklab-SJTU/Bench2Drive, tools/merge_route_json.py and
tools/efficiency_smoothness_benchmark.py; 0.0.3 and 0.0.4 agree in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from evaluation.scoring.status import COMPLETED, PERFECT
from evaluation.scoring.tick import Kind

PUBLISHED_ROUTES = 220
"""What the published figures divide by, however many routes there are."""
MAX_SPEED_PERCENT = 1000.0
PIECE_SAMPLES = 20
WINDOW_SAMPLES, POLYNOMIAL_ORDER = 7, 2
SAMPLE_S = 0.05
PUBLISHED_SAMPLE_S = 0.1
"""The published tool takes the samples to be twice as far apart as they are."""
LONGITUDINAL_MPS2 = (-4.05, 2.40)
LATERAL_MPS2 = 4.89
JERK_MPS3 = 8.37
LONGITUDINAL_JERK_MPS3 = 4.13
YAW_ACCELERATION_RADPS2 = 1.93
YAW_RATE_RADPS = 0.95


def is_success(status: str, infractions: Mapping[str, Sequence[str]]) -> bool:
    """Completed, and nothing but slow driving held against it; kinds unknown to us count too."""
    held_against = {kind for kind, found in infractions.items() if found}
    return status in (PERFECT, COMPLETED) and held_against <= {Kind.MIN_SPEED.value}


def efficiency_percent(speeds_percent: Iterable[Sequence[float]]) -> float | None:
    """Mean over the routes of their mean speed in percent of the traffic's, one sequence of values
    a route; None if no route has a value that counts."""
    counted = ([v for v in route if v <= MAX_SPEED_PERCENT] for route in speeds_percent)
    means = [fmean(route) for route in counted if route]
    return fmean(means) if means else None


@dataclass(frozen=True)
class Motion:
    """How a route was driven, one sample each 0.05 s. acceleration_mps2, forward, right: (n, 2) in
    the world's plane; yaw_rate_degps: (n,), in degrees as CARLA's actors tell it."""

    acceleration_mps2: NDArray[np.float64]
    forward: NDArray[np.float64]
    right: NDArray[np.float64]
    yaw_rate_degps: NDArray[np.float64]

    def piece(self, start: int) -> Motion:
        part = slice(start, start + PIECE_SAMPLES)
        return Motion(
            self.acceleration_mps2[part],
            self.forward[part],
            self.right[part],
            self.yaw_rate_degps[part],
        )


def comfort(motion: Motion, *, published: bool) -> float:
    """Share of the pieces of 20 samples that are comfortable; a rest is left out.

    published: as the tool has it, which holds degrees against limits in radians, takes the yaw
    rate, unwrapped as if it were an angle, for the yaw acceleration too, and halves all jerks.
    Otherwise the same limits with the right units and derivatives. ValueError below 3 samples.
    """
    samples = len(motion.yaw_rate_degps)
    if samples <= POLYNOMIAL_ORDER:
        raise ValueError(f"comfort needs {POLYNOMIAL_ORDER + 1} samples or more, got {samples}")
    starts = range(0, max(samples - PIECE_SAMPLES, 0) + 1, PIECE_SAMPLES)
    return fmean(_is_comfortable(motion.piece(start), published) for start in starts)


def _is_comfortable(piece: Motion, published: bool) -> bool:
    """A sample that is no number is not comfortable."""
    step_s = PUBLISHED_SAMPLE_S if published else SAMPLE_S
    longitudinal = _along(piece.acceleration_mps2, piece.forward)
    lateral = _along(piece.acceleration_mps2, piece.right)
    magnitude = np.hypot(*piece.acceleration_mps2.T)
    degps = piece.yaw_rate_degps
    yaw_rate = _unwrapped(degps) if published else np.radians(degps)
    if not np.isfinite([longitudinal, lateral, magnitude, yaw_rate]).all():
        return False
    smooth = _smooth(longitudinal)
    yaw_acceleration = _smooth(yaw_rate) if published else _slope(yaw_rate, step_s)
    return (
        bool(np.all((LONGITUDINAL_MPS2[0] < smooth) & (smooth < LONGITUDINAL_MPS2[1])))
        and _within(_smooth(lateral), LATERAL_MPS2)
        and _within(_slope(_smooth(magnitude), step_s), JERK_MPS3)
        and _within(_slope(smooth, step_s), LONGITUDINAL_JERK_MPS3)
        and _within(yaw_acceleration, YAW_ACCELERATION_RADPS2)
        and _within(_smooth(yaw_rate), YAW_RATE_RADPS)
    )


def _along(vectors: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", vectors, axes))


def _unwrapped(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the whole turns in the steps from value to value."""
    turns = np.round(np.diff(values, prepend=values[0]) / math.tau)
    return values - math.tau * np.cumsum(turns)


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    window = min(WINDOW_SAMPLES, len(values))
    return np.asarray(savgol_filter(values, window, POLYNOMIAL_ORDER))


def _slope(values: NDArray[np.float64], step_s: float) -> NDArray[np.float64]:
    window = min(WINDOW_SAMPLES, len(values))
    return np.asarray(savgol_filter(values, window, POLYNOMIAL_ORDER, deriv=1, delta=step_s))


def _within(values: NDArray[np.float64], limit: float) -> bool:
    return bool(np.all(np.abs(values) < limit))
