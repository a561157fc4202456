"""`compare` on files that other programs wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from evaluation.__main__ import main
from evaluation.official.results import OfficialRecord, OfficialResultsError
from evaluation.runs.benchmark import (
    Benchmark,
    ResultFileError,
    check_benchmark,
    contradictions,
)
from evaluation.runs.result_files import read_pair, read_run
from evaluation.scoring.tick import Kind
from tests.evaluation.runs.result_records import bench2drive, leaderboard, merged, record


def read_all(paths: Sequence[Path]) -> list[OfficialRecord]:
    return list(read_run(paths).records)


def test_a_driver_is_no_worse_than_itself(tmp_path: Path) -> None:
    path = leaderboard(tmp_path / "a.json", [record(n) for n in range(200)])
    junit, markdown = tmp_path / "junit.xml", tmp_path / "verdict.md"
    words = ["compare", str(path), str(path), "--junit", str(junit), "--markdown", str(markdown)]
    assert main(words) == 0
    assert ET.parse(junit).getroot().attrib == {
        "name": "compare",
        "tests": "3",
        "failures": "0",
        "errors": "0",
    }
    assert markdown.read_text(encoding="utf-8").startswith("**PASS** with a margin of 5 points")


def test_a_driver_that_always_crashes_into_cars_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = leaderboard(tmp_path / "a.json", [record(n) for n in range(40)])
    hits = {Kind.COLLISION_VEHICLE: ["hit"]}
    second = leaderboard(tmp_path / "b.json", [record(n, hits, 0.6) for n in range(40)])
    assert main(["compare", str(first), str(second), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "FAIL"
    assert told["score"]["difference"] == pytest.approx(-40.0)
    assert told["by_scenario"] == {"no scenario": {"win": 0, "tie": 0, "loss": 40}}


def test_few_routes_tell_nothing(tmp_path: Path) -> None:
    path = leaderboard(tmp_path / "a.json", [record(n) for n in range(5)])
    assert main(["compare", str(path), str(path)]) == 3


@pytest.mark.parametrize("status", [None, "Started", "Failed - Simulation crashed"])
def test_a_lost_route_makes_it_invalid(
    tmp_path: Path, status: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """None: the route is missing."""
    records = [record(n) for n in range(200)]
    first = leaderboard(tmp_path / "a.json", records)
    lost = [] if status is None else [record(0, completion=0.0, status=status)]
    second = leaderboard(tmp_path / "b.json", lost + records[1:])
    words = ["compare", str(first), str(second)]
    assert main(words) == 3
    told = capsys.readouterr().out
    assert told.startswith("**INVALID**")
    assert f"Left out: 0 {'missing' if status is None else 'crashed'} in B" in told
    assert main([*words, "--lost-share", "0.01"]) == 0


def test_a_part_of_mini_is_compared_with_a_run_of_all_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The routes beside the part are left out of whichever has them."""
    whole = leaderboard(tmp_path / "a.json", [record(n) for n in range(40)])
    part = leaderboard(tmp_path / "b.json", [record(n) for n in range(20, 40)])
    words = ["compare", str(whole), str(part), "--routes", "mini:heldout:originals", "--json"]
    assert main(words) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "INCONCLUSIVE"
    assert (told["expected"], told["lost"], told["unnamed"]) == (20, {}, 0)
    other = leaderboard(tmp_path / "c.json", [record(n) for n in range(20, 41)])
    words = ["score", str(other), "--routes", "mini:heldout:originals", "--protocol"]
    assert main([*words, "leaderboard-2.0"]) == 2
    assert "the route file has no route 40" in capsys.readouterr().err


def test_bench2drives_folder_and_its_merged_file_are_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record(n, scenario=f"Accident_{n}" if n % 2 else "MergerV2_1") for n in range(200)]
    folder, one = (
        bench2drive(tmp_path / "routes", records),
        merged(tmp_path / "merged.json", records),
    )
    assert main(["compare", str(folder), str(one), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["by_scenario"]) == {"Accident", "MergerV2"}
    assert read_run([folder, one]) == read_run([one, folder])
    assert read_run([folder]) == read_run([folder, folder])
    assert [r.route_id for r in read_all([one, folder])] == [r.route_id for r in read_all([one])]


def test_repetitions_are_one_route(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    once = [record(n) for n in range(20)]
    again = [record(n, {Kind.RED_LIGHT: ["red"]}, 0.7, repetition=1) for n in range(20)]
    first = leaderboard(tmp_path / "a.json", once)
    second = leaderboard(tmp_path / "b.json", once + again)
    main(["compare", str(first), str(second), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["expected"] == 20
    assert told["score"]["second"] == pytest.approx(85.0)


def test_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [record(n) for n in range(20)]
    red = [record(n, {Kind.RED_LIGHT: ["red"]}, 0.7) for n in range(5)]
    first = leaderboard(tmp_path / "a.json", records)
    second = leaderboard(tmp_path / "b.json", red + records[5:])
    assert main(["compare", str(first), str(second), "--plan"]) == 0
    assert "785 routes by success rate" in capsys.readouterr().out


def test_different_rules_are_never_compared(tmp_path: Path) -> None:
    red: Mapping[Kind, Sequence[str]] = {Kind.RED_LIGHT: ["red"]}
    old = leaderboard(tmp_path / "old.json", [record(0, red, 0.7)])
    new = leaderboard(tmp_path / "new.json", [record(0, red, 0.714286)])
    other = bench2drive(tmp_path / "routes", [record(0, scenario="Accident_1")])
    for first, second in ((old, new), (new, old), (old, other)):
        assert main(["compare", str(first), str(second)]) == 2
    check_benchmark(read_all([old]), Benchmark.LEADERBOARD_2_0)
    with pytest.raises(ResultFileError, match=r"is leaderboard-2\.0's, not leaderboard-2\.1's"):
        check_benchmark(read_all([old]), Benchmark.LEADERBOARD_2_1)


def test_ids_that_mean_other_routes_are_never_compared(tmp_path: Path) -> None:
    """As two of Bench2Drive 0.0.3 do in 0.0.4."""
    one = leaderboard(tmp_path / "a.json", [record(0, scenario="Accident_1")])
    other = leaderboard(tmp_path / "b.json", [record(0, scenario="T_Junction_1")])
    with pytest.raises(ResultFileError, match=r"route 0 is one with Accident in .*a\.json and one"):
        read_pair(one, other)


def test_missing_routes_count_0_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But a crashed one stays lost."""
    records = [record(n, scenario="Accident_1") for n in range(40)]
    first = leaderboard(tmp_path / "a.json", records)
    second = leaderboard(tmp_path / "b.json", records[:10])
    assert main(["compare", str(first), str(second), "--missing", "zero", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["lost"], told["expected"]) == ("FAIL", {}, 40)
    assert told["score"]["second"] == 25.0
    assert told["failure_rates"] == [0.0, 0.75]
    assert told["by_scenario"] == {"Accident": {"win": 0, "tie": 10, "loss": 30}}
    crashed = record(
        10, completion=0.0, status="Failed - Simulation crashed", scenario="Accident_1"
    )
    second = leaderboard(tmp_path / "c.json", [*records[:10], crashed])
    assert main(["compare", str(first), str(second), "--missing", "zero"]) == 3
    assert "Left out: 10 crashed in B" in capsys.readouterr().out


def test_what_the_files_say_is_missing_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record(n) for n in range(200)]
    first = leaderboard(tmp_path / "a.json", records)
    second = leaderboard(tmp_path / "b.json", records, planned=210)
    assert main(["compare", str(first), str(second), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["unnamed"], told["expected"]) == ("INVALID", 10, 210)
    assert main(["compare", str(first), str(second), "--lost-share", "0.05"]) == 0
    assert "Left out: 10 more that are missing" in capsys.readouterr().out


def test_duplicates_are_an_error(tmp_path: Path) -> None:
    path = leaderboard(tmp_path / "a.json", [record(0), record(0)])
    with pytest.raises(OfficialResultsError, match="RouteScenario_0_rep0 stands 2 times"):
        read_all([path])
    first = leaderboard(tmp_path / "b.json", [record(1)])
    second = leaderboard(tmp_path / "c.json", [record(1, completion=50.0, status="Failed")])
    with pytest.raises(ResultFileError, match="RouteScenario_1_rep0 differs in"):
        read_all([first, second])


CONTRADICTIONS = {
    "count": ({"num_infractions": 3}, "num_infractions is 3, but 0 are listed"),
    "status": ({"status": "Failed"}, "'Failed' at 100.0 % of the route"),
    "product": (
        {"scores": {"score_route": 100.0, "score_penalty": 1.0, "score_composed": 99.0}},
        r"score 99\.0 is not completion times penalty \(100\.000000\)",
    ),
    "penalty": (
        {"scores": {"score_route": 100.0, "score_penalty": 0.9, "score_composed": 90.0}},
        r"penalty 0\.9, but its infractions make 1\.000000",
    ),
}


@pytest.mark.parametrize(("change", "told"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions_are_told(tmp_path: Path, change: dict[str, object], told: str) -> None:
    path = leaderboard(tmp_path / "a.json", [record(0) | change])
    (found,) = read_all([path])
    (contradiction,) = contradictions(found, Benchmark.LEADERBOARD_2_0)
    assert contradiction == told.replace("\\", "")
    check_benchmark([found], Benchmark.LEADERBOARD_2_0)


def test_a_sound_record_contradicts_nothing(tmp_path: Path) -> None:
    found = {
        Kind.COLLISION_VEHICLE: ["hit"],
        Kind.STOP: ["stop"],
        Kind.OUTSIDE_LANES: ["outside for about 60 meters (10.0% of the completed route)"],
        Kind.MIN_SPEED: ["Average speed is 80.0% of the surrounding traffic's one"],
    }
    amounts = {Benchmark.LEADERBOARD_2_0: 0.40608, Benchmark.LEADERBOARD_2_1: 0.44335}
    for benchmark, penalty in amounts.items():
        one = record(0, found, penalty, completion=60.0, status="Failed")
        (read,) = read_all([leaderboard(tmp_path / "a.json", [one])])
        assert contradictions(read, benchmark) == []
    one = record(0, found, 0.432, completion=60.0, status="Failed", scenario="Accident_1")
    (read,) = read_all([merged(tmp_path / "merged.json", [one])])
    assert contradictions(read, Benchmark.BENCH2DRIVE_0_0_4) == []
