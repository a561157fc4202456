"""Recorded frames: files, matching of images and states, augmented cameras."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import carla
import cv2
import numpy as np
import pytest

from agent.expert.recording import (
    Recorder,
    RecordingSettings,
    RouteRecord,
    TickState,
    carla_transform,
    measured_shift,
    route_directory,
    write_results,
)
from agent.rig import shifted_pose
from model.config import NANO

EGO = carla.Transform(carla.Location(30.0, -12.0, 0.2), carla.Rotation(yaw=70.0))


def compose(relative: carla.Transform, base: carla.Transform = EGO) -> carla.Transform:
    """World pose of what sits at `relative` on a level car."""
    rotation = carla.Rotation(
        pitch=relative.rotation.pitch,
        yaw=base.rotation.yaw + relative.rotation.yaw,
        roll=relative.rotation.roll,
    )
    return carla.Transform(base.transform(relative.location), rotation)


@dataclass
class Camera:
    """A camera of the fake world: keeps its mounting and its listener."""

    attributes: dict[str, str]
    mounted: carla.Transform
    listener: Callable[[Any], None] | None = None
    destroyed: int = 0
    moves: list[carla.Transform] = field(default_factory=list)

    def listen(self, listener: Callable[[Any], None]) -> None:
        self.listener = listener

    def set_transform(self, relative: carla.Transform) -> None:
        self.mounted = relative
        self.moves.append(relative)

    def stop(self) -> None:
        self.listener = None

    def destroy(self) -> None:
        self.destroyed += 1

    def shoot(self, frame: int, value: int = 0) -> None:
        width, height = (int(self.attributes[f"image_size_{axis}"]) for axis in "xy")
        pixels = np.full((height, width, 4), value, dtype=np.uint8)
        assert self.listener is not None
        self.listener(
            SimpleNamespace(
                frame=frame,
                timestamp=0.05 * frame,
                width=width,
                height=height,
                raw_data=pixels.tobytes(),
                transform=compose(self.mounted),
            )
        )


class World:
    """As much of carla.World as the recorder needs."""

    def __init__(self) -> None:
        self.cameras: list[Camera] = []

    def get_blueprint_library(self) -> World:
        return self

    def find(self, _: str) -> Any:
        attributes: dict[str, str] = {}
        return SimpleNamespace(attributes=attributes, set_attribute=attributes.__setitem__)

    def spawn_actor(self, blueprint: Any, place: carla.Transform, attach_to: Any) -> Camera:
        camera = Camera(dict(blueprint.attributes), place)
        self.cameras.append(camera)
        return camera

    def shoot(self, frame: int, skip: int = -1) -> None:
        for index, camera in enumerate(self.cameras):
            if index != skip:
                camera.shoot(frame, value=40 * index)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def recorder(world: World, tmp_path: Path) -> Recorder:
    settings = RecordingSettings(tmp_path, NANO.cameras, 0.25, 1.0, 10.0, 90)
    return Recorder(world, SimpleNamespace(), settings, np.random.default_rng(3))


def state(frame: int) -> TickState:
    return TickState(frame, EGO, lambda: {"frame": frame}, lambda: [{"class": "car"}])


def read(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def test_six_cameras_shoot_four_times_a_second(world: World, recorder: Recorder) -> None:
    assert len(world.cameras) == 6
    assert {camera.attributes["sensor_tick"] for camera in world.cameras} == {"0.25"}
    assert world.cameras[0].attributes["image_size_x"] == str(NANO.cameras[0].width_px)


def test_a_frame_is_the_state_of_the_tick_of_its_images(
    world: World, recorder: Recorder, tmp_path: Path
) -> None:
    for frame in range(10, 15):
        recorder.note(state(frame))
        assert recorder.write_arrived() == 0
    world.shoot(12)
    assert recorder.write_arrived() == 1
    measured = read(tmp_path / "measurements" / "0000.json.gz")
    assert measured["frame"] == 12
    assert measured["timestamp_s"] == pytest.approx(0.6)
    assert read(tmp_path / "boxes" / "0000.json.gz") == [{"class": "car"}]
    for folder, value in (("rgb", 0), ("rgb_augmented", 40), ("rgb_right_augmented", 200)):
        image = cv2.imread(str(tmp_path / folder / "0000.jpg"))
        assert image is not None
        assert image.shape == (NANO.cameras[0].height_px, NANO.cameras[0].width_px, 3)
        assert abs(int(image.mean()) - value) <= 2
    assert len(json.loads((tmp_path / "rig.json").read_text())) == 3
    assert not list(tmp_path.rglob("*.part"))


def test_images_may_come_before_their_state(world: World, recorder: Recorder) -> None:
    world.shoot(20)
    assert recorder.write_arrived() == 0
    recorder.note(state(20))
    assert recorder.write_arrived() == 1


def test_the_augmented_cameras_move_after_every_frame_and_the_shift_is_written(
    world: World, recorder: Recorder, tmp_path: Path
) -> None:
    shifts = []
    for index, frame in enumerate((5, 10, 15)):
        augmented = carla.Transform(
            world.cameras[1].mounted.location, world.cameras[1].mounted.rotation
        )
        recorder.note(state(frame))
        world.shoot(frame)
        recorder.write_arrived()
        measured = read(tmp_path / "measurements" / f"{index:04d}.json.gz")
        shift = measured["augmentation_translation"]
        turn = measured["augmentation_rotation"]
        expected = carla_transform(shifted_pose(NANO.cameras[0], shift, turn))
        assert augmented.location.distance(expected.location) < 1e-3
        assert augmented.rotation.yaw == pytest.approx(turn, abs=1e-3)
        assert abs(shift) <= 1.0
        assert abs(turn) <= 10.0
        shifts.append(shift)
    assert len(set(shifts)) == 3
    assert recorder.moved_late == 0
    assert [len(camera.moves) for camera in world.cameras] == [0, 3, 0, 3, 0, 3]


def test_an_augmented_camera_that_moved_late_is_labelled_where_it_was(
    world: World, recorder: Recorder, tmp_path: Path
) -> None:
    late = shifted_pose(NANO.cameras[0], 0.33, -4.0)
    world.cameras[1].mounted = carla_transform(late)
    recorder.note(state(5))
    world.shoot(5)
    recorder.write_arrived()
    measured = read(tmp_path / "measurements" / "0000.json.gz")
    assert measured["augmentation_translation"] == pytest.approx(0.33, abs=1e-3)
    assert measured["augmentation_rotation"] == pytest.approx(-4.0, abs=1e-3)
    assert recorder.moved_late == 1


@pytest.mark.parametrize("camera", NANO.cameras)
@pytest.mark.parametrize(("shift", "turn"), [(0.0, 0.0), (0.8, 9.0), (-1.0, -10.0)])
def test_the_shift_can_be_read_off_a_pose(camera: Any, shift: float, turn: float) -> None:
    pose = compose(carla_transform(shifted_pose(camera, shift, turn)))
    assert measured_shift(EGO, pose, camera) == pytest.approx((shift, turn), abs=1e-3)


def test_a_gap_ends_the_recording(world: World, recorder: Recorder) -> None:
    """Labels are the poses of the following frames: they must not span a gap unnoticed."""
    recorder.note(state(5))
    world.shoot(5)
    assert recorder.write_arrived() == 1
    world.shoot(10, skip=2)
    for frame in range(10, 80):
        recorder.note(state(frame))
        recorder.write_arrived()
    assert "5 of 6 images" in recorder.ended
    world.shoot(75)
    assert recorder.write_arrived() == 0
    assert recorder.count == 1


def test_closing_removes_the_cameras_once(world: World, recorder: Recorder) -> None:
    recorder.close()
    recorder.close()
    assert [camera.destroyed for camera in world.cameras] == [1] * 6


def test_routes_get_folders_of_their_own(tmp_path: Path) -> None:
    names = [
        route_directory(tmp_path, "training", "routes", "x", "Town01_3").name for _ in range(2)
    ]
    assert names == ["Town01_3", "Town01_3_2"]
    assert (tmp_path / "data/simlingo/training/routes/x/Town01_3").is_dir()


def test_a_real_record_is_never_overwritten(tmp_path: Path) -> None:
    write_results(tmp_path, RouteRecord("3", "Town01"))
    first = read(tmp_path / "results.json.gz")
    assert first["scores"]["score_composed"] == 0.0
    write_results(tmp_path, RouteRecord("4", "Town02"))
    assert read(tmp_path / "results.json.gz") == first


def test_angles_wrap() -> None:
    base = carla.Transform(carla.Location(), carla.Rotation(yaw=179.0))
    pose = compose(carla_transform(shifted_pose(NANO.cameras[0], 0.5, 5.0)), base)
    pose.rotation.yaw -= 360.0
    shift, turn = measured_shift(base, pose, NANO.cameras[0])
    assert turn == pytest.approx(5.0, abs=1e-3)
    assert shift == pytest.approx(0.5, abs=1e-3)
    assert math.isfinite(shift)
