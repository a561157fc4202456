"""What the wheel reads of OpenDRIVE: the rows of evaluation/simulator/town/README.md.

Each is a fact about the wheel that our reader builds on; one that changes in a new version fails
here first. Sources: LibCarla/source/carla/opendrive/parser and road of carla-simulator/carla.
"""

from __future__ import annotations

import math
from importlib.metadata import version

import carla
import pytest

from tests.evaluation.simulator.town.small_maps import (
    document,
    lane,
    linked,
    road,
    section,
    signal,
    two_way,
)

pytestmark = pytest.mark.skipif(
    not version("carla").startswith("0.9.16"), reason="facts of the wheel 0.9.16"
)


def loaded(text: str) -> carla.Map:
    """A map from text that our reader has not seen; all of them are harmless."""
    return carla.Map("small", text)


def at(world_map: carla.Map, lane_id: int, s_m: float, road_id: int = 1) -> carla.Waypoint:
    waypoint = world_map.get_waypoint_xodr(road_id, lane_id, s_m)
    assert waypoint is not None
    return waypoint


def place(waypoint: carla.Waypoint) -> tuple[float, float, float]:
    location = waypoint.transform.location
    return location.x, location.y, location.z


def signals(*parts: str) -> str:
    return f"<signals>{''.join(parts)}</signals>"


def objects(*parts: str) -> str:
    return f"<objects>{''.join(parts)}</objects>"


def test_ids_that_are_words_become_road_0() -> None:
    world_map = loaded(
        document(*(road(section("", lane(-1)), name) for name in ("north", "south")))
    )
    assert {point.road_id for point in world_map.generate_waypoints(10.0)} == {0}


@pytest.mark.parametrize(
    "shape", ['<arc curvature="0"/>', '<spiral curvStart="0.02" curvEnd="0.02"/>']
)
def test_shapes_of_constant_curvature_give_nan(shape: str) -> None:
    assert math.isnan(place(at(loaded(two_way(shape=shape)), -1, 50.0))[0])


def test_a_clothoid_of_hardly_any_change_jumps() -> None:
    shape = '<spiral curvStart="0.02" curvEnd="0.020000000000001"/>'
    x, y, _ = place(at(loaded(two_way(shape=shape)), -1, 100.0))
    assert math.hypot(x, y) < 5.0  # on a circle of 50 m, half of it on: 91 m away


@pytest.mark.parametrize(
    "shape",
    [
        '<poly3 a="0" b="0" c="0.001" d="0"/>',
        '<paramPoly3 pRange="arcLength" aU="0" bU="1" aV="0" bV="0" cV="0.001"/>',
        '<paramPoly3 pRange="normalized" aU="0" bU="200" aV="0" bV="0" cV="40"/>',
        '<paramPoly3 aU="0" bU="200" aV="0" bV="0" cV="40"/>',
    ],
)
def test_cubic_shapes_are_read(shape: str) -> None:
    x, y, _ = place(at(loaded(two_way(shape=shape)), -1, 50.0))
    assert -y - 0.001 * x * x == pytest.approx(-1.75, abs=0.05)


def test_the_first_child_of_a_geometry_alone_is_its_shape() -> None:
    text = two_way(shape='<line/><arc curvature="0.01"/>')
    assert place(at(loaded(text), -1, 150.0))[1] == pytest.approx(1.75)


def test_pitch_is_the_slope_itself_and_superelevation_is_not_read() -> None:
    profiles = (
        '<elevationProfile><elevation s="0" a="0" b="0.1" c="0" d="0"/></elevationProfile>'
        '<lateralProfile><superelevation s="0" a="0.2" b="0" c="0" d="0"/></lateralProfile>'
    )
    pose = at(loaded(two_way(more=profiles)), -1, 100.0).transform
    assert pose.rotation.pitch == pytest.approx(math.degrees(0.1))
    assert (pose.rotation.roll, pose.location.z) == (0.0, pytest.approx(10.0))


def test_the_offset_of_the_header_is_not_read() -> None:
    text = two_way().replace('name="small"/>', 'name="small"><offset x="500" y="0"/></header>')
    assert place(at(loaded(text), -1, 10.0))[0] == pytest.approx(10.0)


def test_borders_are_not_read_for_widths() -> None:
    text = two_way().replace('<width sOffset="0" a="3.5"', '<border sOffset="0" a="3.5"')
    assert at(loaded(text), -1, 10.0).lane_width == 0.0


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("driving", "Driving"), ("Driving", "Driving"), ("sidewalk", "Sidewalk"),
        ("walking", "NONE"), ("bus", "NONE"), ("HOV", "NONE"), ("taxi", "NONE"),
        ("slipLane", "NONE"), ("connectingRamp", "NONE"), ("curb", "NONE"), ("entry", "Entry"),
        ("offRamp", "OffRamp"), ("bidirectional", "Bidirectional"),
    ],
)  # fmt: skip
def test_types_of_lanes(kind: str, known: str) -> None:
    world_map = loaded(document(road(section("", lane(-1) + lane(-2, kind)))))
    assert str(at(world_map, -2, 10.0).lane_type) == known
    assert len(world_map.generate_waypoints(100.0)) == (4 if known == "Driving" else 2)


def test_left_hand_traffic_runs_the_other_way() -> None:
    world_map = loaded(two_way(rule="LHT"))
    yaws = [abs(round(at(world_map, lane_id, 50.0).transform.rotation.yaw)) for lane_id in (-1, 1)]
    assert yaws == [180, 0]
    assert at(world_map, 1, 50.0).get_right_lane().lane_id == -1


def test_the_topology_leaves_out_lanes_along_s_without_successor() -> None:
    ends = loaded(two_way()).get_topology()
    assert {start.lane_id for start, _ in ends} == {1}


def test_there_is_no_waypoint_at_the_road_s_end() -> None:
    assert loaded(two_way()).get_waypoint_xodr(1, -1, 200.0) is None


def test_missing_links_between_sections_end_a_lane() -> None:
    text = document(road(section("", linked(-1)) + section("", linked(-1), s=100.0)))
    assert at(loaded(text), -1, 90.0).next(20.0) == []


def test_a_link_to_a_junction_goes_to_the_road_of_the_same_id() -> None:
    link = '<successor elementType="junction" elementId="2"/>'
    text = document(
        road(section("", linked(-1, after=-1)), 1, link=link),
        road(section("", linked(-1)), 2, 400.0),
        '<junction id="2"/>',
    )
    assert [point.road_id for point in at(loaded(text), -1, 195.0).next(10.0)] == [2]


CORNERS = "".join(
    f'<cornerLocal u="{u}" v="{v}" z="0"/>' for u, v in ((-2, -4), (-2, 4), (2, 4), (2, -4))
)
ALONG = "".join(f'<cornerRoad s="{s}" t="{t}"/>' for s, t in ((58, -3), (58, 3), (62, 3)))


@pytest.mark.parametrize(
    ("inside", "count"),
    [
        (f"<outline>{CORNERS}</outline>", 4),
        (f"<outlines><outline>{CORNERS}</outline></outlines>", 0),
        (f"<outline>{ALONG}</outline>", 0),
    ],
)
def test_corners_of_crosswalks_are_as_many_as_the_outline_has(inside: str, count: int) -> None:
    crossing = f'<object id="1" type="crosswalk" s="60" t="0" hdg="0">{inside}</object>'
    assert len(loaded(two_way(more=objects(crossing))).get_crosswalks()) == count


def test_a_crosswalk_without_outline_gets_that_of_the_one_before() -> None:
    first = f'<object id="1" type="crosswalk" s="60" t="0"><outline>{CORNERS}</outline></object>'
    second = '<object id="2" type="crosswalk" s="120" t="0"/>'
    assert len(loaded(two_way(more=objects(first, second))).get_crosswalks()) == 8


@pytest.mark.parametrize(
    ("orientation", "lanes"), [("+", [(1, 1)]), ("-", [(-1, -1)]), ("none", [(1, 1), (-1, -1)])]
)
def test_a_signal_without_validity_is_for_ids_of_its_sign(
    orientation: str, lanes: list[tuple[int, int]]
) -> None:
    """OpenDRIVE means the traffic along s by "+": negative ids where it keeps right."""
    world_map = loaded(two_way(more=signals(signal("206", orientation=orientation))))
    (landmark,) = world_map.get_all_landmarks()
    assert sorted(landmark.get_lane_validities()) == sorted(lanes)


@pytest.mark.parametrize(
    ("kind", "shift_m"),
    [
        *((kind, 0.25) for kind in ("1000001", "1000008", "1000011", "1000012", "1000020", "F")),
        *((kind, 0.0) for kind in ("1000003", "1000099", "206", "274")),
    ],
)
def test_types_of_lights_are_told_by_a_shift(kind: str, shift_m: float) -> None:
    world_map = loaded(two_way(more=signals(signal(kind, s=50.0, t=-9.0))))
    (landmark,) = world_map.get_all_landmarks()
    assert landmark.transform.location.x == pytest.approx(50.0 + shift_m, abs=1e-3)


def test_a_reference_to_a_signal_has_its_own_place_along_the_road() -> None:
    reference = '<signalReference s="20" t="0" id="7" orientation="-"/>'
    world_map = loaded(two_way(more=signals(signal("206", s=50.0, t=-9.0), reference)))
    marks = sorted(world_map.get_all_landmarks(), key=lambda mark: mark.s)
    assert [round(mark.s) for mark in marks] == [20, 50]
    assert [round(mark.transform.location.x) for mark in marks] == [50, 50]


def test_a_signal_beyond_the_road_s_end_is_moved_to_it() -> None:
    world_map = loaded(two_way(more=signals(signal("206", s=500.0))))
    assert [round(mark.s) for mark in world_map.get_all_landmarks()] == [200]


def test_a_signal_before_the_road_s_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"s_position >= 0\.0"):
        loaded(two_way(more=signals(signal("206", s=-1.0))))


def test_objects_with_a_speed_in_their_name_become_signs_in_mph() -> None:
    sign = '<object id="5" name="Speed_30" type="-1" s="50" t="-6" orientation="+"/>'
    (mark,) = loaded(two_way(more=objects(sign))).get_all_landmarks()
    assert (mark.type, mark.value, mark.unit) == ("274", 30.0, "mph")
