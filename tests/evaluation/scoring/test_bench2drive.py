"""Bench2Drive's figures, by worked examples of its own tools."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.scoring.bench2drive import (
    PUBLISHED_ROUTES,
    Motion,
    comfort,
    efficiency_percent,
    is_success,
)
from evaluation.scoring.totals import mean_over


def straight(longitudinal_mps2: NDArray[np.float64]) -> Motion:
    """Along x, with the accelerations (n,)."""
    count = len(longitudinal_mps2)
    axes = np.tile(np.eye(2), (count, 1, 1))
    acceleration = np.stack([longitudinal_mps2, np.zeros(count)], axis=1)
    return Motion(acceleration, axes[:, 0], axes[:, 1], np.zeros(count))


def turning(yaw_rate_degps: NDArray[np.float64]) -> Motion:
    still = straight(np.zeros(len(yaw_rate_degps)))
    return Motion(still.acceleration_mps2, still.forward, still.right, yaw_rate_degps)


def sideways(lateral_mps2: NDArray[np.float64]) -> Motion:
    along = straight(lateral_mps2)
    return Motion(
        along.acceleration_mps2[:, ::-1], along.forward, along.right, along.yaw_rate_degps
    )


def with_peaks(count: int, peaks: slice, mps2: float) -> Motion:
    acceleration = np.zeros(count)
    acceleration[peaks] = mps2
    return straight(acceleration)


COMFORT = {
    "standing": (straight(np.zeros(40)), 1.0, 1.0),
    "standing shortly": (straight(np.zeros(15)), 1.0, 1.0),
    "the rest is left out": (with_peaks(45, slice(40, 45), 50.0), 1.0, 1.0),
    "one piece of two": (with_peaks(40, slice(5, 6), 100.0), 0.5, 0.5),
    "10 deg/s": (turning(np.full(40, 10.0)), 0.0, 1.0),
    "0.94 deg/s": (turning(np.full(40, 0.94)), 1.0, 1.0),
    "0.96 deg/s": (turning(np.full(40, 0.96)), 0.0, 1.0),
    "54.4 deg/s": (turning(np.full(40, 54.4)), 0.0, 1.0),
    "54.5 deg/s": (turning(np.full(40, 54.5)), 0.0, 0.0),
    "jerk of 4": (straight(-4 + 0.2 * np.arange(15.0)), 1.0, 1.0),
    "jerk of 5": (straight(-4 + 0.25 * np.arange(15.0)), 1.0, 0.0),
    "lateral jerk": (sideways(0.1 + 0.5 * np.arange(9.0)), 1.0, 0.0),
    "turning in": (turning(2.0 * np.arange(20.0)), 0.0, 1.0),
    "turning in fast": (turning(6.0 * np.arange(10.0)), 0.0, 0.0),
    "a whole turn vanishes": (turning(np.repeat([0.0, math.tau], 10)), 1.0, 1.0),
    "2.40 is too much": (straight(np.full(20, 2.40)), 0.0, 0.0),
    "2.39 is not": (straight(np.full(20, 2.39)), 1.0, 1.0),
    "braking at 4.06": (straight(np.full(20, -4.06)), 0.0, 0.0),
    "braking at 4.04": (straight(np.full(20, -4.04)), 1.0, 1.0),
    "no number": (with_peaks(40, slice(3, 4), np.nan), 0.5, 0.5),
}


@pytest.mark.parametrize(("motion", "published", "corrected"), COMFORT.values(), ids=COMFORT)
def test_comfort(motion: Motion, published: float, corrected: float) -> None:
    assert comfort(motion, published=True) == published
    assert comfort(motion, published=False) == corrected


def test_comfort_of_two_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="3 samples or more, got 2"):
        comfort(straight(np.zeros(2)), published=False)


def test_driving_score_and_success_rate_are_over_all_routes() -> None:
    records: list[tuple[str, float, dict[str, list[str]]]] = [
        ("Perfect", 100.0, {}),
        ("Completed", 100.0, {"min_speed_infractions": ["slow"], "red_light": []}),
        ("Completed", 60.0, {"collisions_vehicle": ["hit"]}),
        ("Failed - TickRuntime", 99.5, {}),
    ]
    assert mean_over((score for _, score, _ in records), PUBLISHED_ROUTES) == pytest.approx(
        1.634091, abs=1e-6
    )
    successes = [is_success(status, infractions) for status, _, infractions in records]
    assert mean_over(successes, PUBLISHED_ROUTES) == pytest.approx(2 / 220)
    assert mean_over([100.0] * 219, PUBLISHED_ROUTES) == pytest.approx(99.545, abs=1e-3)


def test_an_unknown_infraction_is_no_success() -> None:
    assert not is_success("Completed", {"something_new": ["text"]})


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [([[100, 200], [300]], 225), ([[1001, 100]], 100), ([[1000], []], 1000), ([[], [1001]], None)],
)
def test_efficiency(speeds: list[list[float]], expected: float | None) -> None:
    assert efficiency_percent(speeds) == expected
