"""Success on routes against success on their twins."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.runs.benchmark import Benchmark
from evaluation.runs.result_files import read_run
from evaluation.runs.run_scores import score_run
from evaluation.runs.scores_text import to_text
from evaluation.scoring.tick import Kind
from tests.evaluation.runs.result_records import Record, leaderboard, record

HIT = {Kind.COLLISION_VEHICLE: ["hit"]}


def _named(name: str, hits: bool) -> Record:
    one = record(0, HIT, 0.6) if hits else record(0)
    return one | {"route_id": f"RouteScenario_{name}_rep0"}


def test_the_gap_is_over_routes_that_were_driven_with_their_twins(tmp_path: Path) -> None:
    drives = {"0": False, "0-twin": True, "1": False, "1-twin": False, "2": True, "3-twin": True}
    records = [_named(name, hits) for name, hits in drives.items()]
    run = read_run([leaderboard(tmp_path / "a.json", records)])
    scores = score_run(run, Benchmark.LEADERBOARD_2_0, {})
    assert scores.twins is not None
    assert scores.twins.pairs == 2
    assert (scores.twins.originals, scores.twins.twins, scores.twins.gap) == (1.0, 0.5, -0.5)
    assert scores.twins.interval.low < -0.5 < scores.twins.interval.high
    assert "2 routes and their twins: success 100.00 % and 50.00 %, -50.00 points" in to_text(
        scores
    )


@pytest.mark.parametrize("names", [["0", "1"], ["0-twin"]])
def test_without_pairs_nothing_is_told(tmp_path: Path, names: list[str]) -> None:
    run = read_run([leaderboard(tmp_path / "a.json", [_named(name, False) for name in names])])
    scores = score_run(run, Benchmark.LEADERBOARD_2_0, {})
    assert scores.twins is None
    assert "twins" not in to_text(scores)
