"""Which contacts count as a collision, and once or more often."""

from __future__ import annotations

import pytest

from evaluation.scoring.criteria.collision import Collision, kind_of
from evaluation.scoring.tick import CollisionEvent, Kind
from tests.evaluation.scoring.ticks import judge, tick_at

CAR = CollisionEvent(0, 7, "vehicle.audi.tt")
OTHER_CAR = CollisionEvent(0, 8, "vehicle.audi.tt")
WALKER = CollisionEvent(0, 9, "walker.pedestrian.0001")
WALL = CollisionEvent(0, 0, "static.building")


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
    ],
)
def test_counting(places: list[tuple[float, float, CollisionEvent]], count: int) -> None:
    ticks = [tick_at(x_m, time_s=time_s, collisions=(event,)) for time_s, x_m, event in places]
    assert len(judge(Collision(), ticks)) == count


def test_whoever_stands_is_not_to_blame() -> None:
    assert judge(Collision(), [tick_at(0.0, speed_mps=0.05, collisions=(CAR,))]) == []


def test_the_message_names_the_other() -> None:
    (found,) = judge(Collision(), [tick_at(3.0, collisions=(WALKER,))])
    assert found.kind is Kind.COLLISION_PEDESTRIAN
    assert "type=walker.pedestrian.0001 and id=9 at (x=3.0" in found.message
    assert (found.actor_id, found.actor_type) == (9, "walker.pedestrian.0001")
    assert found.place_world_m == (3.0, 1.75, 0.0)
