"""The simulator's README says what is supported: calls, sensors, blueprints, scenario types."""

from __future__ import annotations

from evaluation.routes.route_file import read_routes
from evaluation.simulator.catalogue.blueprints import ActorKind
from tests.evaluation.simulator.catalogue.blueprint_table import blueprints
from tests.evaluation.simulator.support_table import DRIVEN, FAMILIES, NOT_TRIED, README, written
from tests.shapes import PROJECT


def test_readme_is_up_to_date() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme == written(readme), "run python -m " + written.__module__


def test_every_kind_of_blueprint_has_a_line() -> None:
    assert {*FAMILIES, ActorKind.SENSOR} == {one.kind for one in blueprints()}


def test_scenarios_of_the_route_files_that_are_driven_here_are_not_called_untried() -> None:
    assert not set(DRIVEN.split()) & set(NOT_TRIED.split())
    for file in ("routes.xml", "scenario_types.xml"):
        for route in read_routes(PROJECT / "tests/evaluation/official" / file):
            assert route.scenario_type in ["", *DRIVEN.split()]
