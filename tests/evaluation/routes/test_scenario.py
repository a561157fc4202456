"""Scenarios of our own, as route files hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.routes.route import Route, RouteFileError
from evaluation.routes.route_file import read_routes, write_routes
from evaluation.routes.scenario import (
    CutIn,
    Leader,
    Lights,
    Parked,
    Scenario,
    Stream,
    Walker,
    scenario_of,
)

PATH = ((0.0, 1.75, 0.0), (60.25, 1.75, 0.5))
SCENARIO = Scenario(
    "StopSignJunction",
    (
        Stream(PATH, 50.0, 100.0, 8.25, (18.0, 20.5), -0.25),
        Stream(PATH, 50.0, 100.0, 8.25),
        Leader(15.0, 8.25, 110.0, 7.0, 4.0),
        CutIn(-3.5, 105.0, 1.25, 4.0, True),
        Parked(105.0, 0.25),
        Walker(PATH, 105.0, 1.75),
        Lights(120.0, 0.0),
    ),
    background=6,
)


def _route(scenario: str) -> Route:
    return Route("7", "Town", ((0.0, 0.0, 0.0), (9.0, 0.0, 0.0)), scenarios=(scenario,))


def test_a_scenario_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_routes(tmp_path / "routes.xml", [_route(SCENARIO.to_xml("7"))])
    (route,) = read_routes(tmp_path / "routes.xml")
    assert scenario_of(route) == SCENARIO


def test_scenarios_of_the_official_evaluator_are_left_to_it() -> None:
    assert (
        scenario_of(_route('<scenario name="A" type="Accident"><speed value="9"/></scenario>'))
        is None
    )
    assert scenario_of(Route("7", "Town", ())) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<bicycle/>", "<bicycle> is none of stream"),
        ('<parked at_m="9" offset_m="far"/>', "offset_m='far' is not a number"),
        ('<parked at_m="nan" offset_m="0"/>', "at_m='nan' is not a number"),
        ('<parked at_m="9"/>', "offset_m"),
        ('<parked at_m="9" offset_m="0" colour="red"/>', "has no 'colour'"),
        ('<walker ego_m="9" speed_mps="1"/>', "two or more <position>"),
        ('<cut_in offset_m="2" at_m="9" before_s="1" speed_mps="3" waits="yes"/>', "neither true"),
        ('<stream ego_m="1" meets_m="1" speed_mps="1" gaps_m="9 x"><position/></stream>', "two or"),
    ],
)
def test_what_cannot_be_read_is_named(content: str, message: str) -> None:
    route = _route(f'<scenario name="7" type="LeaderBrakes">{content}</scenario>')
    with pytest.raises(RouteFileError, match=message) as caught:
        scenario_of(route)
    assert "route 7" in str(caught.value)


def test_an_unreadable_density_is_named() -> None:
    with pytest.raises(RouteFileError, match="background='-3' is not a whole number"):
        scenario_of(_route('<scenario name="7" type="LeaderBrakes" background="-3"/>'))
