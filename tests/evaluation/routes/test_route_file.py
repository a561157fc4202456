"""Route files and the plans made of them."""

from __future__ import annotations

import math
from pathlib import Path

import carla
import numpy as np
import pytest

from evaluation.closed_loop.weather import WeatherSchedule
from evaluation.routes.global_plan import geo_reference_deg, gps_from_world, plans_of
from evaluation.routes.lane_graph import LaneGraph
from evaluation.routes.random_routes import (
    RandomRouteError,
    features_of,
    generate,
    one_route,
    turns_of,
)
from evaluation.routes.route import Route, RouteFileError, WeatherPoint
from evaluation.routes.route_file import read_routes, write_routes
from evaluation.routes.towns import open_map
from planner.geodesy import GeoReference
from tests.evaluation.scoring.roads import straight_map, straight_route, town_map
from tests.evaluation.simulator.town.small_maps import document, lane, linked, road, section

GOOD = """<routes>
  <route id="7" town="straight">
    <weathers>
      <weather route_percentage="100" cloudiness="80.0"/>
      <weather route_percentage="0" cloudiness="20.0"/>
    </weathers>
    <waypoints><position x="10" y="1.75" z="0"/><position x="300" y="1.75" z="0"/></waypoints>
    <scenarios>
      <scenario name="Cut" type="CutIn"><trigger_point x="1" y="2" z="0" yaw="90"/></scenario>
    </scenarios>
  </route>
  <route id="8" town="straight">
    <waypoints><position x="10" y="1.75" z="0"/><position x="300" y="90" z="0"/></waypoints>
  </route>
</routes>"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "routes.xml"
    path.write_text(text)
    return path


def test_reading(tmp_path: Path) -> None:
    first, second = read_routes(written(tmp_path, GOOD))
    assert (first.route_id, first.town, first.name_of()) == (
        "7",
        "straight",
        "RouteScenario_7_rep0",
    )
    assert first.positions_world_m == ((10.0, 1.75, 0.0), (300.0, 1.75, 0.0))
    assert [point.route_percent for point in first.weathers] == [0.0, 100.0]
    assert 'type="CutIn"' in first.scenarios[0]
    assert second.weathers == ()
    assert second.scenarios == ()


def test_writing_and_reading_again(tmp_path: Path) -> None:
    routes = read_routes(written(tmp_path, GOOD))
    write_routes(tmp_path / "new" / "copy.xml", routes)
    copies = read_routes(tmp_path / "new" / "copy.xml")
    assert [(r.route_id, r.town, r.positions_world_m, r.weathers) for r in copies] == [
        (r.route_id, r.town, r.positions_world_m, r.weathers) for r in routes
    ]
    assert 'yaw="90"' in copies[0].scenarios[0]


def test_a_subset(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert [route.route_id for route in read_routes(path, ["8"])] == ["8"]
    with pytest.raises(RouteFileError, match=r"routes\.xml: no route 9; it has 7, 8"):
        read_routes(path, ["9"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</routes>", "", r"routes\.xml is not XML"),
        (' id="7"', "", r"routes\.xml, route number 1: the attribute 'id'"),
        (' id="7" town="straight"', ' id="7"', r"routes\.xml, route 7: the attribute 'town'"),
        ('x="10"', 'x="ten"', r"routes\.xml, route 7: <position> x='ten' is not a number"),
        ('x="10"', 'x="nan"', r"route 7: <position> x='nan' is not a number"),
        ('x="10" y', "y", r"route 7: <position> x=None is not a number"),
        ('<position x="300" y="1.75" z="0"/>', "", r"route 7: needs two or more .* got 1"),
        ('cloudiness="80.0"', 'cloudiness="dark"', r"route 7: <weather> cloudiness='dark'"),
        ('route_percentage="100"', "", r"route 7: <weather> route_percentage=None is not"),
        ('id="8"', 'id="7"', r"routes\.xml: route id 7 is used more than once"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(RouteFileError, match=message):
        read_routes(written(tmp_path, GOOD.replace(old, new, 1)))


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(RouteFileError, match=r"none\.xml: no such route file"):
        read_routes(tmp_path / "none.xml")
    with pytest.raises(RouteFileError, match="no <route>"):
        read_routes(written(tmp_path, "<routes/>"))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00", b'<?xml version="1.0" encoding="none"?><a/>']
)
def test_files_that_cannot_be_decoded(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "routes.xml").write_bytes(data)
    with pytest.raises(RouteFileError, match=r"routes\.xml is not XML"):
        read_routes(tmp_path / "routes.xml")
    # A folder stands for the route files in it.
    with pytest.raises(RouteFileError, match=r"routes\.xml is not XML"):
        read_routes(tmp_path)


def test_routes_of_leaderboard_1_are_read(tmp_path: Path) -> None:
    text = """<routes><route id="3" town="Town01">
      <weather id="Custom" cloudiness="90" wind_intensity="5"/>
      <waypoint pitch="360.0" roll="0.0" x="338.70" y="226.75" yaw="269.97" z="0.0"/>
      <waypoint pitch="0.0" roll="0.0" x="88.40" y="210.57" yaw="89.99" z="1.5"/>
    </route></routes>"""
    (route,) = read_routes(written(tmp_path, text))
    assert route.positions_world_m == ((338.7, 226.75, 0.0), (88.4, 210.57, 1.5))
    assert route.weathers == (WeatherPoint(0.0, (("cloudiness", 90.0), ("wind_intensity", 5.0))),)
    assert route.scenarios == ()


def test_attributes_that_are_no_weather_are_ignored_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = GOOD.replace('cloudiness="80.0"', 'cloudiness="80.0" id="HardRainNoon"')
    first, _ = read_routes(written(tmp_path, text))
    assert first.weathers[1].parameters == (("cloudiness", 80.0),)
    (record,) = caplog.records
    assert record.getMessage().endswith(
        "routes.xml, route 7: <weather> id is no weather parameter of CARLA; ignored"
    )


def test_one_bad_route_leaves_the_others_alone(tmp_path: Path) -> None:
    graph = LaneGraph(straight_map())
    good, bad = read_routes(written(tmp_path, GOOD))
    assert good.dense(graph).length_m == pytest.approx(290.0, abs=2.0)
    with pytest.raises(RouteFileError, match=r"routes\.xml, route 8: "):
        bad.dense(graph)


def test_a_route_that_leaves_the_map_is_named(tmp_path: Path) -> None:
    route = read_routes(written(tmp_path, GOOD), ["8"])[0]
    with pytest.raises(RouteFileError, match=r"routes\.xml, route 8: position 1 .* leaves the map"):
        route.dense(LaneGraph(straight_map()))


def test_gps_by_the_leaderboards_formula() -> None:
    # One degree of latitude is 111.3 km on the formula's sphere; south is +y.
    latitude, longitude = gps_from_world(0.0, -111319.5, (0.0, 0.0))
    assert latitude == pytest.approx(1.0, abs=1e-4)
    assert longitude == pytest.approx(0.0, abs=1e-12)
    latitude, longitude = gps_from_world(1000.0, 500.0, (42.0, 2.0))
    assert latitude < 42.0
    assert longitude == pytest.approx(2.0 + math.degrees(1000.0 / (6378137.0 * 0.743145)), abs=1e-6)


@pytest.mark.parametrize(
    ("header", "reference"),
    [
        (
            "<geoReference><![CDATA[+proj=tmerc +lat_0=42.5 +lon_0=-2e0 +k=1]]></geoReference>",
            (42.5, -2),
        ),
        ("<geoReference/>", (42.0, 2.0)),
        ("", (42.0, 2.0)),
    ],
)
def test_the_reference_of_a_map(header: str, reference: tuple[float, float]) -> None:
    assert geo_reference_deg(f"<OpenDRIVE><header>{header}</header></OpenDRIVE>") == reference


def test_plans_agree_with_each_other() -> None:
    route = straight_route()
    gps_plan, world_plan = plans_of(route, straight_map().to_opendrive())
    assert len(gps_plan) == len(world_plan) == len(route.commands)
    assert [command for _, command in gps_plan] == list(route.commands)
    gps = np.array([(point["lat"], point["lon"]) for point, _ in gps_plan])
    reference = GeoReference.solve(gps, route.points_world_m[:, :2])
    np.testing.assert_allclose(
        reference.world_from_gps(*gps[50]), route.points_world_m[50, :2], atol=0.01
    )
    assert world_plan[0][0].location.y == pytest.approx(1.75)


def test_random_routes_are_reproducible_and_long_enough(tmp_path: Path) -> None:
    town = town_map()
    routes = generate(town, "Generated3", 300.0, 3, seed=4)
    assert routes == generate(town, "Generated3", 300.0, 3, seed=4)
    assert routes != generate(town, "Generated3", 300.0, 3, seed=5)
    write_routes(tmp_path / "routes.xml", routes)
    graph = LaneGraph(town)
    for route in read_routes(tmp_path / "routes.xml"):
        assert route.dense(graph).length_m == pytest.approx(300.0, abs=10.0)


def test_a_map_shorter_than_the_route_is_driven_as_far_as_it_goes() -> None:
    route = one_route(straight_map(), "straight", 600.0, seed=1)
    length_m = route.dense(LaneGraph(straight_map())).length_m
    assert length_m == pytest.approx(392.0, abs=3.0)
    with pytest.raises(RandomRouteError, match="no route of 600 m"):
        generate(straight_map(), "straight", 600.0, 1, seed=1)


def test_a_map_with_room_gives_the_same_route_as_ever() -> None:
    town = town_map()
    assert one_route(town, "x", 300.0, seed=4) == generate(town, "x", 300.0, 1, seed=4)[0]


def test_random_routes_turn_both_ways() -> None:
    town = town_map()
    graph = LaneGraph(town)
    turns = sum(
        (turns_of(r.dense(graph)) for r in generate(town, "x", 300.0, 4, seed=0)),
        start=turns_of(straight_route()),
    )
    assert {"LEFT", "RIGHT"} <= {command.name for command in turns}


def test_the_demo_route_has_something_of_everything() -> None:
    from evaluation.runs.plan import DEMO_ROUTES

    (route,) = read_routes(DEMO_ROUTES)
    demo, name = open_map("demo")
    assert route.town == name
    dense = route.dense(LaneGraph(demo))
    assert dense.length_m == pytest.approx(1000.0, abs=20.0)
    features = features_of(dense, demo)
    assert features["LEFT"] >= 2
    assert features["RIGHT"] >= 2
    assert features["traffic light"] >= 2
    assert features["stop sign"] >= 1
    assert features["one lane m"] > 100
    assert features["several lanes m"] > 100


def test_weather_changes_along_the_route() -> None:
    schedule = WeatherSchedule(
        [
            WeatherPoint(0.0, (("cloudiness", 20.0),)),
            WeatherPoint(50.0, (("cloudiness", 80.0), ("fog_density", 10.0))),
        ]
    )
    assert schedule.changes
    assert schedule.at(25.0).cloudiness == pytest.approx(50.0)
    assert schedule.at(90.0).cloudiness == pytest.approx(80.0)
    assert schedule.at(25.0).sun_altitude_angle == pytest.approx(70.0)
    assert not WeatherSchedule(()).changes
    assert WeatherSchedule(()).at(0.0).cloudiness == pytest.approx(50.0)


def test_unknown_weather_is_named() -> None:
    with pytest.raises(RouteFileError, match="'hail'"):
        WeatherSchedule([WeatherPoint(0.0, (("hail", 1.0),))])


def test_routes_compare_by_content() -> None:
    one = Route("0", "Demo", ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)), source=Path("a.xml"))
    assert one == Route("0", "Demo", ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)), source=Path("b.xml"))


def test_a_map_of_short_sections_has_a_route_all_the_same() -> None:
    parts = [
        section("", linked(-1, -1 if number else None, -1 if number < 3 else None), s=10.0 * number)
        for number in range(4)
    ]
    text = document(road("".join(parts), length_m=40.0))
    short = carla.Map("short", text)
    route = one_route(short, "short", 600.0, seed=0)
    assert route.dense(LaneGraph(short)).length_m > 15.0


def test_a_map_without_room_for_a_route_is_refused() -> None:
    tiny = carla.Map("tiny", document(road(section("", lane(-1)), length_m=8.0)))
    with pytest.raises(RandomRouteError, match="map tiny has no route of even 10 m"):
        one_route(tiny, "tiny", 600.0, seed=0)
