"""`merge`: whatever the order and however often, the same file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.__main__ import main
from evaluation.runs.merge_results import merge
from evaluation.runs.result_files import read_run
from tests.evaluation.runs.result_records import bench2drive, leaderboard, record
from tests.examples import examples


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four files of one run of the leaderboard; the second is the first at an earlier time."""
    folder = tmp_path_factory.mktemp("parts")
    records = [record(n) for n in range(9)]
    return [
        leaderboard(folder / "a.json", records[:4], planned=5),
        leaderboard(folder / "b.json", records[:2], planned=5),
        leaderboard(folder / "c.json", records[4:6]),
        leaderboard(folder / "d.json", records[6:]),
    ]


@examples(20)
@given(order=st.permutations(range(4)), again=st.integers(0, 3))
def test_neither_order_nor_repetition_matters(
    parts: list[Path], order: list[int], again: int
) -> None:
    wanted = merge(read_run(parts), {})
    assert wanted["_checkpoint"]["progress"] == [9, 10]
    assert merge(read_run([parts[number] for number in order]), {}) == wanted
    whole = parts[0].with_name("merged_before.json")
    whole.write_text(json.dumps(wanted))
    assert merge(read_run([whole, parts[again]]), {}) == wanted
    assert merge(read_run([whole]), {}) == wanted


def test_a_whole_run_has_totals_and_one_with_a_gap_has_none(
    parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all.json"
    assert main(["merge", *map(str, parts[2:]), "--out", str(out)]) == 0
    whole = json.loads(out.read_text())
    assert whole["entry_status"] == "Finished"
    assert whole["_checkpoint"]["global_record"]["scores_mean"]["score_composed"] == 100.0
    assert main(["merge", *map(str, parts), "--out", str(out)]) == 0
    gap = json.loads(out.read_text())
    assert (gap["entry_status"], gap["_checkpoint"]["global_record"]) == ("Started", {})
    assert "missing: 1 more that the files do not name" in capsys.readouterr().out


def test_bench2drives_records_become_its_merged_file(tmp_path: Path) -> None:
    folder = bench2drive(tmp_path / "routes", [record(n, scenario="Accident_1") for n in (2, 10)])
    out = tmp_path / "merged.json"
    assert main(["merge", str(folder), "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    ids = [one["route_id"] for one in found["_checkpoint"]["records"]]
    assert ids == ["RouteScenario_2_rep0", "RouteScenario_10_rep0"]
    assert found["driving score"] == pytest.approx(200 / 220)
    assert found["eval num"] == 2
    assert merge(read_run([out, folder]), {}) == found


def test_what_cannot_be_merged_is_refused(tmp_path: Path) -> None:
    ours = leaderboard(tmp_path / "ours.json", [record(0)])
    theirs = leaderboard(tmp_path / "theirs.json", [record(1, scenario="Accident_1")])
    nothing = leaderboard(tmp_path / "nothing.json", [])
    out = str(tmp_path / "out.json")
    for paths in ([ours, theirs], [nothing]):
        assert main(["merge", *map(str, paths), "--out", out]) == 2
    assert not Path(out).exists()
