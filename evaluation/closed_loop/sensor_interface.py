"""The sensors that an agent asked for: actors, pseudo sensors and their data, frame by frame."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Mapping, Sequence
from typing import Any

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.errors import MachineError
from evaluation.servers.embedded import SimulatorError
from evaluation.servers.session import Session

MAX_MOUNT_DISTANCE_M = 3.0
LIMITS: Mapping[str, int] = {
    "sensor.camera.rgb": 8,
    "sensor.lidar.ray_cast": 2,
    "sensor.other.radar": 4,
    "sensor.other.gnss": 1,
    "sensor.other.imu": 1,
    "sensor.opendrive_map": 1,
    "sensor.speedometer": 1,
}
TIME_OUT = "time-out"
"""Word by which the carla package's errors tell that nobody answered."""
NO_RENDERER = "cannot be rendered on this machine"
"""Words by which the embedded simulator tells that graphics were lost after its start."""
PSEUDO_SENSORS = ("sensor.opendrive_map", "sensor.speedometer")

# Attributes that the leaderboard sets (leaderboard/autoagents/agent_wrapper.py).
LIDAR = {
    "range": 85,
    "rotation_frequency": 10,
    "channels": 64,
    "upper_fov": 10,
    "lower_fov": -30,
    "points_per_second": 600000,
    "atmosphere_attenuation_rate": 0.004,
    "dropoff_general_rate": 0.45,
    "dropoff_intensity_limit": 0.8,
    "dropoff_zero_intensity": 0.4,
}
RADAR = {"points_per_second": 1500, "range": 100}
GNSS = {
    **{f"noise_{axis}_stddev": 0.000005 for axis in ("alt", "lat", "lon")},
    **{f"noise_{axis}_bias": 0.0 for axis in ("alt", "lat", "lon")},
}
IMU = {
    "noise_accel_stddev_x": 0.001,
    "noise_accel_stddev_y": 0.001,
    "noise_accel_stddev_z": 0.015,
    "noise_gyro_stddev_x": 0.001,
    "noise_gyro_stddev_y": 0.001,
    "noise_gyro_stddev_z": 0.001,
}

Spec = Mapping[str, Any]
SensorData = dict[str, tuple[int, Any]]


class SensorSpecError(ValueError):
    """The leaderboard would reject the agent for its sensors."""


class SensorTimeoutError(SimulatorError):
    """A sensor sent nothing for a frame; the message names it."""


def check_specs(specs: Sequence[Spec], track: str) -> None:
    """The leaderboard's rules on kinds, numbers, names and places of sensors."""
    seen: list[str] = []
    counts = dict.fromkeys(LIMITS, 0)
    for spec in specs:
        name, kind = str(spec.get("id", "")), str(spec.get("type", ""))
        if not name:
            raise SensorSpecError(f"a sensor of type {kind!r} has no id")
        if name in seen:
            raise SensorSpecError(f"sensor {name!r}: the id is used twice")
        seen.append(name)
        if kind not in LIMITS:
            raise SensorSpecError(
                f"sensor {name!r}: type {kind!r} is not allowed; allowed: {', '.join(LIMITS)}"
            )
        if kind == "sensor.opendrive_map" and not track.startswith("MAP"):
            raise SensorSpecError(f"sensor {name!r}: the map is not allowed on track {track}")
        mount_m = math.dist((0.0, 0.0, 0.0), [float(spec.get(axis, 0.0)) for axis in "xyz"])
        if mount_m > MAX_MOUNT_DISTANCE_M:
            raise SensorSpecError(
                f"sensor {name!r}: mounted {mount_m:.2f} m from the vehicle's origin, "
                f"at most {MAX_MOUNT_DISTANCE_M} m are allowed"
            )
        counts[kind] += 1
        if counts[kind] > LIMITS[kind]:
            raise SensorSpecError(f"sensor {name!r}: more than {LIMITS[kind]} of type {kind}")


def attributes_of(spec: Spec) -> dict[str, str]:
    """Blueprint attributes for a specification, as the leaderboard would set them."""
    kind = spec["type"]
    values: Mapping[str, Any] = {}
    if kind == "sensor.camera.rgb":
        values = {
            "image_size_x": spec["width"],
            "image_size_y": spec["height"],
            "fov": spec["fov"],
        }
    elif kind == "sensor.lidar.ray_cast":
        values = LIDAR
    elif kind == "sensor.other.radar":
        fov = {name: spec[name] for name in ("horizontal_fov", "vertical_fov")}
        values = {**RADAR, **fov}
    elif kind == "sensor.other.gnss":
        values = GNSS
    elif kind == "sensor.other.imu":
        values = IMU
    return {name: str(value) for name, value in values.items()}


def mount_of(spec: Spec) -> carla.Transform:
    location = carla.Location(*(float(spec.get(axis, 0.0)) for axis in "xyz"))
    if spec["type"] == "sensor.other.gnss":
        return carla.Transform(location, carla.Rotation())
    angles = {name: float(spec.get(name, 0.0)) for name in ("roll", "pitch", "yaw")}
    return carla.Transform(location, carla.Rotation(**angles))


def bgra_of(image: carla.Image) -> NDArray[np.uint8]:
    """(H, W, 4) copy of an image; CARLA's own buffer ends with the callback."""
    pixels = np.frombuffer(image.raw_data, dtype=np.uint8)
    return pixels.reshape(image.height, image.width, 4).copy()


def decode(kind: str, measurement: Any) -> Any:
    """A measurement as the leaderboard passes it to agents."""
    if kind == "sensor.camera.rgb":
        return bgra_of(measurement)
    if kind == "sensor.lidar.ray_cast":
        return np.frombuffer(measurement.raw_data, dtype=np.float32).reshape(-1, 4).copy()
    if kind == "sensor.other.radar":
        # Depth, altitude, azimuth, velocity: the other way round than on the wire.
        points = np.frombuffer(measurement.raw_data, dtype=np.float32).reshape(-1, 4)
        return np.flip(points, axis=1).copy()
    if kind == "sensor.other.gnss":
        return np.array([measurement.latitude, measurement.longitude, measurement.altitude])
    acceleration, rotation = measurement.accelerometer, measurement.gyroscope
    return np.array(
        [
            *(acceleration.x, acceleration.y, acceleration.z),
            *(rotation.x, rotation.y, rotation.z),
            measurement.compass,
        ]
    )


class SensorInterface:
    """Spawns the sensors on the ego vehicle and collects their data of one frame.

    blackout: images are handed on black, to show how much an agent depends on them; taken_over:
    actor ids by sensor of a restored world, in which they exist already.
    """

    def __init__(
        self,
        session: Session,
        ego: carla.Vehicle,
        specs: Sequence[Spec],
        blackout: bool = False,
        timeout_s: float = 10.0,
        taken_over: Mapping[str, int] | None = None,
    ) -> None:
        self._session = session
        self._ego = ego
        self._blackout = blackout
        self._timeout_s = timeout_s
        self._queue: queue.Queue[tuple[str, int, Any]] = queue.Queue()
        self._actors: list[carla.Sensor] = []
        self._pending: dict[int, SensorData] = {}
        self._pseudo = [spec for spec in specs if spec["type"] in PSEUDO_SENSORS]
        self._names: list[str] = []
        try:
            for spec in specs:
                if spec["type"] in PSEUDO_SENSORS:
                    continue
                if taken_over is None:
                    self._spawn(spec)
                else:
                    self._take_over(spec, taken_over)
        except BaseException:
            self.destroy()
            raise

    def _spawn(self, spec: Spec) -> None:
        kind, name = str(spec["type"]), str(spec["id"])
        world, server = self._session.world, self._session.server
        if kind.startswith("sensor.camera") and server is not None and not server.renderer:
            raise MachineError(
                f"sensor {name!r}: no graphics on this machine, cameras cannot be drawn; the "
                "simulator's log says what to install"
            )
        blueprint = world.get_blueprint_library().find(kind)
        for attribute, value in attributes_of(spec).items():
            if not blueprint.has_attribute(attribute):
                raise SensorSpecError(f"sensor {name!r}: this simulator knows no {attribute}")
            blueprint.set_attribute(attribute, value)
        try:
            sensor = world.spawn_actor(blueprint, mount_of(spec), attach_to=self._ego)
        except RuntimeError as error:
            if TIME_OUT in str(error):
                raise self._session.failure(error) from error
            if NO_RENDERER in str(error):
                raise MachineError(f"sensor {name!r}: {error}") from error
            raise SensorSpecError(f"sensor {name!r} cannot be placed: {error}") from error
        self._listen(sensor, name, kind)

    def _take_over(self, spec: Spec, ids: Mapping[str, int]) -> None:
        name = str(spec["id"])
        sensor = self._session.world.get_actor(ids[name]) if name in ids else None
        if sensor is None:
            raise SensorSpecError(f"sensor {name!r} is not in the restored world")
        self._listen(sensor, name, str(spec["type"]))

    def _listen(self, sensor: carla.Sensor, name: str, kind: str) -> None:
        self._actors.append(sensor)
        self._names.append(name)

        def receive(measurement: Any) -> None:
            self._queue.put((name, int(measurement.frame), decode(kind, measurement)))

        sensor.listen(receive)

    @property
    def actor_ids(self) -> dict[str, int]:
        """The actors behind the sensors, by the sensors' names."""
        return {name: sensor.id for name, sensor in zip(self._names, self._actors, strict=True)}

    def collect(self, frame: int, ego: carla.ActorSnapshot) -> SensorData:
        """Data of all sensors for the frame; SensorTimeoutError names those that are missing."""
        data = self._pending.pop(frame, {})
        deadline_s = time.monotonic() + self._timeout_s
        while len(data) < len(self._names):
            try:
                name, sent_frame, value = self._queue.get(
                    timeout=max(deadline_s - time.monotonic(), 0.001)
                )
            except queue.Empty:
                raise self._missing(frame, data) from None
            if sent_frame == frame:
                data[name] = (frame, value)
            elif sent_frame > frame:
                self._pending.setdefault(sent_frame, {})[name] = (sent_frame, value)
        if self._blackout:
            for _, value in data.values():
                if isinstance(value, np.ndarray) and value.dtype == np.uint8:
                    value[..., :3] = 0
        for spec in self._pseudo:
            data[str(spec["id"])] = (frame, self._read_pseudo(str(spec["type"]), ego))
        return data

    def _missing(self, frame: int, data: SensorData) -> SimulatorError:
        late = ", ".join(repr(name) for name in self._names if name not in data)
        return self._session.failure(
            SensorTimeoutError(
                f"sensor {late} sent nothing for frame {frame} within {self._timeout_s:.0f} s"
            )
        )

    def _read_pseudo(self, kind: str, ego: carla.ActorSnapshot) -> dict[str, Any]:
        if kind == "sensor.opendrive_map":
            return {"opendrive": self._session.opendrive}
        rotation, velocity = ego.get_transform().rotation, ego.get_velocity()
        pitch_rad, yaw_rad = math.radians(rotation.pitch), math.radians(rotation.yaw)
        level_mps = velocity.x * math.cos(yaw_rad) + velocity.y * math.sin(yaw_rad)
        return {"speed": level_mps * math.cos(pitch_rad) + velocity.z * math.sin(pitch_rad)}

    def destroy(self) -> None:
        """Stops all sensors before any is destroyed; a dead simulator is no error here."""
        for sensor in self._actors:
            if sensor.is_listening:
                sensor.stop()
        for sensor in self._actors:
            try:
                sensor.destroy()
            except RuntimeError:
                continue
        self._actors.clear()
