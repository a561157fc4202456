"""The checkpoint in this repository drives."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from agent.settings import DEFAULT_CHECKPOINT
from evaluation.__main__ import main
from evaluation.routes.route_file import read_routes, write_routes
from evaluation.runs.plan import DEMO_ROUTES
from evaluation.runs.settings import DEFAULT_AGENT
from model.checkpoint import load_checkpoint


def test_it_loads_and_is_as_large_as_the_readme_says() -> None:
    model = load_checkpoint(DEFAULT_CHECKPOINT)
    assert model.config.name == "nano"
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(
        2.8e6, rel=0.02
    )


@pytest.fixture(scope="module")
def start_of_the_demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The record of a drive over the first hundred metres, and what was measured."""
    folder = tmp_path_factory.mktemp("start")
    (demo,) = read_routes(DEMO_ROUTES)
    write_routes(
        folder / "start.xml", [replace(demo, positions_world_m=demo.positions_world_m[:2])]
    )
    arguments = ["--routes", str(folder / "start.xml"), "--out", str(folder / "out")]
    assert main(["drive", "--agent", str(DEFAULT_AGENT), *arguments, "--no-video"]) == 0
    results = json.loads((folder / "out" / "results.json").read_text())
    (record,) = results["_checkpoint"]["records"]
    return record, results["extra"]["routes"][record["route_id"]]


@pytest.mark.slow
def test_it_drives_the_first_hundred_metres_of_the_demo_route(
    start_of_the_demo: tuple[Any, Any],
) -> None:
    record, measured = start_of_the_demo
    assert record["meta"]["route_length"] > 100.0
    assert record["scores"]["score_route"] == 100.0
    assert not any(events for name, events in record["infractions"].items() if "collisions" in name)
    assert record["status"] == "Perfect"
    assert measured["lateral_mean_m"] < 0.8
    assert measured["off_road_events"] == 0


@pytest.mark.slow
# Not strict: another kind of processor may drive another line.
@pytest.mark.xfail(strict=False, reason="the weights before crossed a junction 2.7 m off")
def test_it_keeps_to_the_first_hundred_metres(start_of_the_demo: tuple[Any, Any]) -> None:
    _, measured = start_of_the_demo
    assert measured["lateral_p95_m"] < 2.0
