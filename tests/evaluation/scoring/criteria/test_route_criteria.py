"""Completion, deviation, blocked, timeout, minimum speed and lateral deviation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.scoring.criteria.blocked import Blocked
from evaluation.scoring.criteria.completion import Completion
from evaluation.scoring.criteria.deviation import RouteDeviation
from evaluation.scoring.criteria.min_speed import MinSpeed
from evaluation.scoring.criteria.timeout import RouteTimeout
from evaluation.scoring.measures.lateral import LateralDeviation
from evaluation.scoring.route_progress import RouteProgress
from evaluation.scoring.tick import Kind
from tests.evaluation.scoring.roads import straight_route
from tests.evaluation.scoring.ticks import along_x, judge, tick_at
from tests.examples import examples


def test_half_the_route() -> None:
    completion = Completion(straight_route(200.0, start_m=10.0))
    assert judge(completion, along_x(10.0, 110.6)) == []
    assert completion.percent == pytest.approx(50.0)
    assert not completion.reached


def test_the_end_is_reached_beyond_99_percent() -> None:
    completion = Completion(straight_route(200.0, start_m=10.0))
    ticks = along_x(10.0, 210.0)
    reached = []
    for tick in ticks:
        completion.step(tick)
        reached.append(completion.reached)
    first = ticks[reached.index(True)]
    assert first.location_world_m[0] == pytest.approx(209.1, abs=0.5)
    assert completion.percent == 100.0


def test_the_route_is_not_lengthened_by_lifting_its_first_point_as_in_the_leaderboard() -> None:
    planned = straight_route(200.0, start_m=10.0)
    points_m = planned.points_world_m.copy()
    points_m[0, 2] += 0.5
    lifted = replace(planned, points_world_m=points_m)
    assert lifted.length_m - planned.length_m == pytest.approx(0.118, abs=1e-3)
    ours, theirs = Completion(planned), Completion(lifted)
    judge(ours, along_x(10.0, 110.6))
    judge(theirs, along_x(10.0, 110.6))
    assert (ours.percent, theirs.percent) == (50.0, 50.03)


def test_a_jump_to_the_end_is_not_driving_there() -> None:
    completion = Completion(straight_route(200.0))
    judge(completion, [tick_at(10.5), tick_at(209.9)])
    assert completion.percent < 2.0


@examples(50)
@given(st.lists(st.floats(-50.0, 300.0), min_size=1, max_size=60))
def test_progress_never_goes_back(places_m: list[float]) -> None:
    progress = RouteProgress(straight_route(200.0), window=3)
    before = 0
    for place_m in places_m:
        progress.step((place_m, 0.0, 0.0))
        assert before <= progress.index <= before + 3
        before = progress.index


def test_standing_for_three_minutes_is_blocked() -> None:
    ticks = [tick_at(10.0, time_s=0.05 * n, speed_mps=0.05) for n in range(3700)]
    found = judge(Blocked(), ticks)
    assert found[0].kind is Kind.BLOCKED
    assert found[0].frame * 0.05 == pytest.approx(180.05, abs=0.06)


def test_a_short_move_restarts_the_clock_of_blocked() -> None:
    ticks = [
        tick_at(10.0, time_s=0.05 * n, speed_mps=1.0 if n == 2000 else 0.0) for n in range(5500)
    ]
    assert judge(Blocked(), ticks) == []


def test_the_timeout_grows_with_the_distance() -> None:
    timeout = RouteTimeout(straight_route(200.0))
    judge(timeout, along_x(10.0, 110.0))
    # 100 m at a tenth of 10 m/s are 100 s more.
    assert timeout.allowed_s == pytest.approx(300.0 + 99.0, abs=2.0)
    late = tick_at(110.0, time_s=401.0)
    assert [found.kind for found in timeout.step(late)] == [Kind.ROUTE_TIMEOUT]


def test_thirty_metres_off_the_route_is_a_deviation() -> None:
    near = [tick_at(20.0, 1.75 + 29.0)]
    far = [tick_at(20.0, 1.75 + 31.0)]
    assert judge(RouteDeviation(straight_route()), near) == []
    found = judge(RouteDeviation(straight_route()), far)
    assert [infraction.kind for infraction in found] == [Kind.ROUTE_DEVIATION]
    assert "(x=20.0, y=32.75, z=0.0)" in found[0].message


def test_a_third_of_the_route_beyond_fifteen_metres_is_a_deviation() -> None:
    route = straight_route(200.0)
    assert judge(RouteDeviation(route), along_x(10.0, 60.0, y_m=18.0)) == []
    found = judge(RouteDeviation(route), along_x(10.0, 80.0, y_m=18.0))
    assert [infraction.kind for infraction in found] == [Kind.ROUTE_DEVIATION]


def test_without_traffic_nobody_is_slow() -> None:
    criterion = MinSpeed(straight_route(200.0))
    assert judge(criterion, along_x(10.0, 210.0, speed_mps=1.0)) == []
    assert criterion.values_percent == [None] * 4


def test_beside_standing_traffic_nobody_is_slow() -> None:
    criterion = MinSpeed(straight_route(200.0))
    ticks = along_x(10.0, 210.0, speed_mps=1.0, traffic_speeds_mps=np.zeros(3))
    assert judge(criterion, ticks) == []
    assert criterion.values_percent == [None] * 4


def test_slower_than_the_traffic_is_counted_per_quarter() -> None:
    criterion = MinSpeed(straight_route(200.0))
    ticks = along_x(10.0, 210.0, speed_mps=5.0, traffic_speeds_mps=np.array([8.0, 12.0]))
    found = judge(criterion, ticks)
    assert [infraction.kind for infraction in found] == [Kind.MIN_SPEED] * 4
    assert [infraction.percent for infraction in found] == [50.0] * 4
    assert "50.0%" in found[0].message


def test_faster_than_the_traffic_is_no_infraction() -> None:
    criterion = MinSpeed(straight_route(200.0))
    ticks = along_x(10.0, 210.0, speed_mps=10.0, traffic_speeds_mps=np.array([0.0, 12.0]))
    assert judge(criterion, ticks) == []
    assert criterion.values_percent == pytest.approx([166.67] * 4)


def test_exactly_as_fast_as_the_traffic_is_no_infraction() -> None:
    ticks = along_x(10.0, 210.0, speed_mps=10.0, traffic_speeds_mps=np.array([10.0]))
    assert judge(MinSpeed(straight_route(200.0)), ticks) == []


@examples(30)
@given(st.floats(0.1, 30.0), st.floats(0.0, 30.0))
def test_a_record_never_holds_a_minimum_speed_of_100_percent_or_more(
    ego_mps: float, traffic_mps: float
) -> None:
    ticks = along_x(0.0, 60.0, ego_mps, traffic_speeds_mps=np.array([traffic_mps]))
    for found in judge(MinSpeed(straight_route(40.0)), ticks):
        assert found.percent is not None
        assert 0.0 <= found.percent < 100.0


def test_without_a_sample_there_is_no_lateral_deviation() -> None:
    lateral = LateralDeviation(straight_route(200.0))
    assert (lateral.mean_m, lateral.p95_m) == (None, None)


def test_lateral_deviation_counts_metres_not_seconds() -> None:
    lateral = LateralDeviation(straight_route(200.0))
    half = along_x(10.5, 110.0)
    standing = [half[-1]] * 500
    judge(lateral, [*half, *standing, *along_x(110.0, 210.0, y_m=1.75 + 0.4)])
    assert lateral.mean_m == pytest.approx(0.2, abs=0.01)
    assert lateral.p95_m == pytest.approx(0.4, abs=1e-6)
