"""The sensors of an agent: a rig as the leaderboard's specifications, and its geometry."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.observation import GNSS_ID, IMU_ID, SPEED_ID
from model import projection
from model.config import MAX_CAMERAS, PRESETS, CameraConfig
from model.strict_json import ConfigError, from_plain, parse

F64 = NDArray[np.float64]

MAX_RADIUS_M = 3.0
"""The leaderboard rejects sensors mounted farther from the vehicle's origin."""


class RigError(ValueError):
    """A camera rig that cannot be mounted; the message names the camera and the limit."""


def check_rig(cameras: Sequence[CameraConfig]) -> None:
    """Raise RigError unless the leaderboard takes the cameras and their images stack."""
    if not cameras or len(cameras) > MAX_CAMERAS:
        raise RigError(f"a rig has 1 to {MAX_CAMERAS} cameras, got {len(cameras)}")
    names = [camera.name for camera in cameras]
    taken = {GNSS_ID, IMU_ID, SPEED_ID}
    for index, name in enumerate(names):
        if name in taken or name in names[:index]:
            raise RigError(f"camera {index}: the name {name!r} is already in use")
    first = cameras[0]
    for camera in cameras:
        radius_m = float(np.linalg.norm([camera.x_m, camera.y_m, camera.z_m]))
        if radius_m > MAX_RADIUS_M:
            raise RigError(
                f"camera {camera.name}: mounted {radius_m:.2f} m from the vehicle's origin, "
                f"the leaderboard allows {MAX_RADIUS_M:.0f} m"
            )
        if (camera.width_px, camera.height_px) != (first.width_px, first.height_px):
            raise RigError(
                f"camera {camera.name}: {camera.width_px}x{camera.height_px} px, but "
                f"{first.name} has {first.width_px}x{first.height_px}; all must agree"
            )


def camera_specs(cameras: Sequence[CameraConfig]) -> list[dict[str, Any]]:
    """The leaderboard's sensor specifications of the cameras."""
    return [
        {
            "type": "sensor.camera.rgb",
            "id": camera.name,
            "x": camera.x_m,
            "y": camera.y_m,
            "z": camera.z_m,
            "roll": camera.roll_deg,
            "pitch": camera.pitch_deg,
            "yaw": camera.yaw_deg,
            "width": camera.width_px,
            "height": camera.height_px,
            "fov": camera.fov_deg,
        }
        for camera in cameras
    ]


def state_specs() -> list[dict[str, Any]]:
    """GNSS and IMU at the vehicle's origin, and the speedometer."""
    origin = {"x": 0.0, "y": 0.0, "z": 0.0, "roll": 0.0, "pitch": 0.0, "yaw": 0.0}
    return [
        {"type": "sensor.other.gnss", "id": GNSS_ID, **origin},
        {"type": "sensor.other.imu", "id": IMU_ID, **origin},
        {"type": "sensor.speedometer", "id": SPEED_ID, "reading_frequency": 20},
    ]


def project(points_ego_m: F64, camera: CameraConfig) -> tuple[F64, NDArray[np.bool_]]:
    """Pixels (n, 2) of ego points as :func:`model.projection.project` gives them, and whether each
    lies in the image."""
    pixels = projection.project(points_ego_m, camera.intrinsics(), camera.extrinsics())
    with np.errstate(invalid="ignore"):
        inside = (pixels >= 0.0) & (pixels < [camera.width_px, camera.height_px])
    return pixels, np.logical_and(inside[:, 0], inside[:, 1])


def shifted_pose(camera: CameraConfig, shift_m: float, turn_deg: float) -> CameraConfig:
    """The camera as it would sit on a car `shift_m` to the right and turned clockwise.

    The whole rig turns about the vehicle's origin, so that labels move by one and the same rigid
    transform for all cameras.
    """
    turn = np.radians(turn_deg)
    return dataclasses.replace(
        camera,
        x_m=float(np.cos(turn) * camera.x_m - np.sin(turn) * camera.y_m),
        y_m=float(np.sin(turn) * camera.x_m + np.cos(turn) * camera.y_m + shift_m),
        yaw_deg=camera.yaw_deg + turn_deg,
    )


def rig_to_plain(cameras: Sequence[CameraConfig]) -> list[dict[str, Any]]:
    """The rig as JSON-ready dicts, for a dataset's `rig.json`."""
    return [dataclasses.asdict(camera) for camera in cameras]


def load_rig(name: str) -> tuple[CameraConfig, ...]:
    """The rig of a preset (base, nano, debug) or of a `rig.json`.

    Raises:
        RigError: no such preset or file, or a file that holds no rig.
    """
    preset = PRESETS.get(name.lower()) or PRESETS.get(name.upper())
    if preset is not None:
        return preset.cameras
    try:
        entries = parse(Path(name).read_text(encoding="utf-8"))
        if not isinstance(entries, list):
            raise ConfigError(f"expected a list of cameras, got {type(entries).__name__}")
        cameras = tuple(
            from_plain(CameraConfig, entry, f"[{number}]") for number, entry in enumerate(entries)
        )
    except (OSError, ValueError) as error:
        known = ", ".join(sorted(PRESETS))
        raise RigError(
            f"rig {name!r} is neither a preset ({known}) nor a rig.json: {error}"
        ) from error
    check_rig(cameras)
    return cameras
