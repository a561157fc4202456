"""Which contacts count as a collision, and once or more often."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.scoring.criteria.collision import Collision, kind_of
from evaluation.scoring.tick import CollisionEvent, Kind, Tick
from tests.evaluation.scoring.ticks import TICK_S, judge, tick_at

CAR = (7, "vehicle.audi.tt")
OTHER_CAR = (8, "vehicle.audi.tt")
WALKER = (9, "walker.pedestrian.0001")
WALL = (0, "static.building")
SIDEWALK = (0, "static.sidewalk")
Thing = tuple[int, str]


def hit(thing: Thing, frame: int) -> tuple[CollisionEvent, ...]:
    return (CollisionEvent(frame, *thing),)


def slowing_down(speeds_mps: list[float], thing: Thing, impact: int, told: int) -> list[Tick]:
    """Ticks at these speeds. impact: index of the one that ended with an impact; told: of the one
    that its report came with."""
    return [
        tick_at(
            0.0,
            time_s=TICK_S * index,
            speed_mps=speed_mps,
            collisions=hit(thing, impact) if index == told else (),
        )
        for index, speed_mps in enumerate(speeds_mps)
    ]


@pytest.mark.parametrize(
    ("type_id", "kind"),
    [
        ("vehicle.audi.tt", Kind.COLLISION_VEHICLE),
        ("walker.pedestrian.0001", Kind.COLLISION_PEDESTRIAN),
        ("static.building", Kind.COLLISION_LAYOUT),
        ("traffic.traffic_light", Kind.COLLISION_LAYOUT),
        ("static.sidewalk", None),
        ("sensor.camera.rgb", None),
    ],
)
def test_kinds(type_id: str, kind: Kind | None) -> None:
    assert kind_of(type_id) is kind


@pytest.mark.parametrize(
    ("places", "count"),
    [
        pytest.param([(0.0, 0.0, CAR), (0.1, 0.1, CAR)], 1, id="same crash"),
        pytest.param([(0.0, 0.0, CAR), (0.1, 0.1, WALL)], 1, id="another thing at the same place"),
        pytest.param([(0.0, 0.0, CAR), (1.0, 6.0, CAR)], 1, id="same car within 5 s"),
        pytest.param([(0.0, 0.0, CAR), (1.0, 6.0, OTHER_CAR)], 2, id="another car farther on"),
        pytest.param([(0.0, 0.0, CAR), (5.5, 6.0, CAR)], 2, id="same car later and farther on"),
        pytest.param([(0.0, 0.0, CAR), (9.0, 4.0, OTHER_CAR)], 1, id="same place, much later"),
        pytest.param([(0.0, 0.0, WALL), (1.0, 6.0, WALL)], 2, id="scenery has no identity"),
        pytest.param(
            [(0.0, 0.0, CAR), (1.0, 6.0, WALL), (2.0, 12.0, CAR), (5.5, 18.0, CAR)],
            2,
            id="a wall between does not make the car another, and its 5 s begin anew",
        ),
        pytest.param(
            [(0.0, 0.0, CAR), (1.0, 6.0, OTHER_CAR), (2.0, 12.0, CAR)],
            3,
            id="only the last car is remembered",
        ),
        pytest.param([(0.0, 0.0, SIDEWALK), (0.5, 4.0, CAR)], 0, id="right after a sidewalk"),
        pytest.param([(0.0, 0.0, SIDEWALK), (0.5, 6.0, CAR)], 1, id="5 m behind a sidewalk"),
    ],
)
def test_counting(places: list[tuple[float, float, Thing]], count: int) -> None:
    ticks = []
    for time_s, x_m, thing in places:
        before = tick_at(x_m, time_s=time_s)
        frame = before.frame + 1
        after = tick_at(x_m, time_s=time_s + TICK_S, collisions=hit(thing, frame))
        ticks += [before, after]
    assert len(judge(Collision(), ticks)) == count


@pytest.mark.parametrize(
    ("speeds_mps", "count"),
    [
        pytest.param([0.7, 0.0], 1, id="a pole stops a slow car"),
        pytest.param([0.1, 0.0], 1, id="just moving"),
        pytest.param([0.09, 0.0], 0, id="standing"),
        pytest.param([0.05, 3.0], 0, id="whoever stands and is pushed on is not to blame"),
    ],
)
@pytest.mark.parametrize("delay", [0, 2])
def test_the_speed_before_the_impact_counts(
    speeds_mps: list[float], count: int, delay: int
) -> None:
    speeds_mps = [speeds_mps[0], *speeds_mps, *speeds_mps[1:] * delay]
    ticks = slowing_down(speeds_mps, WALL, impact=2, told=2 + delay)
    assert len(judge(Collision(), ticks)) == count


def test_falling_is_not_driving() -> None:
    falling = np.array([0.0, 0.0, -3.0])
    ticks = [
        tick_at(0.0, velocity_world_mps=falling),
        tick_at(0.0, time_s=TICK_S, velocity_world_mps=falling, collisions=hit(WALL, 1)),
    ]
    assert judge(Collision(), ticks) == []


def test_the_infraction_tells_what_was_hit_when_and_where() -> None:
    ticks = [tick_at(3.0), tick_at(3.5, time_s=TICK_S, collisions=hit(WALKER, 1))]
    (found,) = judge(Collision(), ticks)
    assert found.kind is Kind.COLLISION_PEDESTRIAN
    assert "type=walker.pedestrian.0001 and id=9 at (x=3.0" in found.message
    assert (found.actor_id, found.actor_type) == WALKER
    assert found.place_world_m == (3.0, 1.75, 0.0)
    assert found.frame == 1
