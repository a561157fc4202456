"""One reader of OpenDRIVE: what it understands, mends and refuses. No test gives carla.Map a
document that the reader would have refused."""

from __future__ import annotations

import math
from pathlib import Path

import carla
import pytest

from evaluation.simulator.town.limits import StatedLimits
from evaluation.simulator.town.opendrive_file import (
    OpenDriveFile,
    read_opendrive,
    read_opendrive_file,
)
from evaluation.simulator.town.opendrive_records import OpenDriveError
from tests.evaluation.simulator.town.small_maps import (
    document,
    lane,
    linked,
    road,
    section,
    signal,
    two_way,
)


def read(text: str) -> OpenDriveFile:
    return read_opendrive(text.encode(), "small.xodr")


def places(text: str, lane_id: int, *s_m: float) -> list[carla.Location]:
    """Where carla.Map puts a lane of road 1 of a document that was read."""
    world_map = carla.Map("small", read(text).text)
    return [world_map.get_waypoint_xodr(1, lane_id, s).transform.location for s in s_m]


def test_what_needs_no_mending_stays_as_it_is() -> None:
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<!-- kept -->' + two_way()
    found = read(text)
    assert found.text == text
    assert found.notices == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_the_declared_encoding_counts(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>' + two_way().replace(
        'name="small"', 'name="Münster"'
    )
    found = read_opendrive(text.encode(encoding), "small.xodr")
    assert "Münster" in found.text
    assert carla.Map("small", found.text).get_waypoint_xodr(1, -1, 5.0) is not None


@pytest.mark.parametrize("root", ["OpenDRIVE xmlns", "o:OpenDRIVE xmlns:o"])
def test_namespaces_are_taken_off(root: str) -> None:
    prefix = "o:" if root.startswith("o:") else ""
    text = two_way().replace("</", f"</{prefix}").replace("<", f"<{prefix}")
    text = text.replace(f"<{prefix}/{prefix}", f"</{prefix}")
    text = text.replace(f"<{prefix}OpenDRIVE>", f'<{root}="http://code.asam.net/x">')
    found = read(text)
    assert [road.road_id for road in found.roads] == [1]
    assert carla.Map("small", found.text).get_waypoint_xodr(1, -1, 5.0) is not None


def test_no_external_entity_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("1")
    text = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{tmp_path}/secret">]>' + two_way().replace(
        'name="small"/>', 'name="small">&e;</header>'
    )
    with pytest.raises(OpenDriveError, match="not valid XML"):
        read(text)


@pytest.mark.parametrize(
    ("shape", "end_x_m", "end_y_m"),
    [
        ('<arc curvature="0"/>', 190.0, 0.0),
        ('<arc curvature="-0.0"/>', 190.0, 0.0),
        ('<spiral curvStart="0" curvEnd="0"/>', 190.0, 0.0),
        ('<spiral curvStart="0.01" curvEnd="0.01"/>', 94.63, -132.33),
        ('<spiral curvStart="0.01" curvEnd="0.01000000000001"/>', 94.63, -132.33),
        ('<userData/><arc curvature="0.01"/>', 94.63, -132.33),
    ],
)
def test_shapes_that_the_wheel_cannot_evaluate(shape: str, end_x_m: float, end_y_m: float) -> None:
    (place,) = places(two_way(shape=shape), 1, 190.0)
    off_m = math.hypot(place.x - end_x_m, place.y - end_y_m)
    assert off_m == pytest.approx(1.75, abs=0.02)  # half a lane


def test_a_clothoid_stays_a_clothoid() -> None:
    text = two_way(shape='<spiral curvStart="0" curvEnd="0.01"/>')
    assert read(text).text == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (two_way(road_id="north_street"), "road north_street: the road id 'north_street' is no"),
        (two_way(road_id=2**32 + 3), "road 4294967299: the road id 4294967299 is not between"),
        (two_way().replace('id="-1" type', 'id="left" type'), "road 1, lane left: the lane id"),
        (two_way(length_m=0.0), "road 1: length 0 m is not above 0"),
        (two_way(length_m=1e12), "road 1: length 1e\\+12 m is not above 0 and up to"),
        (two_way(shape=""), "road 1, <geometry> at s=0: has none of line, spiral"),
        (two_way(shape='<arc curvature="nan"/>'), "road 1, <geometry> at s=0: <arc> has curv"),
        (two_way().replace('a="3.5"', 'a="wide"'), "road 1: <width> has a='wide', which is no"),
        (two_way().replace('sOffset="0" a="3.5"', 'sOffset="5" a="3.5"'), "road 1, lane 1: its f"),
        (document(road(section(lane(2), lane(-1)))), r"section 0: the lane ids \[-1, 0, 2\] have"),
        (document(road(section(lane(1) + lane(1)))), "road 1, section 0: a lane id is used more"),
        (document(road("")), "road 1: has no <laneSection>"),
        (document(road(section("", lane(-1), s=3.0))), "road 1: its lane sections do not follow"),
        (document(road(section("", lane(-1))), road(section("", lane(-1)))), "used more than once"),
        (document(road(section("", lane(-1, "offRamp")))), "no driving lane; its lanes are of th"),
        (two_way(more=f"<signals>{signal('274', s=-1.0)}</signals>"), "signal 7: s is below 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(OpenDriveError, match=f"^small.xodr: .*{message}"):
        read(text)


@pytest.mark.parametrize(
    ("junction", "message"),
    [
        (
            '<connection id="0" incomingRoad="1" linkedRoad="1" contactPoint="start"/>',
            "junction 9, connection 0: belongs to a direct junction",
        ),
        (
            '<connection id="0" incomingRoad="1" connectingRoad="77" contactPoint="start"/>',
            "junction 9, connection 0: connectingRoad 77 is not there",
        ),
    ],
)
def test_junctions_that_the_wheel_does_not_know(junction: str, message: str) -> None:
    with pytest.raises(OpenDriveError, match=message):
        read(document(road(section("", lane(-1))), f'<junction id="9">{junction}</junction>'))


def test_links_to_lanes_that_are_not_there_are_left_out() -> None:
    text = document(
        road(
            section("", linked(-1, after=-1)) + section("", linked(-1, before=-1, after=-9), s=100),
            link='<successor elementType="road" elementId="2" contactPoint="start"/>',
        ),
        road(section("", linked(-1, before=-1)), 2, 200.0,
             link='<predecessor elementType="road" elementId="1" contactPoint="end"/>'),
    )  # fmt: skip
    found = read(text)
    assert found.notices == (
        "road 1, section 1, lane -1: its successor -9 is not there; link left out",
    )
    assert found.roads[0].sections[1].lanes[-1].successor is None


def test_a_lane_whose_link_across_sections_is_missing_goes_on() -> None:
    text = document(road(section("", linked(-1)) + section("", linked(-1), s=100)))
    found = read(text)
    assert found.notices == ("road 1, sections 0 and 1: lane -1 is linked to itself across them",)
    after = carla.Map("small", found.text).get_waypoint_xodr(1, -1, 95.0).next(10.0)
    assert [round(point.s) for point in after] == [105]


def test_a_lane_that_ends_beside_the_one_that_goes_on_is_not_linked() -> None:
    sections = section("", linked(-1, after=-1) + linked(-2)) + section(
        "", linked(-1, before=-1), s=99
    )
    assert read(document(road(sections))).notices == ()


def test_sections_without_length_are_left_out() -> None:
    sections = (
        section("", linked(-1, after=-1))
        + section("", linked(-1, before=-1, after=-1), s=100.0)
        + section("", linked(-1, before=-1), s=100.0)
    )
    found = read(document(road(sections)))
    assert [(part.start_m, part.end_m) for part in found.roads[0].sections] == [
        (0, 100),
        (100, 200),
    ]
    assert len(carla.Map("small", found.text).generate_waypoints(10.0)) == 20


def test_an_offset_that_begins_later_is_zero_before() -> None:
    offset = '<laneOffset s="50" a="1" b="0" c="0" d="0"/>'
    before, after = places(document(road(section("", lane(-1)), offset=offset)), -1, 10.0, 60.0)
    assert (before.y, after.y) == (pytest.approx(1.75), pytest.approx(0.75))


def test_a_junction_gets_an_id_that_no_road_has() -> None:
    text = document(
        road(section("", linked(-1)), link='<successor elementType="junction" elementId="3"/>'),
        road(section("", linked(-1, -1, -1)), 2, 200.0, 20.0, junction=3,
             link='<predecessor elementType="road" elementId="1" contactPoint="end"/>'
                  '<successor elementType="road" elementId="3" contactPoint="start"/>'),
        road(section("", linked(-1)), 3, 220.0,
             link='<predecessor elementType="junction" elementId="3"/>'),
        '<junction id="3"><connection id="a" incomingRoad="1" connectingRoad="2" '
        'contactPoint="start"><laneLink from="-1" to="-1"/></connection></junction>',
    )  # fmt: skip
    found = read(text)
    assert found.notices == (
        "junction 3: a road has the same id; known as junction 100000",
        "junction 100000: its connections are numbered anew",
    )
    start = carla.Map("small", found.text).get_waypoint_xodr(1, -1, 195.0)
    assert [point.road_id for point in start.next(10.0)] == [2]
    assert [point.road_id for point in start.next(40.0)] == [3]


def test_references_to_signals_that_are_not_there_are_left_out() -> None:
    text = document(
        road(section("", lane(-1)),
             more='<signals><signalReference s="1" t="0" id="8" orientation="+"/></signals>'),
        '<controller id="1"><control signalId="8"/></controller>',
        '<junction id="9"><controller id="2"/></junction>',
    )  # fmt: skip
    found = read(text)
    assert found.signals == ()
    assert len(found.notices) == 3
    assert carla.Map("small", found.text).get_all_landmarks() == []


def test_lane_types_of_newer_documents_are_known_by_their_older_names() -> None:
    text = document(road(section("", lane(-1) + lane(-2, "walking"))))
    world_map = carla.Map("small", read(text).text)
    assert world_map.get_waypoint_xodr(1, -2, 9.0).lane_type == carla.LaneType.Sidewalk


CORNERS = ((-2.0, -4.0), (-2.0, 4.0), (2.0, 4.0), (2.0, -4.0))


def crosswalk(outline: str) -> str:
    return (
        '<object id="1" type="crosswalk" s="60" t="0" hdg="0" length="4" width="8">'
        f"{outline}</object>"
    )


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_every_crosswalk_is_known_and_closed(closed: bool, wrapped: bool) -> None:
    corners = "".join(
        f'<cornerLocal u="{u}" v="{v}" z="0"/>' for u, v in (*CORNERS, *CORNERS[: int(closed)])
    )
    outline = f"<outline>{corners}</outline>"
    one = crosswalk(f"<outlines>{outline}</outlines>" if wrapped else outline)
    objects = f"<objects>{one}{one.replace('s=', 's=').replace('60', '120')}</objects>"
    points = carla.Map("small", read(two_way(more=objects)).text).get_crosswalks()
    assert len(points) == 10
    for ring in (points[:5], points[5:]):
        assert ring[0].distance(ring[-1]) < 1e-3


def test_a_crosswalk_without_outline_gets_one_of_its_own() -> None:
    found = read(two_way(more=f"<objects>{crosswalk('')}</objects>"))
    points = carla.Map("small", found.text).get_crosswalks()
    assert sorted({round(abs(point.y)) for point in points}) == [4]


def test_limits_count_from_their_place_and_lanes_before_roads() -> None:
    types = (
        '<type s="0" type="town"><speed max="50" unit="km/h"/></type>'
        '<type s="100" type="rural"><speed max="62.137" unit="mph"/></type>'
        '<type s="150" type="rural"><speed max="no limit"/></type>'
    )
    own = '<speed sOffset="20" max="10"/>'
    text = document(road(section(lane(1), lane(-1, more=own)), types=types))
    limits = StatedLimits.of(read(text).roads)

    def kmh(lane_id: int, s_m: float) -> int | None:
        limit = limits.at_mps(1, 0, lane_id, s_m)
        return None if limit is None else round(limit * 3.6)

    assert [kmh(1, s) for s in (0.0, 99.9, 100.0, 149.0, 150.0)] == [50, 50, 100, 100, None]
    assert [kmh(-1, s) for s in (19.0, 20.0, 120.0)] == [50, 36, 36]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.xodr").touch()
    with pytest.raises(OpenDriveError, match=r"empty\.xodr: the file is empty"):
        read_opendrive_file(tmp_path / "empty.xodr")
    with pytest.raises(OpenDriveError, match="cannot be read"):
        read_opendrive_file(tmp_path)
