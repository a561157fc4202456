"""All criteria together: when a route is over, and what was measured on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.scoring.criteria_set import CriteriaSet, RoadRules
from evaluation.scoring.penalty import Rules, score
from evaluation.scoring.tick import Kind
from tests.evaluation.scoring.roads import straight_map, straight_route
from tests.evaluation.scoring.ticks import along_x

TRAFFIC = np.array([10.0])


def new_set(length_m: float = 200.0, rules: Rules = Rules.V2_0) -> CriteriaSet:
    return CriteriaSet(straight_route(length_m), RoadRules(straight_map()), rules)


def test_a_route_is_over_one_tick_after_its_end_is_reached() -> None:
    criteria = new_set()
    over = []
    for tick in along_x(10.0, 211.0):
        criteria.step(tick)
        over.append((criteria.completion_percent == 100.0, criteria.over))
    first = over.index((True, False))
    assert over[first + 1] == (True, True)
    assert set(over[:first]) == {(False, False)}


def test_without_a_tick_nothing_is_measured() -> None:
    criteria = new_set()
    criteria.finish()
    measures = criteria.measures
    assert (measures.lateral_mean_m, measures.lateral_p95_m) == (None, None)
    assert measures.min_speed_percent == ()
    assert criteria.infractions == ()


def test_without_traffic_no_minimum_speed_is_measured() -> None:
    criteria = new_set()
    for tick in along_x(10.0, 210.5):
        criteria.step(tick)
    criteria.finish()
    assert criteria.measures.min_speed_percent == (None,) * 4
    assert criteria.measures.lateral_p95_m == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("end_m", "slow"),
    [
        pytest.param(210.5, 5, id="the route came to its end: the last part counts twice"),
        pytest.param(205.0, 4, id="broken off beyond 95 %: the last part counts once"),
        pytest.param(195.0, 3, id="broken off before: the last part does not count"),
    ],
)
def test_how_often_slowness_counts(end_m: float, slow: int) -> None:
    criteria = new_set()
    for tick in along_x(10.0, end_m, speed_mps=5.0, traffic_speeds_mps=TRAFFIC):
        criteria.step(tick)
    criteria.finish()
    kinds = [found.kind for found in criteria.infractions]
    assert kinds.count(Kind.MIN_SPEED) == slow
    assert criteria.measures.min_speed_percent == (50.0,) * min(slow, 4)


@pytest.mark.parametrize(("traffic_speeds_mps", "percent"), [(TRAFFIC, 50.0), (None, 100.0)])
def test_bench2drive_notes_the_speed_of_twenty_parts_whatever_it_is(
    traffic_speeds_mps: NDArray[np.float64] | None, percent: float
) -> None:
    criteria = new_set(400.0, rules=Rules.BENCH2DRIVE)
    for tick in along_x(10.0, 410.5, speed_mps=5.0, traffic_speeds_mps=traffic_speeds_mps):
        criteria.step(tick)
    criteria.finish()
    speeds = [found for found in criteria.infractions if found.kind is Kind.MIN_SPEED]
    assert [found.percent for found in speeds] == [percent] * 21
    assert score(100.0, speeds, Rules.BENCH2DRIVE)["score_composed"] == 100.0


def test_bench2drive_breaks_a_route_off_in_its_4001st_tick() -> None:
    criteria = new_set(rules=Rules.BENCH2DRIVE)
    (tick,) = list(along_x(10.0, 10.0))[:1]
    for number in range(4001):
        assert (criteria.ending, criteria.over) == ("", False)
        criteria.step(replace(tick, frame=number, time_s=0.01 * number))
    assert (criteria.ending, criteria.over) == ("TickRuntime", True)
    criteria.finish()
    assert criteria.infractions == ()
