"""Scores from infractions: the leaderboard's rules 2.0 and 2.1, and Bench2Drive's.

Sources: carla-simulator/leaderboard, leaderboard/utils/statistics_manager.py, branches
leaderboard-2.0 and leaderboard-2.1; Thinklab-SJTU/Bench2Drive, the same file (0.0.3, 0.0.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from math import prod
from typing import TypedDict

from evaluation.scoring.tick import Infraction, Kind

SCORE_DIGITS = 6


class Rules(Enum):
    """BENCH2DRIVE: as 2.0, but a minimum speed costs nothing."""

    V2_0 = "2.0"
    V2_1 = "2.1"
    BENCH2DRIVE = "bench2drive"


FACTORS_2_0: Mapping[Kind, float] = {
    Kind.COLLISION_PEDESTRIAN: 0.50,
    Kind.COLLISION_VEHICLE: 0.60,
    Kind.COLLISION_LAYOUT: 0.65,
    Kind.RED_LIGHT: 0.70,
    Kind.STOP: 0.80,
    Kind.SCENARIO_TIMEOUT: 0.70,
    Kind.YIELD_EMERGENCY: 0.70,
}
MIN_SPEED_WEIGHT_2_0 = 0.3

COEFFICIENTS_2_1: Mapping[Kind, float] = {
    Kind.COLLISION_PEDESTRIAN: 1.0,
    Kind.COLLISION_VEHICLE: 0.7,
    Kind.COLLISION_LAYOUT: 0.6,
    Kind.RED_LIGHT: 0.4,
    Kind.STOP: 0.25,
    Kind.SCENARIO_TIMEOUT: 0.4,
    Kind.YIELD_EMERGENCY: 0.4,
}
MIN_SPEED_WEIGHT_2_1 = 0.4


class Scores(TypedDict):
    """Percent of the route, penalty factor 0..1 and their product, as in the results file."""

    score_route: float
    score_penalty: float
    score_composed: float


def _missing(infraction: Infraction) -> float:
    """Share by which an amount falls short of 100 %; negative above, as in the leaderboard."""
    percent = 100.0 if infraction.percent is None else infraction.percent
    return 1.0 - percent / 100.0


def penalty(infractions: Iterable[Infraction], rules: Rules = Rules.V2_0) -> float:
    """Penalty factor that a route's score is multiplied with, in [0, 1] for amounts of 0..100 %.

    Other amounts come from neither scenario_runner nor our criteria by the leaderboard's rules.
    Bench2Drive records speeds above 100 %, and penalises none.
    """
    unpunished = (Kind.MIN_SPEED,) if rules is Rules.BENCH2DRIVE else ()
    found = [one for one in infractions if one.kind not in unpunished]
    inside = prod(_missing(one) for one in found if one.kind is Kind.OUTSIDE_LANES)
    if rules is not Rules.V2_1:
        fixed = prod(FACTORS_2_0.get(one.kind, 1.0) for one in found)
        slow = prod(
            1.0 - MIN_SPEED_WEIGHT_2_0 * _missing(one)
            for one in found
            if one.kind is Kind.MIN_SPEED
        )
        return fixed * slow * inside
    total = sum(COEFFICIENTS_2_1.get(one.kind, 0.0) for one in found)
    total += sum(
        MIN_SPEED_WEIGHT_2_1 * _missing(one) for one in found if one.kind is Kind.MIN_SPEED
    )
    return inside / (1.0 + total)


def score(
    completion_percent: float, infractions: Iterable[Infraction], rules: Rules = Rules.V2_0
) -> Scores:
    """Scores of one route, rounded as the leaderboard rounds them."""
    factor = penalty(infractions, rules)
    return Scores(
        score_route=round(completion_percent, SCORE_DIGITS),
        score_penalty=round(factor, SCORE_DIGITS),
        score_composed=round(max(completion_percent * factor, 0.0), SCORE_DIGITS),
    )
