"""`score` on files that other programs wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.__main__ import main
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
    assert "missing routes: 3" in capsys.readouterr().out
