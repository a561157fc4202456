"""A published run, scored to the figures that its authors published.

Per-route files of Bench2Drive 0.0.3: github.com/lloitesa013/bench2drive-failure-taxonomy, commit
50d814d (its README.md and results/baseline_summary.md have the figures).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from evaluation.runs.benchmark import Benchmark
from evaluation.runs.compare_runs import compare_records
from evaluation.runs.result_files import RunRecords, read_pair, read_run
from evaluation.runs.run_scores import score_run
from evaluation.scoring.comparison import Verdict

FOLDER = Path(os.environ.get("PUBLISHED_RESULTS", ""), "results")

pytestmark = pytest.mark.skipif(
    not os.environ.get("PUBLISHED_RESULTS"),
    reason="PUBLISHED_RESULTS=DIR names a checkout of lloitesa013/bench2drive-failure-taxonomy",
)


@pytest.fixture(scope="module")
def learned() -> RunRecords:
    return read_run([FOLDER / "per_route"])


@pytest.fixture(scope="module")
def expert() -> RunRecords:
    return read_run([FOLDER / "expert" / "per_route"])


def test_driving_scores_are_the_published_ones(learned: RunRecords, expert: RunRecords) -> None:
    scores = score_run(learned, Benchmark.BENCH2DRIVE_0_0_3, {})
    assert scores.over_finished is not None
    assert (scores.over_finished.drives, scores.over_present.drives) == (202, 211)
    assert round(scores.over_finished.driving_score, 2) == 93.36
    assert round(scores.over_present.driving_score, 2) == 89.38
    assert sum(record.score == 100.0 for record in learned.records) == 170
    privileged = score_run(expert, Benchmark.BENCH2DRIVE_0_0_3, {})
    assert privileged.over_present.drives == 208
    assert round(privileged.over_present.driving_score, 2) == 95.71
    assert sum(record.score == 100.0 for record in expert.records) == 188


def test_nothing_is_left_out_in_silence(learned: RunRecords) -> None:
    """The published mean leaves out 18 routes; nine of them have a file that names none."""
    scores = score_run(learned, Benchmark.BENCH2DRIVE_0_0_3, {})
    assert (scores.over_planned.drives, scores.unnamed, len(scores.crashed)) == (220, 9, 9)
    assert scores.published is not None
    assert scores.over_planned == scores.published
    assert scores.contradictions == {}


def test_infractions_are_the_published_ones(learned: RunRecords) -> None:
    counts: Counter[str] = Counter()
    for record in learned.records:
        counts.update({kind: len(found) for kind, found in record.infractions.items()})
    assert counts == {
        "min_speed_infractions": 3779,
        "collisions_vehicle": 16,
        "route_dev": 10,
        "yield_emergency_vehicle_infractions": 4,
        "red_light": 3,
        "outside_route_lanes": 3,
        "collisions_pedestrian": 2,
        "vehicle_blocked": 2,
        "collisions_layout": 1,
    }


def test_the_two_drivers_are_compared_on_the_routes_that_both_finished() -> None:
    first, second = read_pair(FOLDER / "expert" / "per_route", FOLDER / "per_route")
    comparison = compare_records(first, second, {}, margin=5.0, lost_share=0.1)
    assert comparison is not None
    assert (comparison.counts.pairs, comparison.expected) == (202, 220)
    assert comparison.verdict is Verdict.INCONCLUSIVE
    interval = comparison.success.interval
    assert interval is not None
    assert interval.low < comparison.success.difference < interval.high
    assert (comparison.counts.only_first, comparison.counts.only_second) == (34, 16)
    # So many discordant pairs are decided by the test, and not by a margin of five points.
    assert comparison.counts.p_value == pytest.approx(0.0153, abs=1e-4)
    strict = compare_records(first, second, {}, margin=5.0, lost_share=0.0)
    assert strict is not None
    assert strict.verdict is Verdict.INVALID
