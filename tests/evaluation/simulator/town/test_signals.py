"""Which lanes lights and signs rule, on small maps of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import carla
import pytest

from evaluation.simulator.town.opendrive_records import LIGHT_TYPES
from evaluation.simulator.town.scenery import Material
from evaluation.simulator.town.signal_specs import TrafficLightSpec, TrafficSignSpec
from evaluation.simulator.town.town import Town, load_town
from tests.evaluation.simulator.town.small_maps import (
    document,
    guarded_junction,
    lane,
    road,
    section,
    signal,
    two_way,
)


def loaded(folder: Path, text: str) -> Town:
    path = folder / "small.xodr"
    path.write_text(text, encoding="utf-8")
    return load_town(str(path), 0)


def validity(first: int, last: int) -> str:
    return f'<validity fromLane="{first}" toLane="{last}"/>'


def box_centre(town: Town) -> carla.Location:
    """Middle of the trigger box of the town's only light or sign, in the world."""
    specs: list[TrafficLightSpec | TrafficSignSpec] = [*town.traffic_lights, *town.traffic_signs]
    (spec,) = specs
    location, rotation = spec.transform
    pose = carla.Transform(carla.Location(*location), carla.Rotation(yaw=rotation.yaw))
    return carla.Location(pose.transform(carla.Location(*spec.trigger_box.location)))


@pytest.mark.parametrize(("rule", "lanes", "y_m"), [("RHT", (-2, -1), 3.5), ("LHT", (1, 2), -3.5)])
def test_a_light_stops_the_traffic_of_its_side(
    tmp_path: Path, rule: str, lanes: tuple[int, int], y_m: float
) -> None:
    light = signal("1000001", t=-8.0 if rule == "RHT" else 8.0, more=validity(*lanes))
    town = loaded(tmp_path, guarded_junction(rule, light))
    (spec,) = town.traffic_lights
    assert spec.ruled_lanes == ((1, lanes[0]), (1, lanes[1]))
    assert spec.trigger_box.extent.x == pytest.approx(0.95 * 3.5, abs=0.01)
    centre = box_centre(town)
    assert (centre.x, centre.y) == (pytest.approx(95.5, abs=0.1), pytest.approx(y_m, abs=0.1))
    # Waiting traffic heads along +x and looks back at lamps that face it.
    assert abs(spec.facing_yaw_rad) == pytest.approx(3.14159, abs=0.01)
    assert all(lamp.x > 99.0 for lamp in spec.lamp_locations)
    assert town.notices == ()


@pytest.mark.parametrize("rule", ["RHT", "LHT"])
@pytest.mark.parametrize("orientation", ["+", "-", "none"])
def test_a_light_without_validity_rules_all_lanes_that_lead_into_the_junction(
    tmp_path: Path, rule: str, orientation: str
) -> None:
    light = signal("1000001", orientation=orientation)
    (spec,) = loaded(tmp_path, guarded_junction(rule, light)).traffic_lights
    assert {lane for _, lane in spec.ruled_lanes} == ({-1, -2} if rule == "RHT" else {1, 2})


@pytest.mark.parametrize("kind", [*sorted(LIGHT_TYPES), "1.000.011"])
def test_every_type_of_light_is_one(tmp_path: Path, kind: str) -> None:
    town = loaded(tmp_path, guarded_junction(signals=signal(kind, more=validity(-2, -1))))
    assert [light.sign_id for light in town.traffic_lights] == ["7"]


def test_two_lights_of_the_same_lanes_agree(tmp_path: Path) -> None:
    lights = signal("1000001", more=validity(-2, -1)) + signal(
        "1000002", more=validity(-1, -1)
    ).replace('id="7"', 'id="8"')
    phases = "".join(
        f'<controller id="{number}"><control signalId="{light}"/></controller>'
        for number, light in ((1, 7), (2, 8))
    )
    listed = '<controller id="1" sequence="0"/><controller id="2" sequence="1"/></junction>'
    text = guarded_junction(signals=lights).replace("</junction>", listed)
    town = loaded(tmp_path, text.replace("</OpenDRIVE>", f"{phases}</OpenDRIVE>"))
    assert len({light.group for light in town.traffic_lights}) == 1
    assert len(town.traffic_lights) == 2


def test_what_nobody_obeys_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    signals = signal("1000001", s=50.0) + signal("294").replace('id="7"', 'id="9"')
    town = loaded(tmp_path, two_way(more=f"<signals>{signals}</signals>"))
    assert town.traffic_lights == ()
    assert town.notices == (
        "signal 7 of type 1000001 on road 1: no lane of it leads into a junction; nobody obeys it",
        "1 signals of type '294' (first: 9): of no meaning here",
    )
    assert all(notice in caplog.text for notice in town.notices)


@pytest.mark.parametrize(
    ("shown", "kmh"),
    [
        ({"value": "50", "unit": "km/h", "name": "Sign_274_1"}, "50"),
        ({"value": "50", "name": ""}, "50"),
        ({"value": "30", "unit": "mph", "name": "Speed_99"}, "48"),
        ({"value": "-1", "name": "Speed_60"}, "60"),
        ({"name": "speed_30"}, "30"),
    ],
)
def test_a_speed_sign_shows_its_value(tmp_path: Path, shown: dict[str, Any], kmh: str) -> None:
    sign = signal("274", s=50.0, more=validity(-1, -1), **shown)
    town = loaded(tmp_path, two_way(more=f"<signals>{sign}</signals>"))
    assert [spec.type_id for spec in town.traffic_signs] == [f"traffic.speed_limit.{kmh}"]


def test_a_sign_without_a_speed_is_named(tmp_path: Path) -> None:
    sign = signal("274", s=50.0, name="Sign_274_1")
    town = loaded(tmp_path, two_way(more=f"<signals>{sign}</signals>"))
    assert town.traffic_signs == ()
    assert "signal 7 of type 274 on road 1: shows no speed" in town.notices[0]


@pytest.mark.parametrize(
    ("more", "orientation", "rule", "y_m"),
    [
        (validity(-1, -1), "-", "RHT", 1.75),
        (validity(1, 1), "+", "RHT", -1.75),
        ("", "+", "RHT", 1.75),
        ("", "-", "RHT", -1.75),
        ("", "+", "LHT", -1.75),
        ("", "none", "RHT", 1.75),
    ],
)
def test_a_speed_sign_is_for_the_lanes_of_its_validity_or_orientation(
    tmp_path: Path, more: str, orientation: str, rule: str, y_m: float
) -> None:
    sign = signal("274", s=50.0, orientation=orientation, more=more, value="50")
    town = loaded(tmp_path, two_way(rule=rule, more=f"<signals>{sign}</signals>"))
    centre = box_centre(town)
    assert (centre.x, centre.y) == (pytest.approx(50.0, abs=0.1), pytest.approx(y_m, abs=0.1))


@pytest.mark.parametrize("rule", ["RHT", "LHT"])
def test_what_stands_beside_the_road_stands_outside_of_it(tmp_path: Path, rule: str) -> None:
    lanes = section(lane(2, "sidewalk") + lane(1), lane(-1) + lane(-2, "sidewalk"))
    town = loaded(tmp_path, document(road(lanes, rule=rule)))
    sides = [float(y) for y in town.scenery.buildings.centre[:, 1]]
    assert min(sides) < -6.0 < 6.0 < max(sides)
    assert all(abs(y) > 6.0 for y in sides)
    posts = town.scenery.poles.start[:, 1]
    assert (abs(posts) > 3.5).all()


def test_a_crosswalk_along_the_road_is_drawn(tmp_path: Path) -> None:
    corners = "".join(
        f'<cornerRoad s="{s}" t="{t}" dz="0" height="0"/>'
        for s, t in ((58, -3), (58, 3), (62, 3), (62, -3))
    )
    crossing = f'<object id="1" type="crosswalk" s="60" t="0"><outline>{corners}</outline></object>'
    town = loaded(tmp_path, two_way(more=f"<objects>{crossing}</objects>"))
    (mesh,) = (m for m in town.scenery.meshes if m.material is Material.CROSSWALK)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert [round(float(v)) for v in (low[0], high[0])] == [58, 62]
    assert low[1] > -3.1
    assert high[1] < 3.1
