"""Results files of the official evaluators: read, checked, summed up."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evaluation.official.results import (
    OfficialResultsError,
    official_results,
    read_results,
    show,
)


def record(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "index": number,
        "route_id": f"RouteScenario_{number}_rep0",
        "status": "Completed",
        "num_infractions": 1,
        "infractions": {"red_light": [], "min_speed_infractions": ["too slow"]},
        "scores": {"score_route": 100.0, "score_penalty": 0.8, "score_composed": 80.0},
        "meta": {"route_length": 150.0, "duration_game": 30.0, "duration_system": 9.0},
        **changes,
    }


def results(records: list[dict[str, Any]], planned: int = 2, **changes: Any) -> dict[str, Any]:
    checkpoint = {"global_record": {}, "progress": [len(records), planned], "records": records}
    return {"_checkpoint": checkpoint, "entry_status": "Started", "eligible": False, **changes}


def write(path: Path, data: Any) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_a_file_of_the_leaderboard(tmp_path: Path) -> None:
    failed = record(1, status="Failed - Agent got blocked", infractions={"red_light": ["ran it"]})
    found = read_results(write(tmp_path / "r.json", results([record(0), failed], 4)))
    assert (found.entry_status, found.planned) == ("Started", 4)
    assert [one.status for one in found.records] == ["Completed", "Failed - Agent got blocked"]
    first = found.records[0]
    assert (first.completion_percent, first.penalty, first.score) == (100.0, 0.8, 80.0)
    assert (first.length_m, first.game_s) == (150.0, 30.0)
    assert first.infractions == {"min_speed_infractions": ("too slow",)}
    assert (first.success, found.records[1].success) == (True, False)
    # Over the planned routes, not over those that are there.
    assert found.mean_score == 40.0


def test_bench2drive_tells_scenario_and_town(tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "scenario_name": "Accident_1",
        "town_name": "Town12",
        "weather_id": None,
    }
    found = read_results(write(tmp_path / "r.json", results([record(**more)])))
    assert (found.records[0].scenario, found.records[0].town) == ("Accident_1", "Town12")


def test_an_infraction_is_no_success(tmp_path: Path) -> None:
    ran = record(infractions={"red_light": ["ran it"]})
    found = read_results(write(tmp_path / "r.json", results([ran])))
    assert not found.records[0].success


def test_a_file_of_a_run_that_has_just_begun(tmp_path: Path) -> None:
    data = results([])
    data["_checkpoint"]["progress"] = []
    found = read_results(write(tmp_path / "r.json", data))
    assert (found.records, found.planned, found.mean_score) == ((), 0, 0.0)


def test_a_folder_of_files(tmp_path: Path) -> None:
    write(tmp_path / "a.json", results([record(0)]))
    write(tmp_path / "b.json", results([record(1)]))
    write(tmp_path / "merged.json", {"driving score": 80.0})
    records = [one for found in official_results(tmp_path) for one in found.records]
    assert [(one.source.name, one.index) for one in records] == [("a.json", 0), ("b.json", 1)]


def test_a_folder_of_folders(tmp_path: Path) -> None:
    (tmp_path / "0" / "save").mkdir(parents=True)
    write(tmp_path / "0" / "endpoint.json", results([record(0)]))
    write(tmp_path / "0" / "save" / "metric_info.json", {"1": {}})
    (found,) = official_results(tmp_path)
    assert [one.route_id for one in found.records] == ["RouteScenario_0_rep0"]


def test_a_route_in_two_files_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.json", results([record(3)]))
    write(tmp_path / "b.json", results([record(3)]))
    with pytest.raises(OfficialResultsError, match=r"Scenario_3_rep0 stands 2 times.*a\.js.*b\.js"):
        official_results(tmp_path)


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(OfficialResultsError, match="holds no results"):
        official_results(tmp_path)
    with pytest.raises(OfficialResultsError, match="no such results file"):
        official_results(tmp_path / "none.json")


SCORE = {"score_route": 100.0, "score_penalty": 0.8}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"entry_status": "Star', "is truncated or not JSON"),
        ("", "is truncated or not JSON"),
        ([], "damaged or no results file"),
        ({}, "'entry_status' is missing"),
        (results([], entry_status="Done"), "entry_status is 'Done', none of Started, Finished"),
        ({"entry_status": "Started"}, "'_checkpoint' is missing"),
        (results([record(0), record(1)], 1, _checkpoint=None), "NoneType"),
        (results([record(0, status="Great")]), "record 0: status is 'Great'"),
        (results([record(0), record(1, scores=SCORE)]), "record 1: 'score_composed' is missing"),
        (results([record(0, scores={**SCORE, "score_composed": "80"})]), "score_composed is '80'"),
        (results([record(0, scores={**SCORE, "score_composed": float("nan")})]), "nan, not a num"),
        (results([record(0, meta={"route_length": 1.0})]), "record 0: 'duration_game' is missing"),
        (results([record(0, infractions=None)]), "record 0: .*NoneType"),
        (results(["Completed"]), "record 0"),  # type: ignore[list-item]
    ],
)
def test_what_is_damaged_is_named(data: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(OfficialResultsError, match=rf"broken\.json.*{message}"):
        official_results(write(tmp_path / "broken.json", data))


def test_more_records_than_routes(tmp_path: Path) -> None:
    data = results([record(0), record(1)])
    data["_checkpoint"]["progress"] = [1, 1]
    with pytest.raises(OfficialResultsError, match="2 records of 1 planned routes"):
        read_results(write(tmp_path / "r.json", data))


def test_the_table_has_a_line_for_each_route(tmp_path: Path) -> None:
    found = read_results(write(tmp_path / "r.json", results([record(0), record(1)], 4)))
    shown = StringIO()
    show(found, Console(file=shown, width=160))
    text = shown.getvalue()
    assert text.count("1 min_speed_infractions") == 2
    assert "1_rep0 " in text
    assert "2 of 4 routes, Started; mean score 40.00 over the planned routes" in text
