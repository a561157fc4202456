"""Paired statistics, by published and by obvious cases."""

from __future__ import annotations

import pytest

from evaluation.scoring.comparison import (
    Interval,
    PairedSuccess,
    Verdict,
    mean_interval,
    pairs_needed,
    verdict_of,
    worst_of,
)


def test_interval_is_newcombes() -> None:
    """His example: 36 both, 12 and 2 on one side only, none neither."""
    interval = PairedSuccess(both=36, only_first=2, only_second=12, neither=0).interval
    assert (interval.low, interval.high) == pytest.approx((0.0569, 0.3404), abs=1e-4)


@pytest.mark.parametrize("counts", [(0, 0, 0, 20), (20, 0, 0, 0), (10, 0, 0, 10)])
def test_interval_has_a_width_where_nobody_disagrees(counts: tuple[int, int, int, int]) -> None:
    paired = PairedSuccess(*counts)
    assert paired.difference == 0
    assert paired.interval.low < -0.01
    assert paired.interval.high > 0.01
    assert paired.p_value == 1


def test_swapped_drivers_have_the_mirrored_interval() -> None:
    interval, mirrored = PairedSuccess(30, 9, 3, 8).interval, PairedSuccess(30, 3, 9, 8).interval
    assert (interval.low, interval.high) == pytest.approx((-mirrored.high, -mirrored.low))


def test_mcnemar_is_exact() -> None:
    assert PairedSuccess(0, 5, 0, 0).p_value == pytest.approx(2 / 2**5)


def test_successes_are_paired() -> None:
    paired = PairedSuccess.of([True, True, False, False], [True, False, True, False])
    assert paired == PairedSuccess(1, 1, 1, 1)


def test_interval_of_a_mean() -> None:
    interval = mean_interval([0.0, 10.0] * 50)
    assert interval is not None
    assert interval.low == pytest.approx(5 - 1.96 * 0.5, abs=0.15)
    assert interval.high == pytest.approx(5 + 1.96 * 0.5, abs=0.15)
    assert mean_interval([0.0] * 220) == Interval(0.0, 0.0)
    assert mean_interval([3.0]) is None


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(-4.9, 2.0), Verdict.PASS),
        (Interval(-14.3, -1.9), Verdict.INCONCLUSIVE),
        (Interval(-14.3, -5.1), Verdict.FAIL),
        (Interval(-5.0, 5.0), Verdict.INCONCLUSIVE),
        (None, Verdict.INCONCLUSIVE),
    ],
)
def test_verdict(interval: Interval | None, verdict: Verdict) -> None:
    assert verdict_of(interval, margin=5.0) is verdict


def test_one_failure_fails() -> None:
    assert worst_of([Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS]) is Verdict.FAIL
    assert worst_of([Verdict.INCONCLUSIVE, Verdict.PASS]) is Verdict.INCONCLUSIVE


def test_exit_codes() -> None:
    codes = {verdict.name: verdict.exit_code for verdict in Verdict}
    assert codes == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "INVALID": 3}


def test_half_the_margin_needs_four_times_the_routes() -> None:
    wide, narrow = pairs_needed(38.0, 5.0), pairs_needed(38.0, 2.5)
    assert wide == pytest.approx((2.8016 * 38 / 5) ** 2, abs=1)
    assert narrow == pytest.approx(4 * wide, rel=0.01)
