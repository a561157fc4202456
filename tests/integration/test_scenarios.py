"""Scenarios in the simulator: they take a decision, which the expert makes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from evaluation.__main__ import main
from evaluation.closed_loop.route_scenario import open_route_scenario
from evaluation.closed_loop.saved_drive import SavedDriveError
from evaluation.routes.lane_graph import LaneGraph
from evaluation.routes.route import Route
from evaluation.routes.route_file import write_routes
from evaluation.routes.scenario import Parked, RoadUser, Scenario, Stream, Walker
from tests.evaluation.scoring.roads import straight_map, straight_opendrive

PROJECT = Path(__file__).parents[2]
EXPERT = PROJECT / "agent" / "expert_agent.py"
IGNORING = PROJECT / "agent" / "blind_agent.py"
PERSON = Walker(((69.0, 8.0, 0.0), (69.0, -8.0, 0.0)), 49.0, 1.8)
VAN = Parked(45.0, 2.6)
ONCOMING = Stream(((120.0, -1.75, 0.0), (30.0, -1.75, 0.0)), 60.0, 40.0, 8.0, (20.0,))


def _drive(folder: Path, agent: Path, users: tuple[RoadUser, ...]) -> list[dict[str, object]]:
    """Records of a route of 70 m on a straight road."""
    (folder / "straight.xodr").write_text(straight_opendrive())
    scenario = Scenario("WalkerBehindCar", users).to_xml("0")
    ends = ((20.0, 1.75, 0.0), (90.0, 1.75, 0.0))
    write_routes(folder / "routes.xml", [Route("0", "straight", ends, scenarios=(scenario,))])
    routes = ["--routes", str(folder / "routes.xml"), "--town", str(folder / "straight.xodr")]
    main(["drive", "--agent", str(agent), *routes, "--no-video", "--out", str(folder / "out")])
    results = json.loads((folder / "out" / "results.json").read_text())
    return list(results["_checkpoint"]["records"])


@pytest.mark.parametrize(("agent", "hits"), [(EXPERT, 0), (IGNORING, 1)])
def test_somebody_walks_out_from_behind_a_van(tmp_path: Path, agent: Path, hits: int) -> None:
    (record,) = _drive(tmp_path, agent, (VAN, PERSON, ONCOMING))
    infractions = record["infractions"]
    assert isinstance(infractions, dict)
    assert (len(infractions["collisions_pedestrian"]) > 0) == bool(hits)
    assert record["status"] == ("Completed" if hits else "Perfect")


def test_a_saved_drive_with_a_scenario_is_refused() -> None:
    scenario = Scenario("WalkerBehindCar", (VAN,)).to_xml("0")
    route = Route("0", "straight", ((20.0, 1.75, 0.0), (90.0, 1.75, 0.0)), scenarios=(scenario,))
    session = cast(Any, SimpleNamespace(graph=LaneGraph(straight_map())))
    opened = open_route_scenario(session, route, saved=cast(Any, object()))
    with pytest.raises(SavedDriveError, match=r"route 0: .* drive it from its start"), opened:
        pass


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "succeeds"), [(EXPERT, True), (IGNORING, False)])
def test_an_unprotected_left_turn_of_mini(tmp_path: Path, agent: Path, succeeds: bool) -> None:
    arguments = ["--routes", "mini:heldout", "--route-ids", "21", "--out", str(tmp_path)]
    main(["drive", "--agent", str(agent), "--no-video", *arguments])
    (record,) = json.loads((tmp_path / "results.json").read_text())["_checkpoint"]["records"]
    hits = record["infractions"]["collisions_vehicle"]
    assert (not hits) == succeeds
