"""The results file: the leaderboard's format, resuming, and damage."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from evaluation.closed_loop.episode import Outcome
from evaluation.closed_loop.failure import (
    AGENT_CRASHED,
    MACHINE_FAILED,
    SENSORS_INVALID,
    SIMULATION_CRASHED,
    Blame,
    Failure,
)
from evaluation.runs.job import JobResult, plain
from evaluation.runs.leaderboard_file import (
    Results,
    ResultsFileError,
    outside_m_of,
    read_foreign,
    record_of,
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


def failed(status: str) -> Outcome:
    return Outcome(failure=Failure(Blame.AGENT, status, "it went wrong"))


def result_of(index: int, outcome: Outcome) -> JobResult:
    record = record_of(index, NAMES[index], outcome, Rules.V2_0)
    measures = {} if outcome.measures is None else asdict(outcome.measures)
    extra = {
        **measures,
        "infractions": [found.to_json() for found in outcome.infractions],
        "sensor_types": outcome.sensor_types,
        "town": "Demo",
    }
    return JobResult(NAMES[index], plain(record.to_json()), plain(extra), outcome.failure)


def filled(path: Path, outcomes: list[Outcome], total: int | None = None) -> Results:
    results = Results(path, total or len(outcomes), {"rules": "2.0"})
    for index, outcome in enumerate(outcomes):
        results.add(result_of(index, outcome))
    results.write()
    return results


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (DONE, "Perfect"),
        (Outcome(completion_percent=100.0, infractions=(RED,)), "Completed"),
        (Outcome(completion_percent=50.0), "Failed"),
        (failed(AGENT_CRASHED), "Failed - Agent crashed"),
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
        (MACHINE_FAILED, "Crashed"),
        (SENSORS_INVALID, "Rejected"),
        (AGENT_CRASHED, "Finished"),
    ],
)
def test_entry_status(tmp_path: Path, failure: str, status: str) -> None:
    results = filled(tmp_path / "results.json", [DONE, failed(failure)])
    assert results.entry_status == status
    assert results.to_json()["eligible"] is (status == "Finished")


def test_what_another_program_finished_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    filled(path, [DONE, failed(SIMULATION_CRASHED), DONE])
    data = json.loads(path.read_text())
    data["_checkpoint"]["records"][2]["status"] = "Started"
    path.write_text(json.dumps(data))
    done, crashed = read_foreign(path)
    assert (done.name, done.is_finished) == (NAMES[0], True)
    assert (crashed.name, crashed.is_finished) == (NAMES[1], False)


def test_without_a_file_there_is_nothing_to_take_over(tmp_path: Path) -> None:
    assert read_foreign(tmp_path / "results.json") == []


def test_a_truncated_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    filled(path, [DONE, DONE])
    half = path.read_text()[:700]
    path.write_text(half)
    with pytest.raises(ResultsFileError, match=r"results\.json is truncated .* was not changed"):
        read_foreign(path)
    assert path.read_text() == half


def broken(**changes: object) -> str:
    record = {**result_of(0, DONE).record, **changes}
    return json.dumps({"_checkpoint": {"records": [record]}, "sensors": []})


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "null",
        '"text"',
        '{"_checkpoint": {"records": [{"x": 1}]}}',
        '{"_checkpoint": {"records": 3}}',
        '{"_checkpoint": []}',
        broken(scores={}),
        broken(scores=None),
        broken(status=None),
        broken(status=["Perfect"]),
        broken(meta={"route_length": "long"}),
        broken(scores={"score_route": math.nan, "score_penalty": 1, "score_composed": 1}),
        "[" * 100_000,
        "\udcff",
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ResultsFileError, match=r"results\.json .*it was not changed"):
        read_foreign(path)
