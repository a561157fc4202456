"""The benchmark `mini` by its name, and what was promised of its routes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.routes.route import RouteFileError
from evaluation.routes.route_file import read_routes
from evaluation.routes.scenario import KINDS, TWIN, scenario_of

MINI = read_routes(Path("mini"))


@pytest.mark.parametrize(
    ("name", "count"),
    [("mini", 80), ("mini:training", 40), ("mini:heldout:twins", 20), ("mini:originals", 40)],
)
def test_parts_of_the_benchmark_are_called_by_name(name: str, count: int) -> None:
    assert len(read_routes(Path(name))) == count


def test_an_unknown_part_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(RouteFileError, match="no part 'easy'; it has training, heldout"):
        read_routes(Path("mini:easy"))


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mini").write_text("<routes/>")
    with pytest.raises(RouteFileError, match="no <route>"):
        read_routes(Path("mini"))


def test_every_type_has_four_routes_half_of_them_in_towns_that_nobody_trains_in() -> None:
    kinds = {route.route_id: scenario_of(route) for route in MINI}
    for part in ("training", "heldout"):
        routes = read_routes(Path(f"mini:{part}:originals"))
        found = Counter(scenario.kind for one in routes if (scenario := kinds[one.route_id]))
        assert found == dict.fromkeys(KINDS, 2)
    towns = [
        {one.town for one in read_routes(Path(f"mini:{part}"))} for part in ("training", "heldout")
    ]
    assert not towns[0] & towns[1]


def test_a_twin_has_the_shape_of_its_route_and_something_else_to_decide() -> None:
    by_id = {route.route_id: route for route in MINI}
    for original in read_routes(Path("mini:originals")):
        twin = by_id[original.route_id + TWIN]
        assert replace(twin, route_id=original.route_id, scenarios=original.scenarios) == original
        one, other = scenario_of(original), scenario_of(twin)
        assert one is not None
        assert other is not None
        assert one.kind == other.kind
        assert one.road_users != other.road_users
