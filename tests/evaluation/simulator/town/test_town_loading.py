"""Loaded towns: signals, surfaces, what stands beside the roads, spawn points, errors."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from math import cos, radians, sin
from pathlib import Path

import carla
import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from evaluation.simulator.town.scenery import Material, Scenery, SignKind
from evaluation.simulator.town.town import (
    Town,
    TownError,
    TrafficLightSpec,
    TrafficSignSpec,
    load_town,
)
from tests.evaluation.simulator.town.small_maps import two_way

F64 = NDArray[np.float64]


@pytest.fixture(scope="module")
def demo() -> Town:
    return load_town("demo", 0)


def _carla_transform(spec: TrafficLightSpec | TrafficSignSpec) -> carla.Transform:
    location, rotation = spec.transform
    return carla.Transform(
        carla.Location(*location), carla.Rotation(rotation.pitch, rotation.yaw, rotation.roll)
    )


def _criterion_lanes(town: Town, light: TrafficLightSpec) -> list[carla.Waypoint]:
    """Where scenario_runner's red-light test sees the stop line: points across the trigger box,
    led on to the junction's edge."""
    base = _carla_transform(light)
    area = base.transform(carla.Location(*light.trigger_box.location))
    yaw = radians(base.rotation.yaw)
    reach = 0.9 * light.trigger_box.extent.x
    lanes: dict[tuple[int, int], carla.Waypoint] = {}
    for x in np.arange(-reach, reach, 1.0):
        point = town.map.get_waypoint(area + carla.Location(x=x * cos(yaw), y=x * sin(yaw)))
        lanes.setdefault((point.road_id, point.lane_id), point)
    ends = []
    for point in lanes.values():
        while not point.is_junction:
            following = point.next(0.5)[0]
            if following.is_junction:
                break
            point = following
        ends.append(point)
    return ends


def test_lights_and_signs_match_the_landmarks(demo: Town) -> None:
    landmarks: dict[str, set[str]] = {}
    for landmark in demo.map.get_all_landmarks():
        landmarks.setdefault(landmark.type, set()).add(landmark.id)
    assert {light.sign_id for light in demo.traffic_lights} == landmarks["1000001"]
    stops = {sign.sign_id for sign in demo.traffic_signs if sign.type_id == "traffic.stop"}
    assert stops == landmarks["206"]
    limits = {sign.type_id for sign in demo.traffic_signs} - {"traffic.stop"}
    assert limits <= {f"traffic.speed_limit.{value}" for value in (30, 40, 50, 60)}
    ids = [light.sign_id for light in demo.traffic_lights]
    ids += [sign.sign_id for sign in demo.traffic_signs]
    assert len(set(ids)) == len(ids)


def test_light_boxes_cover_the_lanes_that_the_map_says_they_rule(demo: Town) -> None:
    for light in demo.traffic_lights:
        (landmark,) = demo.map.get_all_landmarks_from_id(light.sign_id)
        ruled = {
            (landmark.road_id, lane)
            for first, last in landmark.get_lane_validities()
            for lane in range(first, last + 1)
        }
        ends = _criterion_lanes(demo, light)
        assert {(end.road_id, end.lane_id) for end in ends} == ruled
        for end in ends:
            following = end.next(0.8)
            assert all(point.is_junction for point in following)
            assert {point.junction_id for point in following} == {light.junction_id}


def test_waiting_drivers_see_a_lamp_ahead(demo: Town) -> None:
    for light in demo.traffic_lights:
        end = _criterion_lanes(demo, light)[-1]
        eye = end.transform.location - 4.0 * end.transform.get_forward_vector()
        bearings = []
        for lamp in light.lamp_locations:
            ahead = carla.Location(*lamp) - eye
            forward = end.transform.get_forward_vector()
            along = ahead.x * forward.x + ahead.y * forward.y
            across = -ahead.x * forward.y + ahead.y * forward.x
            if 12.0 < along < 38.0 and 2.5 < lamp.z < 6.0:
                bearings.append(abs(across) / along)
        assert bearings
        assert min(bearings) < 0.45
        facing = radians(end.transform.rotation.yaw) + np.pi
        assert cos(facing - light.facing_yaw_rad) > 0.95


def test_groups_of_a_junction_are_numbered_from_zero(demo: Town) -> None:
    groups: dict[int, set[int]] = {}
    for light in demo.traffic_lights:
        groups.setdefault(light.junction_id, set()).add(light.group)
    assert groups
    for numbers in groups.values():
        assert numbers == {0, 1}


def test_opposite_lights_share_a_group_and_crossing_ones_do_not(demo: Town) -> None:
    for light in demo.traffic_lights:
        for other in demo.traffic_lights:
            if light.junction_id != other.junction_id or light is other:
                continue
            crossing = abs(sin(light.facing_yaw_rad - other.facing_yaw_rad))
            assert (light.group == other.group) == (crossing < 0.7)


def test_stop_boxes_are_on_the_lane_before_the_junction(demo: Town) -> None:
    stops = [sign for sign in demo.traffic_signs if sign.type_id == "traffic.stop"]
    assert stops
    for sign in stops:
        centre = _carla_transform(sign).transform(carla.Location(*sign.trigger_box.location))
        point = demo.map.get_waypoint(centre)
        assert not point.is_junction
        assert point.transform.location.distance(centre) < 1.5
        assert any(after.is_junction for after in point.next(3.5))
        # The stop-sign test of scenario_runner compares along the world's axes.
        assert sign.trigger_box.extent.x == pytest.approx(sign.trigger_box.extent.y, abs=0.4)


def test_nothing_stands_on_the_road(demo: Town) -> None:
    scenery, road, walk = demo.scenery, demo.areas.road, demo.areas.walk
    assert len(scenery.buildings.centre) > 200
    assert len(scenery.trees.location) > 100
    for centre, half, yaw in zip(
        scenery.buildings.centre[:, :2],
        scenery.buildings.half_extent,
        scenery.buildings.yaw_rad,
        strict=True,
    ):
        outline = _rectangle(centre, half, float(yaw))
        assert not road.intersects(outline)
        assert not walk.intersects(outline)
    for trunk in scenery.trees.location:
        assert road.distance(shapely.Point(trunk[:2])) > 0.5
    for foot, top in zip(scenery.poles.start, scenery.poles.end, strict=True):
        if foot[2] < 1.0 < top[2]:
            assert not road.contains(shapely.Point(foot[:2]))


def _rectangle(centre: F64, half: F64, yaw: float) -> shapely.Polygon:
    along = np.array([cos(yaw), sin(yaw)]) * half[0]
    across = np.array([-sin(yaw), cos(yaw)]) * half[1]
    return shapely.Polygon(
        [centre + along + across, centre + along - across, centre - along - across,
         centre - along + across]
    )  # fmt: skip


def test_surfaces_are_compact_and_finite(demo: Town) -> None:
    meshes = demo.scenery.meshes
    assert {mesh.material for mesh in meshes} >= {
        Material.ROAD, Material.SIDEWALK, Material.KERB, Material.GRASS, Material.CROSSWALK,
        Material.MARKING_WHITE,
    }  # fmt: skip
    assert len({mesh.material for mesh in meshes}) == len(meshes)
    assert sum(len(mesh.triangles) for mesh in meshes) < 200_000
    for mesh in meshes:
        assert np.isfinite(mesh.vertices).all()
        assert mesh.triangles.max() < len(mesh.vertices)
        if mesh.material not in (Material.KERB, Material.CONCRETE):
            a, b, c = (mesh.vertices[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
            assert (np.cross(b - a, c - a)[:, 2] >= -1e-3).all()


def test_road_surface_lies_under_every_driving_lane(demo: Town) -> None:
    points = demo.map.generate_waypoints(3.0)
    xy = np.array([(p.transform.location.x, p.transform.location.y) for p in points])
    assert shapely.contains_xy(demo.areas.road, xy[:, 0], xy[:, 1]).all()
    heights = demo.ground_height_m(xy, np.zeros(len(xy)))
    assert np.abs(heights).max() < 0.01


def test_sidewalks_are_a_kerb_higher_than_the_road(demo: Town) -> None:
    walks = []
    for point in demo.map.generate_waypoints(20.0):
        side = point
        while side is not None and side.lane_type == carla.LaneType.Driving:
            side = side.get_right_lane()
        if side is not None and side.lane_type == carla.LaneType.Sidewalk:
            walks.append((side.transform.location.x, side.transform.location.y))
    heights = demo.ground_height_m(np.array(walks), np.zeros(len(walks)))
    assert heights == pytest.approx(np.full(len(walks), 0.12), abs=0.01)


def test_spawn_points_stand_on_driving_lanes_along_the_traffic(demo: Town) -> None:
    assert len(demo.spawn_points) > 100
    for location, rotation in demo.spawn_points:
        spot = carla.Location(*location)
        point = demo.map.get_waypoint(spot, project_to_road=False)
        assert point is not None
        assert not point.is_junction
        assert location.z == pytest.approx(point.transform.location.z + 0.5, abs=0.01)
        assert spot.distance(point.transform.location) < 0.6
        turn = rotation.yaw - point.transform.rotation.yaw
        assert abs((turn + 180.0) % 360.0 - 180.0) < 3.0


def test_lamps_signs_and_boxes_refer_to_the_specs(demo: Town) -> None:
    heads = demo.scenery.lamp_heads
    assert set(heads.light_index.tolist()) == set(range(len(demo.traffic_lights)))
    counts = Counter(heads.light_index.tolist())
    for index, light in enumerate(demo.traffic_lights):
        assert counts[index] == len(light.lamp_locations)
    kinds = Counter(demo.scenery.sign_faces.kind.tolist())
    assert kinds[SignKind.STOP] == sum("stop" in s.type_id for s in demo.traffic_signs)
    boxes = demo.scenery.static_boxes()
    assert Counter(boxes.semantic_tag.tolist())[3] == len(demo.scenery.buildings.centre)
    assert (boxes.half_extent > 0.0).all()


def test_speed_limits_are_known_for_every_road(demo: Town) -> None:
    limits = [
        demo.limits.at_mps(p.road_id, p.section_id, p.lane_id, p.s)
        for p in demo.map.generate_waypoints(50.0)
    ]
    assert {round(limit * 3.6, 6) for limit in limits if limit is not None} <= {30, 40, 50, 60}
    assert None not in limits
    assert demo.limits.at_mps(-5, 0, -1, 0.0) is None


def test_a_town_of_our_own_needs_no_mending(demo: Town) -> None:
    assert demo.notices == ()


def _arrays(scenery: Scenery) -> Iterator[NDArray[np.generic]]:
    for mesh in scenery.meshes:
        yield mesh.vertices
        yield mesh.triangles
    for part in (scenery.buildings, scenery.trees, scenery.poles, scenery.lamp_heads,
                 scenery.sign_faces):  # fmt: skip
        for item in fields(part):
            yield getattr(part, item.name)


def test_same_specification_same_town(demo: Town) -> None:
    again = load_town("demo", 99)
    assert again.name == "Demo"
    assert again.opendrive == demo.opendrive
    assert again.spawn_points == demo.spawn_points
    assert again.traffic_lights == demo.traffic_lights
    assert again.traffic_signs == demo.traffic_signs
    for a, b in zip(_arrays(demo.scenery), _arrays(again.scenery), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_is_named_by_its_stem_and_its_surroundings_by_the_seed(
    demo: Town, tmp_path: Path
) -> None:
    path = tmp_path / "Village.xodr"
    path.write_text(demo.opendrive, encoding="utf-8")
    town = load_town(str(path), 5)
    assert town.name == "Village"
    assert town.traffic_lights == demo.traffic_lights
    assert town.scenery.buildings.seed.tolist() != demo.scenery.buildings.seed.tolist()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere.xodr", "nowhere.xodr.*no such file"),
        ("generated:", "generated:<seed>"),
        ("generated:-3", "generated:<seed>"),
        ("Town99", "no such file"),
    ],
)
def test_unknown_towns_are_refused(spec: str, message: str) -> None:
    with pytest.raises(TownError, match=message):
        load_town(spec, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not xml at all", "not valid XML"),
        ("<html/>", "expected an <OpenDRIVE> document, got <html>"),
        ("<OpenDRIVE><header/></OpenDRIVE>", "has no <road>"),
        (
            '<OpenDRIVE><header/><road id="0" junction="-1" length="10"><planView>'
            '<geometry s="0" x="0" y="0" hdg="0" length="10"><line/></geometry></planView>'
            '<lanes><laneSection s="0"><center><lane id="0" type="none"/></center></laneSection>'
            "</lanes></road></OpenDRIVE>",
            "no driving lane",
        ),
    ],
)
def test_broken_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.xodr"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TownError, match=message) as caught:
        load_town(str(path), 0)
    assert "broken.xodr" in str(caught.value)


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.xodr"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(TownError, match=r"binary\.xodr: not valid XML"):
        load_town(str(path), 0)


def _carla_town(name: str) -> Town:
    path = Path(os.environ.get("CARLA_MAPS", ""), f"{name}.xodr")
    if not path.is_file():
        pytest.skip("needs CARLA's own maps: CARLA_MAPS=FOLDER with Town01.xodr and the others")
    return load_town(str(path), 0)


@pytest.mark.parametrize(("name", "lights"), [("Town01", 36), ("Town02", 24), ("Town10HD", 17)])
def test_carlas_own_towns_load(name: str, lights: int) -> None:
    town = _carla_town(name)
    assert town.name == name
    assert len(town.traffic_lights) == lights
    assert all(light.lamp_locations for light in town.traffic_lights)
    for light in town.traffic_lights:
        for end in _criterion_lanes(town, light):
            assert {point.junction_id for point in end.next(0.8)} == {light.junction_id}
    assert len(town.spawn_points) > 50


def test_town04_has_two_levels() -> None:
    town = _carla_town("Town04")
    points = town.map.generate_waypoints(10.0)
    xyz = np.array([(*(getattr(p.transform.location, a) for a in "xyz"),) for p in points])
    heights = town.ground_height_m(xyz[:, :2], xyz[:, 2] + 0.3)
    assert np.abs(heights - xyz[:, 2]).max() < 0.35
    assert np.ptp(xyz[:, 2]) > 5.0


def test_a_road_that_is_too_steep_is_named(tmp_path: Path) -> None:
    climb = '<elevationProfile><elevation s="0" a="0" b="{}" c="0" d="0"/></elevationProfile>'
    path = tmp_path / "hill.xodr"
    path.write_text(two_way(more=climb.format(0.2)))
    assert load_town(str(path), 0).notices == ()
    path.write_text(two_way(more=climb.format(0.5)))
    assert load_town(str(path), 0).notices == (
        "road 1: a slope of 50 %, more than a car may climb",
    )
