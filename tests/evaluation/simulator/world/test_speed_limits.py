"""Speed limits: the road's, the last sign's, the town's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import carla
import pytest

from evaluation.simulator.physics.bodies import BodyTable
from evaluation.simulator.physics.vehicle import VehicleFleet, VehicleSpec
from evaluation.simulator.town.limits import StatedLimits
from evaluation.simulator.town.opendrive_records import RoadRecord, SpeedRecord
from evaluation.simulator.town.signal_specs import TrafficSignSpec
from evaluation.simulator.town.town import Town
from evaluation.simulator.wire.codec import BoundingBox, Rotation, Transform, Vector3D
from evaluation.simulator.world.speed_limits import KMH_PER_MPS, LOOK_UP_TICKS, SpeedLimits
from tests.evaluation.simulator.tiny_town import straight_road

CAR = VehicleSpec.for_class("car", (2.4, 0.9, 0.75))


class Waypoint(NamedTuple):
    road_id: int
    section_id: int = 0
    lane_id: int = -1
    s: float = 0.0


class CountingMap:
    """A map of two roads: road 1 up to a border, road 2 behind; nothing beyond x = 900 m."""

    def __init__(self, border_m: float = 100.0) -> None:
        self.look_ups = 0
        self._border_m = border_m

    def get_waypoint(self, location: carla.Location) -> Waypoint | None:
        self.look_ups += 1
        return None if location.x > 900.0 else Waypoint(1 if location.x < self._border_m else 2)


@dataclass(frozen=True)
class SignTown:
    """What SpeedLimits reads of a town."""

    map: Any = field(default_factory=CountingMap)
    traffic_signs: tuple[TrafficSignSpec, ...] = ()
    limits: StatedLimits = field(default_factory=StatedLimits)
    default_speed_limit_mps: float = 30.0 / KMH_PER_MPS


def limits_in(town: SignTown) -> SpeedLimits:
    return SpeedLimits(cast("Town", town))


def road(road_id: int, limit_kmh: float) -> RoadRecord:
    return RoadRecord(road_id, -1, 1000.0, False, (), (SpeedRecord(0.0, limit_kmh / KMH_PER_MPS),))


def sign(x: float, kind: str) -> TrafficSignSpec:
    """A sign for drivers along +x whose pole stands 4 m to their right."""
    return TrafficSignSpec(
        "1",
        kind,
        Transform(Vector3D(x, 4.0, 0.0), Rotation(yaw=90.0)),
        BoundingBox(Vector3D(-4.0, 0.0, 0.5), Vector3D(1.75, 1.0, 1.0)),
    )


def fleet_at(*places: float) -> VehicleFleet:
    fleet = VehicleFleet()
    for actor_id, x in enumerate(places, start=1):
        fleet.add(actor_id, CAR, Transform(Vector3D(x, 0.0, 0.0)))
    return fleet


def kmh(limits: SpeedLimits, fleet: BodyTable) -> list[int]:
    return [round(value) for value in (limits.step(fleet) * KMH_PER_MPS).tolist()]


def test_the_road_decides_at_once_for_new_vehicles_and_soon_for_old_ones() -> None:
    town = SignTown(limits=StatedLimits.of([road(1, 50.0), road(2, 90.0)]))
    limits, fleet = limits_in(town), fleet_at(0.0, 200.0)
    assert kmh(limits, fleet) == [50, 90]
    fleet.teleport(1, Transform(Vector3D(300.0, 0.0, 0.0)))
    for _ in range(LOOK_UP_TICKS):
        seen = kmh(limits, fleet)
    assert seen == [90, 90]


def test_looking_up_is_spread_over_the_ticks_and_places_are_remembered() -> None:
    town = SignTown()
    limits, fleet = limits_in(town), fleet_at(*range(0, 100, 5))
    kmh(limits, fleet)
    town.map.look_ups = 0
    for _ in range(LOOK_UP_TICKS):
        fleet.state["position_m"][:, 0] += 1.0
        before = town.map.look_ups
        kmh(limits, fleet)
        assert town.map.look_ups - before <= 1
    assert 15 <= town.map.look_ups <= 20
    fleet.state["position_m"][:, 0] = 7.0
    before = town.map.look_ups
    for _ in range(LOOK_UP_TICKS):
        kmh(limits, fleet)
    assert town.map.look_ups - before <= 1


def test_without_a_limit_of_the_road_the_last_sign_counts() -> None:
    town = SignTown(
        traffic_signs=(sign(50.0, "traffic.speed_limit.60"), sign(52.0, "traffic.stop"))
    )
    limits, fleet = limits_in(town), fleet_at(0.0, 0.0)
    assert kmh(limits, fleet) == [30, 30]
    fleet.teleport(1, Transform(Vector3D(50.5, 0.0, 0.0)))
    assert kmh(limits, fleet) == [60, 30]
    fleet.teleport(1, Transform(Vector3D(950.0, 0.0, 0.0)))
    for _ in range(LOOK_UP_TICKS):
        seen = kmh(limits, fleet)
    assert seen == [60, 30]


def test_limits_of_removed_vehicles_are_forgotten() -> None:
    limits, fleet = limits_in(SignTown()), fleet_at(*range(10))
    kmh(limits, fleet)
    for actor_id in range(2, 11):
        fleet.remove(actor_id)
    assert kmh(limits, fleet) == [30]
    assert kmh(limits, VehicleFleet()) == []


def test_a_real_map_answers() -> None:
    town = SignTown(
        map=carla.Map("tiny", straight_road("tiny")),
        limits=StatedLimits.of([road(1, 45.0)]),
    )
    assert limits_in(town).at(Vector3D(10.0, 1.75, 0.0)) == pytest.approx(12.5)


def test_what_was_in_the_world_before_makes_no_difference() -> None:
    """The tick at which a vehicle comes is none that others are looked up at."""

    def seen(limits: SpeedLimits, actor_id: int) -> list[int]:
        fleet = VehicleFleet()
        fleet.add(actor_id, CAR, Transform(Vector3D(0.0, 0.0, 0.0)))
        answers = []
        for tick in range(200):
            fleet.teleport(actor_id, Transform(Vector3D(0.99 * tick, 0.0, 0.0)))
            answers += kmh(limits, fleet)
        return answers

    town = SignTown(limits=StatedLimits.of([road(1, 50.0), road(2, 90.0)]))
    used = limits_in(town)
    for _ in range(7):
        used.step(fleet_at(5.0))
    assert seen(used, 9) == seen(limits_in(town), 1)


def test_places_of_one_cell_have_one_limit_whoever_asks_first() -> None:
    town = SignTown(
        map=CountingMap(border_m=100.7), limits=StatedLimits.of([road(1, 50.0), road(2, 90.0)])
    )
    for places in ((100.6, 100.8), (100.8, 100.6)):
        limits = limits_in(town)
        assert [limits.at(Vector3D(x, 0.0, 0.0)) for x in places] == [50.0 / KMH_PER_MPS] * 2
