"""Rays that pass over what is far away, and remember what they met, meet what all rays would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluation.simulator.catalogue.blueprints import BlueprintLibrary
from evaluation.simulator.town.town import Town, load_town
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.doors import ALL_DOORS
from evaluation.simulator.world.ray_targets import LabelledPoint, RayTargets
from evaluation.simulator.world.raycast import cast_ray
from evaluation.simulator.world.world import World

LINCOLN = "vehicle.lincoln.mkz_2020"
HALF_LENGTH_M, CAR_TAG = 2.445, 14
X_M, Y_M = 50.0, 1.75
ALONG = Vector3D(X_M - 10.0, Y_M, 0.6), Vector3D(X_M + 10.0, Y_M, 0.6)


@pytest.fixture(scope="module")
def town() -> Town:
    return load_town("demo", 0)


@pytest.fixture
def tiny(tiny_towns: Path) -> World:
    return World(load_town(str(tiny_towns / "tiny.xodr"), 0), BlueprintLibrary(), 0, 1)


def park(world: World, transform: Transform) -> Actor:
    return world.spawn(Description(0, LINCOLN), transform)


def places_x(points: list[LabelledPoint]) -> list[float]:
    return [point.location.x for point in points if point.label == CAR_TAG]


class Everything(RayTargets):
    """Passes over nothing, and remembers nothing."""

    def static_near(self, low, high, stands=None):  # type: ignore[no-untyped-def]
        return super().static_near(np.full(3, -np.inf), np.full(3, np.inf), stands)

    def bodies_near(self, low, high, *others):  # type: ignore[no-untyped-def]
        return super().bodies_near(np.full(3, -np.inf), np.full(3, np.inf), *others)

    def remember(self, *_answer):  # type: ignore[no-untyped-def]
        pass


def test_rays_meet_the_same_as_if_nothing_were_passed_over(town: Town) -> None:
    world = World(town, BlueprintLibrary(), 0, 1)
    rng = np.random.default_rng(3)
    spots = [pose.location for pose in town.spawn_points[:12]]
    for spot in spots:
        turned = Rotation(*rng.uniform((-5.0, -180.0, -5.0), (5.0, 180.0, 5.0)).tolist())
        world.set_door(park(world, Transform(spot, turned)), ALL_DOORS, True)
    passing, everything = world.ray_targets, Everything(town.scenery.static_boxes())
    met = 0
    for number in range(300):
        middle = np.add(spots[number % len(spots)], (0.0, 0.0, 0.8))
        way = rng.normal(size=3) * (1.0, 1.0, 0.1) * rng.choice((3.0, 30.0, 200.0))
        start = Vector3D(*(middle - 0.5 * way).tolist())
        end = Vector3D(*(middle + 0.5 * way).tolist())
        world.ray_targets = passing
        found = cast_ray(world, start, end)
        world.ray_targets = everything
        assert found == cast_ray(world, start, end)
        met += len(found)
    assert met > 300


def test_the_same_ray_follows_what_moves_comes_and_goes(tiny: World) -> None:
    assert places_x(cast_ray(tiny, *ALONG)) == []
    car = park(tiny, Transform(Vector3D(X_M, Y_M, 0.0)))
    back_m = X_M - HALF_LENGTH_M
    assert places_x(cast_ray(tiny, *ALONG)) == pytest.approx([back_m], abs=0.01)
    tiny.set_location(car, Vector3D(X_M + 1.0, Y_M, 0.0))
    assert places_x(cast_ray(tiny, *ALONG)) == pytest.approx([back_m + 1.0], abs=0.01)
    # Across the ray: half its width before its middle.
    tiny.set_transform(car, Transform(Vector3D(X_M, Y_M, 0.0), Rotation(yaw=90.0)))
    assert places_x(cast_ray(tiny, *ALONG)) == pytest.approx([X_M - 0.92], abs=0.01)
    tiny.destroy(car.actor_id)
    assert places_x(cast_ray(tiny, *ALONG)) == []


def test_what_is_handed_out_may_be_changed(tiny: World) -> None:
    park(tiny, Transform(Vector3D(X_M, Y_M, 0.0)))
    first = cast_ray(tiny, *ALONG)
    kept = list(first)
    first.clear()
    assert cast_ray(tiny, *ALONG) == kept
