"""Open doors: seen, met by rays and touched, where the hinge and the opening angle put them."""

from __future__ import annotations

from math import cos, radians, sin
from pathlib import Path

import carla
import numpy as np
import pytest

from evaluation.simulator.catalogue.blueprints import BlueprintLibrary
from evaluation.simulator.physics.collision import Contact
from evaluation.simulator.render.frame import BodyKind
from evaluation.simulator.sensors.body_survey import BodySurvey
from evaluation.simulator.sensors.ray_scene import RayScene
from evaluation.simulator.town.town import Town, load_town
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.doors import ALL_DOORS
from evaluation.simulator.world.raycast import cast_ray
from evaluation.simulator.world.step import advance
from evaluation.simulator.world.world import World
from tests.evaluation.simulator.client_session import ClientSession, pose

FRONT_LEFT, FRONT_RIGHT, REAR_LEFT, BONNET = 0, 1, 2, 4
# The Lincoln, 4.89 m long, 1.84 m wide and 1.49 m high: its front doors hang 0.4 of half its length
# ahead of the middle, are 0.46 of it long and open by 70 degrees.
LINCOLN = "vehicle.lincoln.mkz_2020"
HINGE_M, LENGTH_M, SIDE_M = 0.978, 1.1247, 0.92
BACK_M, OUT_M = LENGTH_M * cos(radians(70.0)), LENGTH_M * sin(radians(70.0))
X_M, Y_M = 50.0, 1.75


@pytest.fixture(scope="module")
def town(tiny_towns: Path) -> Town:
    return load_town(str(tiny_towns / "tiny.xodr"), 0)


@pytest.fixture
def world(town: Town) -> World:
    return World(town, BlueprintLibrary(), 0, 1)


def park(world: World, name: str = LINCOLN, x: float = X_M, y: float = Y_M) -> Actor:
    return world.spawn(Description(0, name), Transform(Vector3D(x, y, 0.0)))


def beside_door(world: World, side: int) -> float:
    """Distance from 10 m ahead of the car, at the height of the door's lower half, to what a ray
    meets that goes back past the middle of the front door's way out of the body."""
    start = np.array((X_M + 10.0, Y_M + side * (SIDE_M + 0.5 * OUT_M), 0.6))
    hits = RayScene(world.town).cast(world, start, np.array(((-1.0, 0.0, 0.0),)), 20.0)
    return float(hits.distance_m[0])


def test_rays_meet_an_open_door_where_it_stands(world: World) -> None:
    car = park(world)
    assert beside_door(world, -1) == np.inf
    world.set_door(car, FRONT_LEFT, True)
    # The middle of the door, and its half thickness of 6 cm along the ray.
    expected = 10.0 - (HINGE_M - 0.5 * BACK_M) - 0.06 / sin(radians(70.0))
    assert beside_door(world, -1) == pytest.approx(expected, abs=2e-3)
    assert beside_door(world, 1) == np.inf
    world.set_door(car, FRONT_LEFT, False)
    assert beside_door(world, -1) == np.inf
    world.set_door(car, ALL_DOORS, True)
    assert beside_door(world, 1) == pytest.approx(expected, abs=2e-3)
    # A call of the client's meets the boxes of both front doors, beside the body.
    for side in (-1.0, 1.0):
        y = Y_M + side * (SIDE_M + 0.5 * OUT_M)
        points = cast_ray(world, Vector3D(X_M + 10.0, y, 0.6), Vector3D(X_M, y, 0.6))
        assert [point.label for point in points] == [14]
        assert points[0].location.x == pytest.approx(X_M + 10.0 - expected, abs=2e-3)


def test_doors_turn_with_their_vehicle(world: World) -> None:
    car = world.spawn(
        Description(0, LINCOLN), Transform(Vector3D(X_M, Y_M, 0.0), Rotation(yaw=90.0))
    )
    world.set_door(car, FRONT_LEFT, True)
    bodies = BodySurvey().bodies(world)
    assert bodies.kind.tolist() == [BodyKind.CAR, BodyKind.DOOR]
    assert bodies.object_id.tolist() == [car.actor_id] * 2
    assert bodies.semantic_tag.tolist() == [14, 14]
    # The car looks along y, its left side along x; the door leans 110 degrees to the left of that.
    assert np.degrees(bodies.rotation_rad[1]) == pytest.approx([0.0, 0.0, 90.0 - 110.0], abs=1e-6)
    yaw = radians(-20.0)
    x, y, z = bodies.box_centre_m[1]
    place = (x * cos(yaw) - y * sin(yaw), x * sin(yaw) + y * cos(yaw))
    assert place == pytest.approx((SIDE_M + 0.5 * OUT_M, HINGE_M - 0.5 * BACK_M), abs=1e-3)
    assert z == pytest.approx(0.55 * 1.49)


def pass_by(world: World, gap_m: float) -> tuple[Actor, list[Contact]]:
    """Let a car pass the left side of a parked one at this distance, at 8 m/s from behind."""
    passing = park(world, "vehicle.audi.tt", X_M - 10.0, Y_M - SIDE_M - 1.83 / 2 - gap_m)
    world.fleet.set_velocity(passing.actor_id, Vector3D(8.0, 0.0, 0.0))
    contacts = [contact for _ in range(40) for contact in advance(world, 0.05)]
    return passing, contacts


@pytest.mark.parametrize(
    ("gap_m", "open_door", "touches"),
    [(0.6, False, False), (0.6, True, True), (OUT_M + 0.1, True, False)],
)
def test_who_passes_too_near_touches_the_door(
    world: World, gap_m: float, open_door: bool, touches: bool
) -> None:
    parked = park(world)
    world.set_door(parked, FRONT_LEFT, open_door)
    passing, contacts = pass_by(world, gap_m)
    assert bool(contacts) == touches
    if touches:
        assert {contacts[0].actor_id, contacts[0].other_id} == {parked.actor_id, passing.actor_id}
        tip_m = X_M + HINGE_M - BACK_M
        assert contacts[0].point_m[0] == pytest.approx(tip_m, abs=0.3)
        assert contacts[0].point_m[1] < Y_M - SIDE_M


def test_a_door_opens_against_who_stands_there(world: World) -> None:
    parked = park(world)
    walker = world.spawn(
        Description(0, "walker.pedestrian.0001"),
        Transform(Vector3D(X_M + HINGE_M - 0.5 * BACK_M, Y_M - SIDE_M - 0.5 * OUT_M, 1.0)),
    )
    before = world.transform(walker).location
    advance(world, 0.05)
    assert world.transform(walker).location.x == pytest.approx(before.x)
    world.set_door(parked, FRONT_LEFT, True)
    advance(world, 0.05)
    assert abs(world.transform(walker).location.x - before.x) > 0.02


def test_nothing_is_spawned_into_a_door(world: World) -> None:
    parked = park(world)
    world.set_door(parked, FRONT_LEFT, True)
    place = Transform(Vector3D(X_M + HINGE_M - 0.5 * BACK_M, Y_M - SIDE_M - 0.5 * OUT_M, 1.0))
    cone = world.blueprint("walker.pedestrian.0001")
    assert world._is_taken(place, cone)
    world.set_door(parked, FRONT_LEFT, False)
    assert not world._is_taken(place, cone)


def test_doors_that_do_not_open_stay_shut(world: World) -> None:
    park(world, "vehicle.audi.tt")
    other = park(world, LINCOLN, X_M + 20.0)
    for actor in list(world.actors.values()):
        if actor.is_vehicle:
            world.set_door(actor, BONNET, True)
    assert not len(world.attached_boxes())
    world.set_door(other, REAR_LEFT, True)
    assert world.attached_boxes().actor_id.tolist() == [other.actor_id]
    world.destroy(other.actor_id)
    assert not len(world.attached_boxes())


def test_clients_open_and_close_doors(session: ClientSession) -> None:
    car = session.spawn(LINCOLN, pose(X_M, Y_M))
    session.ticks(1)
    y = Y_M - SIDE_M - 0.5 * OUT_M
    ends = carla.Location(X_M + 10.0, y, 0.6), carla.Location(X_M, y, 0.6)
    assert not session.world.cast_ray(*ends)
    car.open_door(carla.VehicleDoor.FL)
    session.ticks(1)
    assert [int(point.label) for point in session.world.cast_ray(*ends)] == [14]
    car.close_door(carla.VehicleDoor.All)
    session.ticks(1)
    assert not session.world.cast_ray(*ends)
