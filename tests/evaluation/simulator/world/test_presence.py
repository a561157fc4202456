"""Things of a town that are hidden, and layers that are not loaded: gone for all who look or drive.

The scene along the straight road (y = 1.75 m is the middle of its lane): a house across the lane
from x = 90 to 94 m, a sign post, a lamp post with arm and lamp, a tree.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import carla
import numpy as np
import pytest

from evaluation.simulator.catalogue.blueprints import BlueprintLibrary
from evaluation.simulator.render.frame import CameraView, LabelImage
from evaluation.simulator.sensors.camera_scene import CameraScene
from evaluation.simulator.sensors.ray_scene import RayScene
from evaluation.simulator.town.scenery import (
    Buildings,
    LampHeads,
    Poles,
    Scenery,
    SignFaces,
    SignKind,
    StreetLamps,
    Trees,
)
from evaluation.simulator.town.shown import Hanging, Inventory, MapLayer
from evaluation.simulator.town.town import Town, load_town
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import Transform, Vector3D, WeatherParameters
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.world.level_objects import ANY_TAG, environment_objects, level_boxes
from evaluation.simulator.world.raycast import cast_ray
from evaluation.simulator.world.saved_world import restore_world, save_world
from evaluation.simulator.world.step import advance
from evaluation.simulator.world.world import World
from tests.evaluation.simulator.render.render_scenes import camera, needs_opengl

CAR = Description(0, "vehicle.lincoln.mkz_2020")
HOUSE, SIGN_POST, LAMP_POST, TREE = range(4)
"""Rows of the static boxes."""
AHEAD, DOWN = (1.0, 0.0, 0.0), (0.0, 0.0, -1.0)
BUILDING_TAG, POLE_TAG, SIGN_TAG, TREE_TAG, TERRAIN_TAG = 3, 6, 8, 9, 10


def scenery(meshes: Scenery) -> Scenery:
    f32 = np.float32
    return Scenery(
        meshes=meshes.meshes,
        buildings=Buildings(
            np.array([[92.0, 1.75, 3.0]], f32),
            np.array([[2.0, 4.0, 3.0]], f32),
            np.zeros(1, f32),
            np.array([5], np.uint32),
        ),
        trees=Trees(
            np.array([[60.0, 5.0, 0.0]], f32),
            np.array([6.0], f32),
            np.array([1.5], f32),
            np.array([0.2], f32),
            np.array([4], np.uint32),
        ),
        poles=Poles(
            np.array([[70.0, -5.0, 0.0], [40.0, 5.0, 0.0], [40.0, 5.0, 7.5]], f32),
            np.array([[70.0, -5.0, 2.5], [40.0, 5.0, 7.5], [40.0, 3.2, 7.64]], f32),
            np.array([0.04, 0.09, 0.05], f32),
        ),
        sign_faces=SignFaces(
            np.array([SignKind.STOP], np.uint8),
            np.zeros(1, np.int32),
            np.array([[69.94, -5.0, 2.2]], f32),
            np.array([np.pi], f32),
            np.array([0.4], f32),
        ),
        street_lamps=StreetLamps(np.array([[40.0, 3.2, 7.64]], f32), np.array([7.6], f32)),
    )


@pytest.fixture(scope="module")
def town(tiny_towns: Path) -> Town:
    tiny = load_town(str(tiny_towns / "tiny.xodr"), 0)
    return replace(tiny, scenery=scenery(tiny.scenery))


def world_of(town: Town, *, has_layers: bool = False, layers: MapLayer = MapLayer.ALL) -> World:
    return World(town, BlueprintLibrary(), 0, 1, has_layers=has_layers, layers=layers)


def met_at_once(world: World, start: Vector3D, end: Vector3D) -> list[tuple[int, float]]:
    """Labels and places along x of what a ray meets."""
    return [(hit.label, round(hit.location.x, 3)) for hit in cast_ray(world, start, end)]


BEFORE, BEHIND = Vector3D(80.0, 1.75, 1.0), Vector3D(100.0, 1.75, 1.0)


def lidar_m(scene: RayScene, world: World, place: Vector3D, way: tuple[float, ...]) -> float:
    world.frame += 1
    return float(scene.cast(world, np.array(place), np.array([way]), 50.0).distance_m[0])


def test_what_hangs_on_a_pole_is_found() -> None:
    f32 = np.float32
    mast = Scenery(
        poles=Poles(
            # Mast, its arm 0.15 m below its top, and a post that stands alone.
            np.array([[0, 0, 0], [0, 0, 5.8], [9, 9, 0]], f32),
            np.array([[0, 0, 5.95], [-6, 0, 5.8], [9, 9, 3]], f32),
            np.full(3, 0.1, f32),
        ),
        lamp_heads=LampHeads(
            np.zeros(2, np.int32),
            np.array([[-5, -0.3, 5.1], [30, 30, 3]], f32),
            np.zeros(2, f32),
        ),
        sign_faces=SignFaces(
            np.zeros(1, np.uint8), np.zeros(1, np.int32), np.array([[9, 8.94, 2.2]], f32),
            np.zeros(1, f32), np.full(1, 0.4, f32),
        ),
    )  # fmt: skip
    hangs = Hanging.of(mast)
    assert hangs.poles.tolist() == [0, 0, 2]
    assert (hangs.lamp_heads.tolist(), hangs.sign_faces.tolist()) == ([0, -1], [2])
    without_mast = Inventory(mast).shown(MapLayer.ALL, {0})
    assert without_mast.poles.tolist() == [False, False, True]
    assert without_mast.lamp_heads.tolist() == [False, True]
    assert without_mast.sign_faces.all()


@pytest.mark.parametrize("spec", ["demo", "generated:3"])
def test_everything_in_a_town_hangs_on_something(spec: str) -> None:
    scenery = load_town(spec, 0).scenery
    for part in Hanging.of(scenery):
        assert len(part) > 10
        assert part.min() >= 0
    # No pole carries both a lamp and a sign.
    hangs = Hanging.of(scenery)
    lamps = set(hangs.street_lamps.tolist())
    assert not lamps & {*hangs.lamp_heads.tolist(), *hangs.sign_faces.tolist()}
    assert len(lamps) == len(scenery.street_lamps.height_m)


def test_rays_go_through_what_is_hidden(town: Town) -> None:
    world = world_of(town)
    rays = RayScene(town)
    assert met_at_once(world, BEFORE, BEHIND) == [(BUILDING_TAG, 90.0)]
    assert lidar_m(rays, world, BEFORE, AHEAD) == pytest.approx(10.0)
    world.enable_objects([HOUSE], enabled=False)
    assert met_at_once(world, BEFORE, BEHIND) == []
    assert lidar_m(rays, world, BEFORE, AHEAD) == math.inf
    world.enable_objects([HOUSE, 99, -1], enabled=True)
    assert met_at_once(world, BEFORE, BEHIND) == [(BUILDING_TAG, 90.0)]
    assert lidar_m(rays, world, BEFORE, AHEAD) == pytest.approx(10.0)
    assert world.presence.shown is None


def test_with_a_pole_goes_what_hangs_on_it(town: Town) -> None:
    world = world_of(town)
    rays = RayScene(town)
    under_the_arm, before_the_plate = Vector3D(40.0, 4.0, 5.0), Vector3D(60.0, -5.2, 2.2)
    up = (0.0, 0.0, 1.0)
    assert lidar_m(rays, world, under_the_arm, up) == pytest.approx(2.53, abs=0.1)
    assert lidar_m(rays, world, before_the_plate, AHEAD) == pytest.approx(9.94, abs=0.05)
    world.enable_objects([LAMP_POST, SIGN_POST], enabled=False)
    assert lidar_m(rays, world, under_the_arm, up) == math.inf
    assert lidar_m(rays, world, before_the_plate, AHEAD) == math.inf


def test_cars_drive_through_what_is_hidden(town: Town) -> None:
    def drive(world: World) -> tuple[float, set[int]]:
        car = world.spawn(CAR, Transform(Vector3D(80.0, 1.75, 0.2)))
        tags: set[int] = set()
        for _ in range(30):
            world.fleet.set_velocity(car.actor_id, Vector3D(10.0, 0.0, 0.0))
            tags.update(contact.static_tag for contact in advance(world, 0.05))
        return world.transform(car).location.x, tags

    standing, hidden = world_of(town), world_of(town)
    hidden.enable_objects([HOUSE], enabled=False)
    x, tags = drive(standing)
    assert (x < 90.0, tags) == (True, {BUILDING_TAG})
    x, tags = drive(hidden)
    assert (x > 94.0, tags) == (True, set())
    place = Transform(Vector3D(91.0, 1.75, 0.2))
    with pytest.raises(CallError, match="collision"):
        standing.spawn(CAR, place)
    assert world_of(town, has_layers=True, layers=MapLayer.NONE).spawn(CAR, place)


def test_what_is_hidden_is_listed_and_what_is_not_loaded_is_not(town: Town) -> None:
    world = world_of(town, has_layers=True)

    def listed() -> list[int]:
        assert len(level_boxes(world, ANY_TAG)) == len(environment_objects(world, ANY_TAG))
        return [item.object_id - 1 for item in environment_objects(world, ANY_TAG)]

    world.enable_objects([HOUSE], enabled=False)
    assert listed() == [HOUSE, SIGN_POST, LAMP_POST, TREE]
    world.load_layers(MapLayer.STREET_LIGHTS | MapLayer.FOLIAGE, loaded=False)
    assert listed() == [HOUSE, SIGN_POST]
    # Another layer's coming and going leaves it hidden.
    world.load_layers(MapLayer.STREET_LIGHTS, loaded=True)
    assert listed() == [HOUSE, SIGN_POST, LAMP_POST]
    assert met_at_once(world, BEFORE, BEHIND) == []
    # Its own makes it a new one.
    world.load_layers(MapLayer.BUILDINGS, loaded=False)
    world.enable_objects([HOUSE], enabled=True)
    assert listed() == [SIGN_POST, LAMP_POST]
    assert met_at_once(world, BEFORE, BEHIND) == []
    world.load_layers(0xFFFF, loaded=True)
    assert listed() == [HOUSE, SIGN_POST, LAMP_POST, TREE]
    assert met_at_once(world, BEFORE, BEHIND) == [(BUILDING_TAG, 90.0)]


def test_the_land_is_a_layer_and_the_road_is_none(town: Town) -> None:
    world = world_of(town, has_layers=True)
    rays = RayScene(town)
    beside, above = Vector3D(20.0, 9.0, 3.0), Vector3D(20.0, 1.75, 3.0)

    def below(place: Vector3D) -> list[int]:
        return [hit.label for hit in cast_ray(world, place, place._replace(z=-3.0))]

    assert (below(beside), below(above)) == ([TERRAIN_TAG], [1])
    assert math.isfinite(lidar_m(rays, world, beside, DOWN))
    world.load_layers(MapLayer.ALL, loaded=False)
    assert (below(beside), below(above)) == ([], [1])
    assert lidar_m(rays, world, beside, DOWN) == math.inf
    assert lidar_m(rays, world, above, DOWN) == pytest.approx(3.0, abs=0.01)


def test_towns_without_layers_keep_everything(town: Town) -> None:
    world = world_of(town, layers=MapLayer.NONE)
    world.load_layers(MapLayer.ALL, loaded=False)
    assert world.presence.shown is None
    assert len(environment_objects(world, ANY_TAG)) == 4


def test_a_saved_world_remembers(town: Town) -> None:
    world = world_of(town, has_layers=True)
    world.enable_objects([HOUSE], enabled=False)
    world.load_layers(MapLayer.FOLIAGE, loaded=False)
    restored = world_of(town)
    restore_world(save_world(world), restored)
    assert met_at_once(restored, BEFORE, BEHIND) == []
    assert restored.spawn(CAR, Transform(Vector3D(91.0, 1.75, 0.2)))
    assert len(environment_objects(restored, ANY_TAG)) == 3
    restored.load_layers(MapLayer.FOLIAGE, loaded=True)
    assert len(environment_objects(restored, ANY_TAG)) == 4


def test_the_bits_are_carlas() -> None:
    names = {name.replace("_", "").upper(): int(bit) for name, bit in carla.MapLayer.names.items()}
    ours = {name.replace("_", ""): int(bit) for name, bit in MapLayer.__members__.items()}
    assert ours == names


VIEWS = {
    "house": (camera((80.0, 1.75, 1.5)), BUILDING_TAG, HOUSE),
    "sign": (camera((66.0, -5.0, 2.2)), SIGN_TAG, SIGN_POST),
    "lamp post": (camera((34.0, 5.0, 2.0)), POLE_TAG, LAMP_POST),
    "tree": (camera((50.0, 5.0, 2.5)), TREE_TAG, TREE),
}


@needs_opengl
@pytest.mark.parametrize("name", VIEWS)
def test_cameras_do_not_see_what_is_hidden(town: Town, name: str) -> None:
    view, tag, row = VIEWS[name]
    world, scene = world_of(town), CameraScene(town)

    def look() -> tuple[LabelImage, bytes]:
        return scene.render_labels(world, [view])[0], scene.render(world, [view])[0].tobytes()

    try:
        labels, colours = look()
        assert (labels.tag == tag).sum() > 20
        world.enable_objects([row], enabled=False)
        others, without = look()
        assert not (others.tag == tag).any()
        assert without != colours
        # Whatever else is seen is the same object as before.
        same = (labels.tag == others.tag) & (labels.depth_m == others.depth_m)
        assert (labels.object_id[same] == others.object_id[same]).all()
        assert same.any()
        world.enable_objects([row], enabled=True)
        again, as_before = look()
        assert as_before == colours
        for name in ("depth_m", "tag", "object_id", "normal_code"):
            assert np.array_equal(getattr(again, name), getattr(labels, name))
    finally:
        scene.close()


@needs_opengl
def test_lamps_of_hidden_posts_do_not_shine(town: Town) -> None:
    world, scene = world_of(town, has_layers=True), CameraScene(town)
    world.set_weather(WeatherParameters(sun_altitude_angle=-90.0))
    down = CameraView(camera((40.0, 3.2, 7.0), (0.0, -89.0, 0.0)).world_from_camera, 64, 64, 90.0)

    def brightness() -> float:
        return float(scene.render(world, [down])[0][..., :3].mean())

    try:
        lit = brightness()
        world.load_layers(MapLayer.STREET_LIGHTS, loaded=False)
        dark = brightness()
        assert dark < 0.7 * lit
        world.load_layers(MapLayer.STREET_LIGHTS, loaded=True)
        assert brightness() == lit
    finally:
        scene.close()


@needs_opengl
def test_a_town_without_its_layers_is_road_and_signs(town: Town) -> None:
    view = camera((20.0, 0.0, 3.0))
    world, scene = world_of(town, has_layers=True), CameraScene(town)
    try:
        labels, colours = scene.render_labels(world, [view])[0], scene.render(world, [view])[0]
        assert {TERRAIN_TAG, BUILDING_TAG, TREE_TAG} <= set(np.unique(labels.tag).tolist())
        world.load_layers(MapLayer.ALL, loaded=False)
        left = set(np.unique(scene.render_labels(world, [view])[0].tag).tolist())
        assert left <= {1, POLE_TAG, SIGN_TAG, 11, 24}
        assert 1 in left
        world.load_layers(MapLayer.ALL, loaded=True)
        assert np.array_equal(scene.render(world, [view])[0], colours)
    finally:
        scene.close()
