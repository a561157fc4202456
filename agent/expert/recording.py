"""Writes training frames: images of the rig and of the cameras beside it, and what was true then.

Layout and keys are those of the public dataset RenzKa/simlingo (one folder per route), with two
cameras more. A frame is written when the images of all cameras for one simulator frame have
arrived, together with the state that was noted at exactly that frame.

Frames: everything but `ego_matrix` is in the ego frame. Labels for the augmented images follow by
p' = R(turn)^T (p - [0, shift]), because those cameras are mounted on a car that is shifted sideways
and turned about its origin.
"""

from __future__ import annotations

import gzip
import json
import os
import queue
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import carla
import cv2
import numpy as np
from numpy.typing import NDArray

from agent.rig import camera_specs, rig_to_plain, shifted_pose
from model.config import CameraConfig

U8 = NDArray[np.uint8]

AUGMENTED_SUFFIX = "_augmented"
KEPT_STATES = 40
"""States that wait for their images, in ticks."""
SHIFT_TOLERANCE_M = 0.05
TURN_TOLERANCE_DEG = 0.5


@dataclass(frozen=True)
class RecordingSettings:
    """Where and how frames are written."""

    directory: Path
    cameras: tuple[CameraConfig, ...]
    interval_s: float
    shift_m: float
    turn_deg: float
    jpeg_quality: int


@dataclass(frozen=True)
class TickState:
    """What was true at one simulator frame.

    `measurement` (but for the augmentation) and `boxes` make the content of the two files; they are
    called only for the frames that are written.
    """

    frame: int
    ego_transform: carla.Transform
    measurement: Callable[[], Mapping[str, Any]]
    boxes: Callable[[], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class RouteRecord:
    """What is known of a route when nobody scores it; evaluation writes the real record."""

    route_id: str
    town: str
    status: str = "Unknown"
    infractions: Mapping[str, Sequence[str]] = field(default_factory=dict)


def route_directory(root: Path, split: str, group: str, scenario: str, name: str) -> Path:
    """A new folder for one route below `<root>/data/simlingo`; `_2`, `_3`... if taken."""
    folder = root / "data" / "simlingo" / split / group / scenario
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        directory = folder / (name if number == 1 else f"{name}_{number}")
        try:
            directory.mkdir()
        except FileExistsError:
            number += 1
            continue
        return directory


def write_json_gz(path: Path, content: Any) -> None:
    """Write atomically: readers see the whole file or none."""
    _write_atomically(path, gzip.compress(json.dumps(content).encode(), compresslevel=4, mtime=0))


def write_results(directory: Path, record: RouteRecord) -> None:
    """Leave `results.json.gz` in the leaderboard's form, unscored, where there is none yet."""
    path = directory / "results.json.gz"
    if path.exists():
        return
    content = {
        "route_id": record.route_id,
        "town_name": record.town,
        "status": record.status,
        "infractions": {name: list(events) for name, events in record.infractions.items()},
        "scores": {"score_route": 0.0, "score_penalty": 0.0, "score_composed": 0.0},
    }
    write_json_gz(path, content)


def _write_atomically(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(data)
    os.replace(partial, path)


class FrameWriter:
    """Numbers frames and writes their files."""

    def __init__(self, settings: RecordingSettings) -> None:
        self._settings = settings
        self.count = 0
        names = [camera.name for camera in settings.cameras]
        for name in [*names, *(name + AUGMENTED_SUFFIX for name in names), "measurements", "boxes"]:
            (settings.directory / name).mkdir(exist_ok=True)
        _write_atomically(
            settings.directory / "rig.json",
            json.dumps(rig_to_plain(settings.cameras), indent=2).encode(),
        )

    def write(
        self, images: Mapping[str, U8], measurement: Mapping[str, Any], boxes: Sequence[Any]
    ) -> None:
        """Write one frame; images are BGR by folder name. The measurement comes last: a frame
        without it is not one."""
        name = f"{self.count:04d}"
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._settings.jpeg_quality]
        for folder, image in images.items():
            done, data = cv2.imencode(".jpg", image, quality)
            if not done:
                raise OSError(f"{folder}/{name}.jpg: the image cannot be encoded")
            _write_atomically(self._settings.directory / folder / f"{name}.jpg", data.tobytes())
        write_json_gz(self._settings.directory / "boxes" / f"{name}.json.gz", list(boxes))
        path = self._settings.directory / "measurements" / f"{name}.json.gz"
        write_json_gz(path, dict(measurement))
        self.count += 1


class Recorder:
    """Owns the cameras of one recorded route.

    The labels of a frame are the poses of the frames after it, so frames must follow each other
    without a gap: where an image or a state is missing, the recording of the route ends.

    Attributes:
        ended: why the recording has ended early, or "".
        moved_late: frames in which the augmented cameras were not yet where they had been
            sent; the pose that the images carry was written instead.
    """

    def __init__(
        self,
        world: carla.World,
        ego: carla.Vehicle,
        settings: RecordingSettings,
        rng: np.random.Generator,
    ) -> None:
        self.settings = settings
        self.ended = ""
        self.moved_late = 0
        self._rng = rng
        self._writer = FrameWriter(settings)
        self._images: queue.SimpleQueue[tuple[str, carla.Image]] = queue.SimpleQueue()
        self._states: OrderedDict[int, TickState] = OrderedDict()
        self._waiting: OrderedDict[int, dict[str, carla.Image]] = OrderedDict()
        self._shift_m, self._turn_deg = 0.0, 0.0
        self._cameras: list[carla.Sensor] = []
        self._augmented: dict[str, carla.Sensor] = {}
        try:
            self._spawn(world, ego)
        except RuntimeError:
            self.close()
            raise

    @property
    def count(self) -> int:
        """Number of frames written."""
        return self._writer.count

    def note(self, state: TickState) -> None:
        """Keep the state of a tick until its images come."""
        self._states[state.frame] = state
        while len(self._states) > KEPT_STATES:
            self._states.popitem(last=False)

    def write_arrived(self) -> int:
        """Write every frame whose images are complete; returns how many."""
        while not self._images.empty():
            name, image = self._images.get()
            self._waiting.setdefault(int(image.frame), {})[name] = image
        before = self.count
        for frame in sorted(self._waiting):
            images, state = self._waiting[frame], self._states.get(frame)
            if len(images) == len(self._cameras) and state is not None:
                del self._waiting[frame]
                if not self.ended:
                    self._write(state, images)
            elif self._states and frame < next(iter(self._states)):
                del self._waiting[frame]
                if self.count > 0 and not self.ended:
                    self.ended = f"frame {frame}: {len(images)} of {len(self._cameras)} images"
        return self.count - before

    def close(self) -> None:
        """Stop and remove the cameras; may be called again."""
        cameras, self._cameras, self._augmented = self._cameras, [], {}
        for camera in cameras:
            try:
                camera.stop()
                camera.destroy()
            except RuntimeError:
                continue  # gone with the ego vehicle or the server
        self._states.clear()
        self._waiting.clear()

    def _spawn(self, world: carla.World, ego: carla.Vehicle) -> None:
        blueprint = world.get_blueprint_library().find("sensor.camera.rgb")
        blueprint.set_attribute("sensor_tick", str(self.settings.interval_s))
        self._shift_m, self._turn_deg = self._draw()
        for spec, camera in zip(
            camera_specs(self.settings.cameras), self.settings.cameras, strict=True
        ):
            blueprint.set_attribute("image_size_x", str(spec["width"]))
            blueprint.set_attribute("image_size_y", str(spec["height"]))
            blueprint.set_attribute("fov", str(spec["fov"]))
            augmented_pose = shifted_pose(camera, self._shift_m, self._turn_deg)
            for name, pose in (
                (camera.name, camera),
                (camera.name + AUGMENTED_SUFFIX, augmented_pose),
            ):
                sensor = world.spawn_actor(blueprint, carla_transform(pose), attach_to=ego)
                self._cameras.append(sensor)
                if name != camera.name:
                    self._augmented[camera.name] = sensor
                sensor.listen(lambda image, name=name: self._images.put((name, image)))

    def _draw(self) -> tuple[float, float]:
        shift, turn = self.settings.shift_m, self.settings.turn_deg
        return float(self._rng.uniform(-shift, shift)), float(self._rng.uniform(-turn, turn))

    def _write(self, state: TickState, images: Mapping[str, carla.Image]) -> None:
        first = self.settings.cameras[0]
        seen_at = images[first.name + AUGMENTED_SUFFIX].transform
        shift_m, turn_deg = measured_shift(state.ego_transform, seen_at, first)
        late = abs(shift_m - self._shift_m) > SHIFT_TOLERANCE_M
        if late or abs(turn_deg - self._turn_deg) > TURN_TOLERANCE_DEG:
            self.moved_late += 1
        else:
            shift_m, turn_deg = self._shift_m, self._turn_deg
        measurement = {
            **state.measurement(),
            "timestamp_s": float(images[first.name].timestamp),
            "augmentation_translation": shift_m,
            "augmentation_rotation": turn_deg,
        }
        images = {name: _bgr(image) for name, image in images.items()}
        self._writer.write(images, measurement, state.boxes())
        self._shift_m, self._turn_deg = self._draw()
        for camera in self.settings.cameras:
            pose = shifted_pose(camera, self._shift_m, self._turn_deg)
            self._augmented[camera.name].set_transform(carla_transform(pose))


def carla_transform(camera: CameraConfig) -> carla.Transform:
    """Mounting pose relative to the vehicle."""
    return carla.Transform(
        carla.Location(camera.x_m, camera.y_m, camera.z_m),
        carla.Rotation(pitch=camera.pitch_deg, yaw=camera.yaw_deg, roll=camera.roll_deg),
    )


def measured_shift(
    ego: carla.Transform, sensor: carla.Transform, camera: CameraConfig
) -> tuple[float, float]:
    """Sideways shift (m, right) and turn (deg, clockwise) of the rig that an image was taken from.

    `sensor` is the world pose that the image of `camera`'s augmented camera carries.
    """
    world = [sensor.location.x, sensor.location.y, sensor.location.z, 1.0]
    in_ego = np.array(ego.get_inverse_matrix()) @ np.array(world)
    turn_deg = sensor.rotation.yaw - ego.rotation.yaw - camera.yaw_deg
    turn_deg = (turn_deg + 180.0) % 360.0 - 180.0
    unshifted = shifted_pose(camera, 0.0, turn_deg)
    return float(in_ego[1] - unshifted.y_m), float(turn_deg)


def _bgr(image: carla.Image) -> U8:
    pixels = np.frombuffer(image.raw_data, dtype=np.uint8)
    return np.ascontiguousarray(pixels.reshape(image.height, image.width, 4)[:, :, :3])
