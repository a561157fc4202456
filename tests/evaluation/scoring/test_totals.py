"""Means and deviations where routes are missing, by worked examples of the leaderboard."""

from __future__ import annotations

import pytest

from evaluation.scoring.totals import deviation_over, mean_over

SCORES = [100.0, 58.823529, 50.0]


def test_all_routes_there() -> None:
    assert mean_over(SCORES, 3) == pytest.approx(69.607843, abs=1e-6)
    assert deviation_over(SCORES, 3) == pytest.approx(26.688, abs=1e-3)


def test_a_missing_route_lowers_the_mean_but_adds_no_square() -> None:
    assert mean_over(SCORES, 4) == pytest.approx(52.205882, abs=1e-6)
    # (47.794118^2 + 6.617647^2 + 2.205882^2) / 3, where a square of the missing one were 2725 more.
    assert deviation_over(SCORES, 4) == pytest.approx(27.886, abs=1e-3)


def test_one_route_deviates_from_nothing() -> None:
    assert deviation_over([30.0], 1) == 0.0
