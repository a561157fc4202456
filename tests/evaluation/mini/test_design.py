"""The route file is what the design gives, and its routes are drivable and as long as was asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluation.mini.crossings import Town
from evaluation.mini.design import HELD_OUT_SEEDS, SCENES, design, main
from evaluation.routes.route_file import read_routes, write_routes
from evaluation.routes.scenario import Parked, Stream, Walker, scenario_of
from evaluation.routes.towns import open_map

VAN_HALF_WIDTH_M = 0.9
EGO_FRONT_M = 2.45


@pytest.fixture(scope="module")
def towns() -> list[Town]:
    return [Town(*open_map(f"generated:{seed}")) for seed in HELD_OUT_SEEDS]


def test_the_file_is_what_the_design_gives(towns: list[Town], tmp_path: Path) -> None:
    write_routes(tmp_path / "routes.xml", design(towns, 20, 0))
    assert read_routes(tmp_path / "routes.xml") == read_routes(Path("mini:heldout"))


def test_scenes_can_be_made_for_other_towns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {name: SCENES[name] for name in ("LeaderBrakes", "CutInAhead")}
    monkeypatch.setattr("evaluation.mini.design.SCENES", kept)
    path = tmp_path / "routes.xml"
    asked = ["design", "--out", str(path), "--towns", "101", "--each", "1"]
    monkeypatch.setattr("sys.argv", asked)
    main()
    routes = read_routes(path)
    assert len(routes) == 2 * len(kept)
    assert {route.town for route in routes} == {"Generated101"}

    monkeypatch.setattr("sys.argv", [*asked[:-1], "40"])
    with pytest.raises(SystemExit):
        main()
    assert "name more towns, or a smaller --each" in capsys.readouterr().err

    monkeypatch.setattr("sys.argv", [*asked[:-1], "0"])
    with pytest.raises(SystemExit):
        main()
    assert "--each 0: expected at least 1" in capsys.readouterr().err


def test_who_walks_out_behind_a_van_can_be_stopped_for(towns: list[Town]) -> None:
    """From when they are beside the van, by a driver at the limit who brakes 0.4 s later."""
    limits = {town.name: town for town in towns}
    seen = 0
    for route in read_routes(Path("mini:heldout")):
        scenario = scenario_of(route)
        assert scenario is not None
        vans = [one for one in scenario.road_users if isinstance(one, Parked)]
        for walker in (one for one in scenario.road_users if isinstance(one, Walker)):
            if not vans:
                continue
            town = limits[route.town]
            dense = route.dense(town.graph)
            here = dense.points_world_m[np.searchsorted(dense.distance_m, walker.ego_m)]
            pace_mps = town.limit_mps(town.waypoint(here))
            seen_s = (abs(vans[0].offset_m) - VAN_HALF_WIDTH_M) / walker.speed_mps
            room_m = pace_mps * (seen_s - 0.4) - EGO_FRONT_M
            assert pace_mps**2 / (2.0 * room_m) < 7.0
            seen += 1
    assert seen == 4


def test_routes_are_short_and_meet_their_road_users(towns: list[Town]) -> None:
    graphs = {town.name: town.graph for town in towns}
    for route in read_routes(Path("mini:heldout")):
        dense = route.dense(graphs[route.town])
        assert 200.0 < dense.length_m < 400.0
        scenario = scenario_of(route)
        assert scenario is not None
        for user in scenario.road_users:
            if isinstance(user, Stream | Walker):
                here = dense.points_world_m[np.searchsorted(dense.distance_m, user.ego_m), :2]
                path = np.array(user.path)
                if isinstance(user, Stream):
                    path = graphs[route.town].route(path).points_world_m
                steps = np.linspace(path[:-1], path[1:], 20).reshape(-1, 3)[:, :2]
                assert np.linalg.norm(steps - here, axis=1).min() < 6.0
