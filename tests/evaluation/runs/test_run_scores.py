"""`score` on files that other programs wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation.__main__ import main
from evaluation.routes.route_file import read_routes
from evaluation.runs.benchmark import Benchmark
from evaluation.runs.plan import DEMO_ROUTES
from evaluation.runs.result_files import read_run
from evaluation.runs.run_scores import score_run
from evaluation.scoring.tick import Kind
from tests.evaluation.runs.result_records import bench2drive, leaderboard, record


def test_means_and_infractions_per_km(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hit = {Kind.COLLISION_VEHICLE: ["hit"]}
    outside = {"outside": "Agent went outside for about 12.0 meters (0.0% of the completed route)"}
    blocked = {**hit, Kind.BLOCKED: ["blocked"], Kind.OUTSIDE_LANES: list(outside.values())}
    first = record(0, hit, 0.6)
    first["meta"]["route_length"] = 2000.0
    second = record(1, blocked, 0.6, completion=3.0, status="Failed - Agent got blocked")
    path = leaderboard(tmp_path / "a.json", [first, second])
    assert main(["score", str(path), "--protocol", "leaderboard-2.0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["infractions_per_km"]["collisions_vehicle"] == 0.985
    assert told["infractions_per_km"]["vehicle_blocked"] == 0.493
    assert told["outside_km"] == pytest.approx(0.012)
    assert told["over_planned"]["driving_score"] == pytest.approx((60 + 1.8) / 2)
    assert told["contradictions"] == {}


@pytest.mark.parametrize(("completion", "rate"), [(3.0, 33.333), (0.0, 1000.0)])
def test_infractions_per_km_of_hardly_any_way(
    tmp_path: Path, completion: float, rate: float
) -> None:
    hit = {Kind.COLLISION_VEHICLE: ["hit"]}
    one = record(0, hit, 0.6, completion=completion, status="Failed - Agent got blocked")
    run = read_run([leaderboard(tmp_path / "a.json", [one])])
    scores = score_run(run, Benchmark.LEADERBOARD_2_0, {})
    assert scores.infractions_per_km["collisions_vehicle"] == rate


def test_means_are_over_the_routes_that_the_file_was_to_have(tmp_path: Path) -> None:
    red = {Kind.RED_LIGHT: ["red"]}
    found = [record(0), record(1, red, 0.7), record(2, red, 0.7, completion=50.0, status="Failed")]
    run = read_run([leaderboard(tmp_path / "a.json", found, planned=5)])
    scores = score_run(run, Benchmark.LEADERBOARD_2_0, {})
    assert (scores.missing, scores.unnamed, scores.is_whole) == ((), 2, False)
    assert scores.over_planned.driving_score == pytest.approx(205 / 5)
    assert scores.over_present.driving_score == pytest.approx(205 / 3)
    squares = sum((score - 41) ** 2 for score in (100, 70, 35))
    assert scores.standard_deviation == pytest.approx((squares / 4) ** 0.5)
    assert scores.driving_score_interval is not None
    assert scores.driving_score_interval.low < 41 < scores.driving_score_interval.high


def test_missing_repetitions_are_named_and_count_nothing(tmp_path: Path) -> None:
    red = {Kind.RED_LIGHT: ["red"]}
    found = [record(0), record(0, red, 0.7, repetition=1), record(1)]
    run = read_run([leaderboard(tmp_path / "a.json", found, planned=4)])
    scores = score_run(run, Benchmark.LEADERBOARD_2_0, {})
    assert (scores.missing, scores.unnamed) == (("1_rep1",), 0)
    assert scores.over_planned.driving_score == pytest.approx(270 / 4)
    assert scores.repetition_deviation == pytest.approx(30 / 2**0.5)


def test_crashed_routes_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crashed = record(1, completion=0.0, status="Failed - Simulation crashed")
    path = leaderboard(tmp_path / "a.json", [record(0), crashed])
    words = ["score", str(path), "--protocol", "leaderboard-2.1"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["crashed"] == ["1"]
    assert told["over_present"]["driving_score"] == 50.0
    assert told["over_finished"]["driving_score"] == 100.0
    assert main([*words, "--missing", "invalid"]) == 3
    assert "INVALID: routes are missing or crashed" in capsys.readouterr().err


def test_the_interval_has_a_width_where_all_succeed(tmp_path: Path) -> None:
    run = read_run([leaderboard(tmp_path / "a.json", [record(n) for n in range(20)])])
    scores = score_run(run, Benchmark.LEADERBOARD_2_0, {})
    assert scores.success_rate_interval is not None
    assert scores.success_rate_interval.low == pytest.approx(0.8389, abs=1e-4)


def forget_agents() -> None:
    """The package of that name may be CARLA's in other tests."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "agents"]:
        del sys.modules[name]


@pytest.fixture
def no_agents() -> Iterator[None]:
    forget_agents()
    yield
    forget_agents()


def write_planner(folder: Path) -> None:
    folder.mkdir(parents=True)
    for package in (folder, folder.parent):
        (package / "__init__.py").write_text("")
    (folder / "global_route_planner.py").write_text(
        """
class Point:
    def __init__(self, inside):
        self.is_junction = inside

class GlobalRoutePlanner:
    def __init__(self, world_map, resolution):
        assert resolution == 1.0

    def trace_route(self, origin, destination):
        return [(Point(n >= 4), None) for n in range(10)]
"""
    )


@pytest.mark.usefixtures("no_agents")
def test_abilities_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One route of the demo town fails before and one behind its junction; a third needs no map."""
    points = '<waypoints><position x="{}" y="{}" z="0"/><position x="{}" y="{}" z="0"/></waypoints>'
    demo = read_routes(DEMO_ROUTES)[0]
    ends = [demo.positions_world_m[0][:2], demo.positions_world_m[1][:2]]
    places = points.format(*ends[0], *ends[1])
    scenario = '<scenarios><scenario type="T_Junction"/></scenarios>'
    routes = tmp_path / "routes.xml"
    routes.write_text(
        "<routes>"
        + "".join(f'<route id="{n}" town="Demo">{places}{scenario}</route>' for n in range(3))
        + "</routes>"
    )
    failed = [
        record(n, completion=completion, status="Failed", scenario="T_Junction_1")
        for n, completion in enumerate((1.0, 99.0))
    ]
    folder = bench2drive(tmp_path / "results", [*failed, record(2, scenario="T_Junction_1")])
    words = ["score", str(folder), "--protocol", "bench2drive-0.0.4", "--json"]
    assert main([*words, "--routes", str(routes)]) == 0
    told = json.loads(capsys.readouterr().out)["abilities"]
    assert told["values"]["Traffic_Signs"] == pytest.approx(2 / 3)
    assert told["needed"] == {}
    # A planner of whose ten points the fifth lies in the junction: 0.99 is not beyond 1.3.
    write_planner(tmp_path / "PythonAPI" / "carla" / "agents" / "navigation")
    theirs = ["--carla-agents", str(tmp_path / "PythonAPI" / "carla")]
    assert main([*words, "--routes", str(routes), *theirs]) == 0
    told = json.loads(capsys.readouterr().out)["abilities"]
    assert told["values"]["Traffic_Signs"] == pytest.approx(1 / 3)
    forget_agents()
    assert main([*words, "--routes", str(routes), "--carla-agents", str(tmp_path)]) == 2
    assert "name CARLA's folder PythonAPI/carla" in capsys.readouterr().err
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)["abilities"]
    assert told["values"]["Traffic_Signs"] is None
    assert "--routes FILE" in told["needed"]["any"]


def test_missing_routes_are_named_and_count_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    route = '<route id="{}" town="Town12"><waypoints><position x="0" y="0" z="0"/>'
    route += '<position x="9" y="0" z="0"/></waypoints></route>'
    routes = tmp_path / "routes.xml"
    routes.write_text(f"<routes>{''.join(route.format(n) for n in range(4))}</routes>")
    records = [record(n, scenario="Accident_1") for n in range(3)]
    folder = bench2drive(tmp_path / "results", records)
    words = ["score", str(folder), "--protocol", "bench2drive-0.0.4", "--routes", str(routes)]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["missing"] == ["3"]
    assert told["over_planned"]["driving_score"] == 75.0
    assert told["over_present"]["success_rate"] == 1.0
    assert told["published"]["driving_score"] == pytest.approx(300 / 220)
    assert set(told["by_scenario"]) == {"Accident"}
    assert main(words) == 0
    assert "missing routes, counted 0: 3" in capsys.readouterr().out
