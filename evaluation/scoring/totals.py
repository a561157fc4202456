"""Figures over the routes of a run of which some may be missing.

Source: carla-simulator/leaderboard, leaderboard/utils/statistics_manager.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def mean_over(values: Iterable[float], routes: int) -> float:
    """Over that many routes; those without a value count 0."""
    return sum(values) / routes


def deviation_over(values: Sequence[float], routes: int) -> float:
    """Of the values from their mean over that many routes, as the leaderboard has it: a route
    without a value lowers the mean and adds to the divisor, but adds no square. 0 for one route."""
    if routes < 2:
        return 0.0
    mean = mean_over(values, routes)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (routes - 1))
