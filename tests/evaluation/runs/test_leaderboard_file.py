"""The results file: the leaderboard's format, resuming, and damage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.closed_loop.episode import (
    AGENT_CRASHED,
    SENSORS_INVALID,
    SIMULATION_CRASHED,
    Outcome,
)
from evaluation.runs.leaderboard_file import (
    Results,
    ResultsFileError,
    outside_m_of,
    record_of,
    resume,
)
from evaluation.scoring.criteria_set import Measures
from evaluation.scoring.penalty import Rules
from evaluation.scoring.tick import Infraction, Kind

RED = Infraction(Kind.RED_LIGHT, 10, "Agent ran a red light 5 at (x=1, y=2, z=0)")
OUTSIDE = Infraction(
    Kind.OUTSIDE_LANES,
    20,
    "Agent went outside its route lanes for about 25.0 meters (12.5% of the completed route)",
    12.5,
    outside_m=25.0,
)
MEASURES = Measures(0.1, 0.3, 1, 25.0, ())
DONE = Outcome(
    completion_percent=100.0,
    measures=MEASURES,
    ticks=200,
    game_s=10.0,
    system_s=4.0,
    route_m=500.0,
    sensor_types=("sensor.camera.rgb", "sensor.other.gnss"),
)
NAMES = ["RouteScenario_0_rep0", "RouteScenario_1_rep0", "RouteScenario_2_rep0"]


def filled(path: Path, outcomes: list[Outcome], total: int | None = None) -> Results:
    results = Results(path, total or len(outcomes), {"rules": "2.0"})
    for index, outcome in enumerate(outcomes):
        results.add(record_of(index, NAMES[index], outcome, Rules.V2_0), outcome, {"town": "Demo"})
    return results


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (DONE, "Perfect"),
        (Outcome(completion_percent=100.0, infractions=(RED,)), "Completed"),
        (Outcome(completion_percent=50.0), "Failed"),
        (Outcome(failure=AGENT_CRASHED), "Failed - Agent crashed"),
        (
            Outcome(infractions=(RED, Infraction(Kind.BLOCKED, 1, "Agent got blocked at ()"))),
            "Failed - Agent got blocked",
        ),
        (
            Outcome(infractions=(Infraction(Kind.ROUTE_DEVIATION, 1, ""),)),
            "Failed - Agent deviated from the route",
        ),
        (
            Outcome(infractions=(Infraction(Kind.ROUTE_TIMEOUT, 1, ""),)),
            "Failed - Agent timed out",
        ),
    ],
)
def test_status(outcome: Outcome, status: str) -> None:
    assert record_of(0, NAMES[0], outcome, Rules.V2_0).status == status


def test_the_leaderboards_format(tmp_path: Path) -> None:
    half = Outcome(
        completion_percent=50.0, infractions=(RED, OUTSIDE), measures=MEASURES, route_m=1000.0
    )
    filled(tmp_path / "results.json", [DONE, half])
    data = json.loads((tmp_path / "results.json").read_text())
    assert set(data) == {
        *("_checkpoint", "entry_status", "eligible", "sensors", "values", "labels", "extra"),
    }
    assert data["entry_status"] == "Finished"
    assert data["eligible"] is True
    assert data["sensors"] == ["carla_camera", "carla_gnss"]
    checkpoint = data["_checkpoint"]
    assert checkpoint["progress"] == [2, 2]
    record = checkpoint["records"][1]
    assert set(record) == {
        *("index", "route_id", "status", "num_infractions", "infractions", "scores", "meta"),
    }
    assert record["num_infractions"] == 2
    assert record["scores"] == {
        "score_route": 50.0,
        "score_penalty": 0.6125,
        "score_composed": 30.625,
    }
    assert set(record["infractions"]) == {kind.value for kind in Kind}
    assert record["infractions"]["red_light"] == [RED.message]
    total = checkpoint["global_record"]
    assert total["status"] == "Failed"
    assert total["scores_mean"]["score_composed"] == pytest.approx(65.3125)
    assert total["scores_std_dev"]["score_route"] == pytest.approx(35.355)
    # One red light on 500 m + half of 1000 m; the length outside lanes in kilometres.
    assert total["infractions"]["red_light"] == 1.0
    assert total["infractions"]["outside_route_lanes"] == 0.025
    assert total["meta"]["exceptions"] == [[NAMES[1], 1, "Failed"]]
    assert len(data["values"]) == len(data["labels"]) == 15
    assert data["values"][0] == "65.3125"
    assert data["extra"]["routes"][NAMES[0]]["lateral_p95_m"] == 0.3


def test_the_fields_of_an_infraction_stand_beside_the_leaderboards_record(tmp_path: Path) -> None:
    results = filled(tmp_path / "results.json", [Outcome(infractions=(RED, OUTSIDE))])
    extra = json.loads(results.path.read_text())["extra"]["routes"][NAMES[0]]
    assert extra["infractions"] == [
        {"kind": "red_light", "frame": 10},
        {"kind": "outside_route_lanes", "frame": 20, "percent": 12.5, "outside_m": 25.0},
    ]


def test_metres_outside_come_from_the_field_not_from_the_sentence() -> None:
    reworded = replace(OUTSIDE, message="The agent left its lane.")
    record = record_of(0, NAMES[0], Outcome(infractions=(reworded,)), Rules.V2_0)
    assert outside_m_of(record, {"infractions": [reworded.to_json()]}) == 25.0


def test_metres_outside_of_a_foreign_record_come_from_its_sentence() -> None:
    record = record_of(0, NAMES[0], Outcome(infractions=(RED, OUTSIDE)), Rules.V2_0)
    assert outside_m_of(record, {}) == 25.0
    reworded = replace(OUTSIDE, message="The agent left its lane.")
    record = record_of(0, NAMES[0], Outcome(infractions=(reworded,)), Rules.V2_0)
    with pytest.raises(ResultsFileError, match=rf"{NAMES[0]}: outside_route_lanes cannot be read"):
        outside_m_of(record, {})


def test_a_run_that_is_not_over_has_no_totals(tmp_path: Path) -> None:
    results = filled(tmp_path / "results.json", [DONE], total=2)
    data = json.loads(results.path.read_text())
    assert data["entry_status"] == "Started"
    assert data["_checkpoint"]["global_record"] == {}
    assert data["_checkpoint"]["progress"] == [1, 2]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (SIMULATION_CRASHED, "Crashed"),
        (SENSORS_INVALID, "Rejected"),
        (AGENT_CRASHED, "Finished"),
    ],
)
def test_entry_status(tmp_path: Path, failure: str, status: str) -> None:
    results = filled(tmp_path / "results.json", [DONE, Outcome(failure=failure)])
    assert results.entry_status == status
    assert results.to_json()["eligible"] is (status == "Finished")


def test_resuming_keeps_what_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    crashed = Outcome(failure=SIMULATION_CRASHED)
    filled(path, [DONE, crashed], total=3)
    results = resume(path, NAMES, {"rules": "2.0"})
    assert [record.route_id for record in results.records] == NAMES[:1]
    results.add(record_of(2, NAMES[2], DONE, Rules.V2_0), DONE, {})
    results.add(record_of(1, NAMES[1], DONE, Rules.V2_0), DONE, {})
    again = resume(path, NAMES, {})
    assert [record.index for record in again.records] == [0, 1, 2]
    assert again.finished
    assert again.sensors == ["carla_camera", "carla_gnss"]


def test_resuming_without_a_file_starts_afresh(tmp_path: Path) -> None:
    assert resume(tmp_path / "results.json", NAMES, {}).records == []


def test_a_truncated_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    filled(path, [DONE, DONE])
    half = path.read_text()[:700]
    path.write_text(half)
    with pytest.raises(ResultsFileError, match=r"results\.json is truncated .* was not changed"):
        resume(path, NAMES, {})
    assert path.read_text() == half


def test_a_deeply_nested_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ResultsFileError, match=r"results\.json is nested too deeply"):
        resume(path, NAMES, {})
    assert path.stat().st_size == 100_000


@pytest.mark.parametrize("text", ["[]", "{}", '{"_checkpoint": {"records": [{"x": 1}]}}'])
def test_another_kind_of_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ResultsFileError, match="not a results file"):
        resume(path, NAMES, {})


def test_results_of_other_routes_are_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    filled(path, [DONE])
    with pytest.raises(ResultsFileError, match=r"RouteScenario_0_rep0, which is not among"):
        resume(path, ["RouteScenario_9_rep0"], {})
