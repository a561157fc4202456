"""Which drives a collection still has to do, and what it tells the expert."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from agent.settings import read_expert_settings
from evaluation.collect import CollectSettings, is_finished, number_of, random_weather
from evaluation.routes import Route

ROUTE = Route("7", "Generated3", ((0.0, 0.0, 0.0), (100.0, 0.0, 0.0)))


def _results(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json.gz").write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        ("Perfect", True),
        ("Failed - Agent got blocked", True),
        ("Unknown", False),
        ("Failed - Simulation crashed", False),
    ],
)
def test_only_a_drive_that_was_scored_is_finished(
    tmp_path: Path, status: str, finished: bool
) -> None:
    content = gzip.compress(json.dumps({"status": status}).encode())
    assert is_finished(_results(tmp_path, content)) is finished


def test_a_truncated_results_file_is_driven_again(tmp_path: Path) -> None:
    content = gzip.compress(json.dumps({"status": "Perfect"}).encode())
    assert not is_finished(_results(tmp_path, content[:-6]))
    assert not is_finished(tmp_path / "no such drive")


def test_the_expert_understands_its_settings(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path, seed=5, expert="perturb=2,jpeg_quality=80")
    expert = read_expert_settings(settings.expert_config(ROUTE))
    assert expert.record == str(tmp_path)
    assert (expert.town, expert.route) == ("Generated3", "7")
    assert expert.seed == 5 + number_of(ROUTE)
    assert (expert.perturb, expert.jpeg_quality) == (2.0, 80)
    assert settings.drive_folder(ROUTE).name == f"{expert.town}_{expert.route}"


def test_routes_differ_in_number_and_weather() -> None:
    numbers = {number_of(Route(str(i), "Demo", ROUTE.positions_world_m)) for i in range(50)}
    assert len(numbers) > 45
    assert random_weather(1) == random_weather(1) != random_weather(2)
    assert all(dict(random_weather(seed))["sun_altitude_angle"] > 10.0 for seed in range(50))
