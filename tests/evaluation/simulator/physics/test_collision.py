"""Contacts: found where boxes overlap, answered without creating energy, forgotten when apart."""

from __future__ import annotations

from math import radians

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely import Point, affinity
from shapely import box as shapely_box

from evaluation.simulator.physics.bodies import BodyTable
from evaluation.simulator.physics.collision import CollisionDetector, Contact
from evaluation.simulator.physics.collision.geometry import Boxes, find_touches, near_pairs
from evaluation.simulator.physics.props import PropShelf
from evaluation.simulator.physics.vehicle import VehicleFleet, VehicleSpec
from evaluation.simulator.physics.walker import WalkerCrowd
from evaluation.simulator.town.scenery import StaticBoxes
from evaluation.simulator.wire.codec import (
    BoundingBox,
    Rotation,
    Transform,
    Vector3D,
    VehicleControl,
)
from tests.examples import examples

Floats = NDArray[np.float64]

TICK_S = 0.05
CAR = VehicleSpec.for_class("car", (2.445, 0.92, 0.745))
BUS = VehicleSpec.for_class("bus", (5.0, 1.3, 1.6))
WALKER_HALF_M = (0.19, 0.25, 0.9)
CONE = BoundingBox(Vector3D(0.0, 0.0, 0.35), Vector3D(0.2, 0.2, 0.35))
WALL_X_M = 50.0


def level(xy: Floats, _near_z: Floats) -> Floats:
    return np.zeros(len(xy))


def statics(
    *boxes: tuple[tuple[float, float, float], tuple[float, float, float], int],
) -> StaticBoxes:
    """Boxes as (centre, half extent, tag) without yaw."""
    return StaticBoxes(
        np.array([item[0] for item in boxes], np.float32).reshape(-1, 3),
        np.array([item[1] for item in boxes], np.float32).reshape(-1, 3),
        np.zeros(len(boxes), np.float32),
        np.array([item[2] for item in boxes], np.uint8),
    )


WALL = statics(((WALL_X_M + 5.0, 0.0, 5.0), (5.0, 20.0, 5.0), 3))
NOTHING = statics()


class Street:
    """Vehicles, walkers and props with a detector."""

    def __init__(self, static: StaticBoxes = NOTHING) -> None:
        self.detector = CollisionDetector(static)
        self.fleet, self.crowd, self.props = VehicleFleet(), WalkerCrowd(), PropShelf()

    @property
    def tables(self) -> tuple[BodyTable, ...]:
        return self.fleet, self.crowd, self.props

    def car(
        self,
        actor_id: int,
        x: float,
        y: float = 0.0,
        yaw: float = 0.0,
        speed: float = 0.0,
        spec: VehicleSpec = CAR,
    ) -> None:
        self.fleet.add(actor_id, spec, Transform(Vector3D(x, y, 0.0), Rotation(yaw=yaw)))
        heading = radians(yaw)
        self.fleet.set_velocity(
            actor_id, Vector3D(speed * np.cos(heading), speed * np.sin(heading), 0.0)
        )

    def run(self, seconds: float) -> list[Contact]:
        contacts = []
        for _ in range(round(seconds / TICK_S)):
            self.fleet.step(TICK_S, level)
            self.crowd.step(TICK_S, level)
            self.props.step(TICK_S)
            contacts += self.detector.step(self.tables)
        return contacts

    def energy(self) -> float:
        total = 0.0
        for table in self.tables:
            state = table.state
            speed2 = (state["velocity_mps"][:, :2] ** 2).sum(axis=1)
            spin2 = state["yaw_inertia_kgm2"] * state["yaw_rate_radps"] ** 2
            total += 0.5 * float((state["mass_kg"] * speed2 + spin2).sum())
        return total

    def momentum(self) -> Floats:
        state = self.fleet.state
        total: Floats = (state["mass_kg"][:, None] * state["velocity_mps"]).sum(axis=0)[:2]
        return total

    def place(self, actor_id: int) -> Floats:
        place: Floats = self.fleet.state["position_m"][self.fleet.row(actor_id)].copy()
        return place

    def velocity(self, actor_id: int) -> Floats:
        velocity: Floats = self.fleet.state["velocity_mps"][self.fleet.row(actor_id)].copy()
        return velocity

    def deepest_overlap_m(self) -> float:
        state = self.fleet.state
        first, second = np.triu_indices(len(state), 1)
        centre = state["position_m"].copy()
        centre[:, 2] += state["centre_z_m"]
        boxes = Boxes.of(centre, state["half_extent_m"], state["yaw_rad"])
        touches = find_touches(
            boxes.take(first), boxes.take(second), np.zeros(len(first), np.complex128)
        )
        return float(touches.depth_m.max(initial=0.0))


# Geometry

angles = st.floats(-np.pi, np.pi)
offsets = st.floats(-5.0, 5.0)
halves = st.floats(0.1, 3.0)


@examples(60)
@given(offsets, offsets, angles, angles, halves, halves, halves, halves)
@example(0.0, 2.875, -1.5, 2.875, 0.125, 3.0, 3.0, 2.25)
def test_boxes_touch_exactly_where_shapely_says_so(
    x: float, y: float, yaw_a: float, yaw_b: float, la: float, wa: float, lb: float, wb: float
) -> None:
    half = np.array([[la, wa, 1.0], [lb, wb, 1.0]])
    boxes = Boxes.of(np.array([[0.0, 0.0, 0.0], [x, y, 0.0]]), half, np.array([yaw_a, yaw_b]))
    one, two = np.array([0]), np.array([1])
    touches = find_touches(boxes.take(one), boxes.take(two), np.zeros(1, np.complex128))
    shapes = [
        affinity.translate(
            affinity.rotate(shapely_box(-lx, -ly, lx, ly), yaw, (0, 0), use_radians=True), *at
        )
        for (lx, ly, _), yaw, at in zip(half, (yaw_a, yaw_b), ((0, 0), (x, y)), strict=True)
    ]
    shared = shapes[0].intersection(shapes[1])
    if shared.area > 1e-6:
        assert len(touches.pair) == 1
        normal = complex(touches.normal[0])
        assert abs(normal) == pytest.approx(1.0)
        # Moving the second box by the depth along the normal takes them apart.
        way = normal * (float(touches.depth_m[0]) + 1e-6)
        apart = affinity.translate(shapes[1], way.real, way.imag)
        assert shapes[0].intersection(apart).area < 1e-6
        point = complex(touches.point_m[0])
        assert shared.distance(Point(point.real, point.imag)) < 2.0
    elif shapes[0].distance(shapes[1]) > 1e-6:
        assert len(touches.pair) == 0


def test_a_bridge_does_not_touch_what_drives_below() -> None:
    boxes = Boxes.of(
        np.array([[0.0, 0.0, 0.75], [0.5, 0.2, 6.75], [0.0, 0.0, 1.4]]),
        np.array([[2.0, 1.0, 0.75]] * 3),
        np.zeros(3),
    )
    lower, upper, overlapping = np.array([0]), np.array([1]), np.array([2])
    still = np.zeros(1, np.complex128)
    assert not len(find_touches(boxes.take(lower), boxes.take(upper), still).pair)
    assert len(find_touches(boxes.take(lower), boxes.take(overlapping), still).pair)


@examples(25)
@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.1, 8.0)), max_size=30)
)
def test_the_sweep_finds_exactly_the_overlapping_circles(
    circles: list[tuple[float, float, float]],
) -> None:
    data = np.array(circles).reshape(-1, 3)
    middle, radius = data[:, 0] + 1j * data[:, 1], data[:, 2]
    found = near_pairs(middle, radius)
    expected = {
        (i, j)
        for i in range(len(data))
        for j in range(i + 1, len(data))
        if abs(middle[i] - middle[j]) < radius[i] + radius[j]
    }
    pairs = list(zip(*(side.tolist() for side in found), strict=True))
    assert set(pairs) == expected
    assert len(pairs) == len(expected)


# Two bodies


def test_a_rear_end_crash_shares_the_momentum_and_is_recorded() -> None:
    street = Street()
    street.car(1, 0.0, speed=10.0)
    street.car(2, 7.0)
    contacts: list[Contact] = []
    while not contacts:
        before, closing_mps = street.momentum(), street.velocity(1)[0]
        contacts = street.run(TICK_S)
    assert len(contacts) == 1
    crash = contacts[0]
    assert (crash.actor_id, crash.other_id, crash.static_tag) == (1, 2, 0)
    np.testing.assert_allclose(crash.normal, (1.0, 0.0), atol=1e-6)
    # Nearly plastic between equal masses: half of the closing speed goes over.
    assert crash.impulse_ns == pytest.approx(CAR.mass_kg * 0.5 * 1.1 * closing_mps, rel=0.03)
    np.testing.assert_allclose(street.momentum(), before, rtol=0.02, atol=1e-6)
    assert 0.0 < street.velocity(1)[0] < street.velocity(2)[0]
    assert crash.point_m[0] == pytest.approx(street.place(1)[0] + 2.445, abs=0.4)


def test_a_crash_head_on_at_speed_goes_along_the_road_not_across() -> None:
    street = Street()
    street.car(1, 0.0, speed=25.0)
    street.car(2, 30.0, yaw=180.0, speed=25.0)
    contacts = street.run(1.5)
    assert abs(contacts[0].normal[0]) > 0.99
    assert np.abs(street.fleet.state["velocity_mps"]).max() < 3.0
    assert street.deepest_overlap_m() < 0.05


def test_a_crash_off_centre_spins_both_the_same_way() -> None:
    street = Street()
    street.car(1, 0.0, speed=12.0)
    street.car(2, 6.0, y=1.2)
    contacts: list[Contact] = []
    while not contacts:
        contacts = street.run(TICK_S)
    spins = street.fleet.state["yaw_rate_radps"]
    # The hit comes from behind left of the second car and stops the right front of the first.
    assert spins[0] > 0.1
    assert spins[1] > 0.1


@pytest.mark.parametrize("yaw", [0.0, 30.0, -75.0, 140.0])
def test_the_crash_does_not_depend_on_the_compass(yaw: float) -> None:
    def speeds(turn_deg: float) -> Floats:
        street = Street()
        turn = radians(turn_deg)
        street.car(1, 0.0, yaw=turn_deg, speed=12.0)
        ahead, aside = 7.0, 0.6
        x = ahead * np.cos(turn) - aside * np.sin(turn)
        y = ahead * np.sin(turn) + aside * np.cos(turn)
        street.car(2, x, y, yaw=turn_deg + 20.0)
        street.run(1.0)
        lengths: Floats = np.linalg.norm(street.fleet.state["velocity_mps"], axis=1)
        return lengths

    np.testing.assert_allclose(speeds(yaw), speeds(0.0), atol=1e-6)


def test_a_car_stops_at_a_wall_and_stays_in_front_of_it() -> None:
    street = Street(WALL)
    street.car(1, WALL_X_M - 10.0, speed=15.0)
    street.fleet.set_control(1, VehicleControl(throttle=1.0))
    contacts = street.run(3.0)
    assert contacts[0].static_tag == 3
    assert contacts[0].other_id == 0
    assert contacts[0].impulse_ns > CAR.mass_kg * 10.0
    assert street.place(1)[0] + 2.445 < WALL_X_M + 0.06
    assert abs(street.velocity(1)[0]) < 0.7


def test_a_pole_is_hit_but_its_neighbourhood_is_not() -> None:
    pole = statics(((30.0, 0.0, 2.0), (0.1, 0.1, 2.0), 6))
    street = Street(pole)
    street.car(1, 20.0, y=0.3, speed=15.0)
    street.car(2, 20.0, y=6.0, speed=15.0)
    contacts = street.run(1.5)
    assert {(c.actor_id, c.static_tag) for c in contacts} == {(1, 6)}
    assert street.place(2)[0] > 35.0


def test_a_walker_is_thrown_and_the_car_hardly_slows() -> None:
    street = Street()
    street.car(1, 0.0, speed=10.0)
    street.crowd.add(3, WALKER_HALF_M, Transform(Vector3D(6.0, 0.0, 0.9)))
    contacts = street.run(0.5)
    assert (contacts[0].actor_id, contacts[0].other_id) == (1, 3)
    assert street.crowd.state["velocity_mps"][0, 0] > 5.0
    assert street.crowd.state["down_left_s"][0] > 0.0
    assert street.velocity(1)[0] > 8.0
    street.fleet.set_control(1, VehicleControl(brake=1.0))
    street.run(4.0)
    assert np.abs(street.crowd.state["velocity_mps"]).max() < 0.01
    assert street.crowd.state["position_m"][0, 0] > street.place(1)[0] + 2.4


def test_a_fixed_prop_stops_a_car_and_a_loose_one_flies() -> None:
    fixed, loose = Street(), Street()
    for street in (fixed, loose):
        street.car(1, 0.0, speed=8.0)
        street.props.add(4, CONE, Transform(Vector3D(6.0, 0.0, 0.0)))
    loose.props.set_simulate_physics(4, True)
    assert fixed.run(1.0)
    assert loose.run(1.0)
    assert fixed.place(1)[0] < 6.0
    assert fixed.props.state["position_m"][0, 0] == 6.0
    assert loose.place(1)[0] > 5.0
    assert loose.props.state["position_m"][0, 0] > 7.0


def test_frozen_vehicles_are_obstacles() -> None:
    street = Street()
    street.car(1, 0.0, speed=10.0)
    street.car(2, 8.0)
    street.fleet.set_simulate_physics(2, False)
    assert street.run(1.0)
    np.testing.assert_array_equal(street.place(2), (8.0, 0.0, 0.0))
    assert street.place(1)[0] < 8.0 - 2.0 * 2.445 + 0.05


@pytest.mark.parametrize("switched_off", [1, 2])
def test_bodies_without_collisions_pass_through(switched_off: int) -> None:
    street = Street()
    street.car(1, 0.0, speed=10.0)
    street.car(2, 8.0)
    street.fleet.set_collisions(switched_off, False)
    assert street.run(2.0) == []
    assert street.place(1)[0] > 9.0


def test_two_at_rest_make_no_contact() -> None:
    street = Street(WALL)
    street.car(1, 0.0)
    street.car(2, 4.0)
    assert street.run(0.5) == []


def test_pushing_against_a_wall_is_reported_again_and_again() -> None:
    street = Street(WALL)
    street.car(1, WALL_X_M - 2.6)
    street.fleet.set_control(1, VehicleControl(throttle=0.6))
    street.run(1.0)
    assert len(street.run(0.5)) >= 5


# Many bodies


crowds = st.lists(
    st.tuples(
        st.floats(-12.0, 12.0),
        st.floats(-12.0, 12.0),
        st.floats(-180.0, 180.0),
        st.floats(0.0, 25.0),
        st.sampled_from([CAR, BUS]),
    ),
    min_size=2,
    max_size=5,
)


@examples(25)
@given(crowds)
def test_contacts_never_add_energy(
    placed: list[tuple[float, float, float, float, VehicleSpec]],
) -> None:
    street = Street(statics(((0.0, 0.0, 2.0), (0.2, 0.2, 2.0), 6)))
    for actor_id, (x, y, yaw, speed, spec) in enumerate(placed, start=1):
        street.car(actor_id, x, y, yaw, speed, spec)
    for _ in range(12):
        street.fleet.step(TICK_S, level)
        before = street.energy()
        for contact in street.detector.step(street.tables):
            assert contact.impulse_ns > 0.0
        assert street.energy() <= before * (1.0 + 1e-6) + 1e-6
        assert np.abs(street.fleet.state["position_m"]).max() < 100.0


def test_a_pile_comes_to_rest_without_overlap() -> None:
    street = Street(WALL)
    for actor_id in range(6):
        street.car(actor_id, 40.0 - 7.0 * actor_id, y=0.25 * (actor_id % 3), speed=12.0)
    street.run(8.0)
    assert np.abs(street.fleet.state["velocity_mps"]).max() < 0.05
    assert street.deepest_overlap_m() < 0.05
    assert street.fleet.state["position_m"][:, 0].max() < WALL_X_M - 2.0


def test_bodies_spawned_into_each_other_come_apart_quietly() -> None:
    street = Street()
    street.car(1, 0.0, speed=0.5)
    street.car(2, 1.0, y=0.4)
    street.run(3.0)
    assert street.deepest_overlap_m() < 0.05
    assert np.abs(street.fleet.state["velocity_mps"]).max() < 1.0


def test_same_crash_same_trace() -> None:
    def trace(faster_mps: float = 0.0) -> Floats:
        street = Street(WALL)
        for actor_id in range(5):
            street.car(
                actor_id, 6.0 * actor_id, y=0.3 * actor_id, speed=14.0 + faster_mps - actor_id
            )
        street.crowd.add(9, WALKER_HALF_M, Transform(Vector3D(33.0, 0.5, 0.9)))
        street.run(2.0)
        return street.fleet.transforms()

    np.testing.assert_array_equal(trace(), trace())
    assert not np.array_equal(trace(), trace(1e-3))


# Room for a spawn


BOX = BoundingBox(Vector3D(0.0, 0.0, 0.745), Vector3D(2.445, 0.92, 0.745))


@pytest.mark.parametrize(
    ("x", "y", "z", "yaw", "overlaps"),
    [
        (0.0, 0.0, 0.0, 0.0, True),
        (4.9, 0.0, 0.0, 0.0, False),
        (4.8, 0.0, 0.5, 0.0, True),
        (0.0, 1.9, 0.0, 0.0, False),
        (0.0, 1.9, 0.0, 90.0, True),
        (0.0, 0.0, 3.0, 0.0, False),
        (WALL_X_M - 2.0, 10.0, 0.0, 0.0, True),
        (WALL_X_M - 2.0, 10.0, 0.0, 90.0, False),
    ],
)
def test_room_for_a_spawn(x: float, y: float, z: float, yaw: float, overlaps: bool) -> None:
    street = Street(WALL)
    street.car(1, 0.0)
    pose = Transform(Vector3D(x, y, z), Rotation(yaw=yaw))
    assert street.detector.overlaps_at(pose, BOX, street.tables) is overlaps


def test_an_empty_world_has_room_and_no_contacts() -> None:
    street = Street()
    assert street.run(0.1) == []
    assert not street.detector.overlaps_at(Transform(), BOX, street.tables)
