"""Red lights, stop signs and lanes, on a small map."""

from __future__ import annotations

import math
from types import SimpleNamespace

import carla
import numpy as np
import pytest

from evaluation.scoring.criteria.outside_lanes import OutsideLanes, metres_in
from evaluation.scoring.criteria.red_light import RedLight, find_lights, segments_cross
from evaluation.scoring.criteria.stop_sign import Stop, find_stop_signs
from evaluation.scoring.tick import Kind
from tests.evaluation.scoring.roads import crossing_map, straight_map, straight_route
from tests.evaluation.scoring.ticks import along_x, judge, tick_at

LIGHT_ID = 5
STOP_LINE_M = 150.0
"""Where the western arm of the crossing meets its junction."""


class FakeSignal(SimpleNamespace):
    """An actor with a trigger volume in front of the western arm's stop line."""

    def get_transform(self) -> carla.Transform:
        return carla.Transform(carla.Location(152.0, 6.0, 0.0), carla.Rotation(yaw=90.0))


def signal(type_id: str, across_m: float = 1.5, along_m: float = 1.0) -> FakeSignal:
    # In the actor's frame x runs across the lane; the box lies on the lane at x = 144.
    box = carla.BoundingBox(carla.Location(-4.25, 8.0, 0.0), carla.Vector3D(across_m, along_m, 1.0))
    return FakeSignal(id=LIGHT_ID, type_id=type_id, trigger_volume=box)


@pytest.fixture
def red_light() -> RedLight:
    lights = find_lights([signal("traffic.traffic_light")], crossing_map())
    return RedLight(lights, crossing_map())


def test_the_stop_line_is_where_the_lane_ends() -> None:
    (light,) = find_lights([signal("traffic.traffic_light")], crossing_map())
    (line,) = light.lines
    assert line.ends_world_m[:, 0] == pytest.approx([STOP_LINE_M] * 2, abs=0.6)
    assert np.ptp(line.ends_world_m[:, 1]) == pytest.approx(2 * 0.6 * 3.5)
    np.testing.assert_allclose(line.direction, (1.0, 0.0), atol=1e-6)


def test_crossing_the_line_at_red_counts_once(red_light: RedLight) -> None:
    found = judge(red_light, along_x(120.0, 170.0, red_light_ids=frozenset({LIGHT_ID})))
    assert [infraction.kind for infraction in found] == [Kind.RED_LIGHT]
    assert f"light {LIGHT_ID} at (x=152.0, y=6.0" in found[0].message
    assert (found[0].actor_id, found[0].place_world_m) == (LIGHT_ID, (152.0, 6.0, 0.0))


@pytest.mark.parametrize(
    "ticks",
    [
        pytest.param(along_x(120.0, 170.0), id="green"),
        pytest.param(
            along_x(120.0, 146.0, red_light_ids=frozenset({LIGHT_ID})), id="stopped at the line"
        ),
        pytest.param(
            along_x(170.0, 120.0, y_m=-1.75, yaw_rad=math.pi, red_light_ids=frozenset({LIGHT_ID})),
            id="the other direction",
        ),
    ],
)
def test_no_red_light_is_run(red_light: RedLight, ticks: list) -> None:  # type: ignore[type-arg]
    assert judge(red_light, ticks) == []


@pytest.mark.parametrize(
    ("first", "second", "crosses"),
    [
        (((0, 0), (2, 0)), ((1, -1), (1, 1)), True),
        (((0, 0), (2, 0)), ((3, -1), (3, 1)), False),
        (((0, 0), (2, 0)), ((1, 0.5), (1, 1)), False),
        (((0, 0), (2, 0)), ((2, 0), (2, 1)), True),
    ],
)
def test_segments(first: tuple, second: tuple, crosses: bool) -> None:  # type: ignore[type-arg]
    assert segments_cross(np.array(first, float), np.array(second, float)) is crosses


@pytest.fixture
def stop() -> Stop:
    return Stop(find_stop_signs([signal("traffic.stop")]), crossing_map())


def test_passing_a_stop_sign_without_stopping(stop: Stop) -> None:
    found = judge(stop, along_x(120.0, 160.0))
    assert [infraction.kind for infraction in found] == [Kind.STOP]
    assert (found[0].actor_id, found[0].place_world_m) == (LIGHT_ID, (152.0, 6.0, 0.0))


def test_stopping_in_the_box_is_enough(stop: Stop) -> None:
    halt = [tick_at(142.0, speed_mps=0.05)]
    ticks = [*along_x(120.0, 142.0), *halt, *along_x(142.0, 160.0)]
    assert judge(stop, ticks) == []


def test_stopping_long_before_the_box_is_not_enough(stop: Stop) -> None:
    halt = [tick_at(130.0, speed_mps=0.0)]
    ticks = [*along_x(120.0, 130.0), *halt, *along_x(130.0, 160.0)]
    assert len(judge(stop, ticks)) == 1


def test_a_stop_sign_does_not_rule_the_other_direction(stop: Stop) -> None:
    assert judge(stop, along_x(160.0, 120.0, y_m=-1.75, yaw_rad=math.pi)) == []


def test_a_box_is_not_turned_with_its_sign_as_in_scenario_runner() -> None:
    (sign,) = find_stop_signs([signal("traffic.stop", across_m=3.0, along_m=0.5)])
    centre_m = sign.centre_world_m[:2]
    assert sign.covers(centre_m[None] + [[3.0, 0.0]])
    assert not sign.covers(centre_m[None] + [[0.0, 3.0]])


def outside(y_m: float, yaw_rad: float = 0.0) -> OutsideLanes:
    criterion = OutsideLanes(straight_route(100.0), straight_map())
    judge(criterion, along_x(10.0, 60.0, y_m=y_m, yaw_rad=yaw_rad))
    return criterion


@pytest.mark.parametrize(
    ("y_m", "is_outside"), [(1.75, False), (7.4, False), (7.6, True), (12.0, True)]
)
def test_half_a_metre_beyond_the_edge_is_outside(y_m: float, is_outside: bool) -> None:
    criterion = outside(y_m)
    assert (criterion.percent > 90.0) is is_outside
    assert criterion.events == int(is_outside)


def test_changing_into_the_opposite_lane_is_outside() -> None:
    criterion = OutsideLanes(straight_route(100.0), straight_map())
    own, wrong = along_x(10.0, 60.0), along_x(60.0, 85.0, y_m=-1.75)
    (found,) = judge(criterion, [*own, *wrong, *along_x(85.0, 110.0)])
    assert found.kind is Kind.OUTSIDE_LANES
    assert found.percent == pytest.approx(25.0, abs=2.0)
    assert criterion.events == 1
    assert found.outside_m == pytest.approx(25.0, abs=2.0)
    assert metres_in(found.message) == pytest.approx(found.outside_m, abs=1e-3)


def test_the_official_evaluator_finds_the_metres_at_the_ninth_word() -> None:
    criterion = OutsideLanes(straight_route(100.0), straight_map())
    (found,) = judge(criterion, along_x(10.0, 60.0, y_m=12.0))
    assert float(found.message.split(" ")[8]) == metres_in(found.message)


@pytest.mark.parametrize(
    ("message", "metres"),
    [
        ("Agent went outside its route lanes for about 25.125 meters (1.5% of the route)", 25.125),
        ("Agent  went outside its lanes for about 12 meters", 12.0),
        ("The ego left its route for about 1e-03 meters.", 0.001),
    ],
)
def test_metres_are_read_from_foreign_sentences(message: str, metres: float) -> None:
    assert metres_in(message) == metres


@pytest.mark.parametrize(
    "message", ["", "Agent left its lanes", "for about many meters", "for about e meters"]
)
def test_a_sentence_without_metres_is_refused(message: str) -> None:
    with pytest.raises(ValueError, match=r"metres|float"):
        metres_in(message)


def test_changing_lanes_within_a_direction_is_allowed() -> None:
    criterion = OutsideLanes(straight_route(100.0), straight_map())
    assert judge(criterion, [*along_x(10.0, 60.0), *along_x(60.0, 110.0, y_m=5.25)]) == []
