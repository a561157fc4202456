"""Plans and sensor data such as the leaderboard hands to an agent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import carla
import numpy as np

from model.config import CameraConfig

EARTH_RADIUS_M = 6378137.0
FRONT = CameraConfig("rgb", -1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 64, 32, 90.0)


def straight_plan(length_m: int = 300) -> tuple[list[Any], list[Any]]:
    """A route along +x from the origin at latitude 0, a point per metre: GPS and world."""
    gps, world = [], []
    for x in range(length_m):
        gps.append(({"lat": 0.0, "lon": math.degrees(x / EARTH_RADIUS_M), "z": 0.0}, 4))
        world.append((carla.Transform(carla.Location(float(x), 0.0, 0.0)), 4))
    return gps, world


def sensor_data(
    cameras: Sequence[CameraConfig], frame: int, x_m: float = 0.0, speed_mps: float = 5.0
) -> dict[str, Any]:
    """All sensors of a car at (x, 0) that drives along +x, the images full of noise.

    The IMU has CARLA's noise and the speed a little, as a car that moves has.
    """
    rng = np.random.default_rng(frame)
    data: dict[str, Any] = {
        camera.name: (
            frame,
            rng.integers(0, 255, (camera.height_px, camera.width_px, 4), dtype=np.uint8),
        )
        for camera in cameras
    }
    data["gnss"] = (frame, np.array([0.0, math.degrees(x_m / EARTH_RADIUS_M), 0.0]))
    shaken = rng.normal(0.0, 0.001, 6)
    data["imu"] = (frame, np.array([0.0, 0.0, 9.8, 0.0, 0.0, 0.0, math.pi / 2.0]))
    data["imu"][1][:6] += shaken
    data["speed"] = (frame, {"speed": speed_mps + 1e-6 * shaken[0]})
    return data
