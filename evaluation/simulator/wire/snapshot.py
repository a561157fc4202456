"""Binary layouts of the streams: sensor header, world state and its actor records.

All little-endian and packed without gaps. The client aborts on a wrong size, so the sizes are
checked when this module is imported.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from evaluation.simulator.wire.codec import Transform


class StreamType(IntEnum):
    """Sensor type ids that are the same in every supported version."""

    COLLISION = 0
    GNSS = 4
    IMU = 5
    DEPTH = 1
    NORMALS = 2
    DVS = 3
    OBSTACLE = 7
    OPTICAL_FLOW = 8
    RADAR = 9
    SEMANTIC_LIDAR = 10
    LIDAR = 11
    RGB = 13
    SEMANTIC_SEGMENTATION = 14
    INSTANCE_SEGMENTATION = 15


_SENSOR_HEADER = struct.Struct("<QQd6f")
_EPISODE_HEADER = struct.Struct("<Qdf3iI")
_PENDING_LIGHT_UPDATE = 2
"""LibCarla, EpisodeStateSerializer.h: a bit of the simulation's state."""
_TOKEN = struct.Struct("<IHBB16x")
_CAMERA_HEADER = struct.Struct("<IIf")
_PROTOCOL_TCP = 1
_ADDRESS_AS_CONNECTED = 0

VEHICLE_STATE = np.dtype(
    [
        ("throttle", "<f4"),
        ("steer", "<f4"),
        ("brake", "<f4"),
        ("hand_brake", "u1"),
        ("reverse", "u1"),
        ("manual_gear_shift", "u1"),
        ("gear", "<i4"),
        ("speed_limit_kmh", "<f4"),
        ("light_state", "u1"),
        ("at_light", "u1"),
        ("light_id", "<u4"),
        ("failure", "u1"),
    ]
)
WALKER_STATE = np.dtype([("direction", "<f4", 3), ("speed_mps", "<f4"), ("jump", "u1")])
LIGHT_STATE = np.dtype(
    [
        ("sign_id", "S32"),
        ("green_s", "<f4"),
        ("yellow_s", "<f4"),
        ("red_s", "<f4"),
        ("elapsed_s", "<f4"),
        ("pole", "<u4"),
        ("frozen", "u1"),
        ("state", "u1"),
    ]
)
LIDAR_POINT = np.dtype([("place", "<f4", 3), ("intensity", "<f4")])
SEMANTIC_LIDAR_POINT = np.dtype(
    [("place", "<f4", 3), ("cosine", "<f4"), ("actor", "<u4"), ("tag", "<u4")]
)
_UNION_BYTES = 54

# Kinematics: location (m), pitch, yaw, roll (deg), velocity (m/s), angular velocity (deg/s) and
# acceleration (m/s2), three each, all in the world frame.
ACTOR_STATE = np.dtype(
    [
        ("id", "<u4"),
        ("state", "u1"),
        ("kinematics", "<f4", 15),
        ("union", f"V{_UNION_BYTES}"),
    ]
)
UNION_OFFSET = 65

if (ACTOR_STATE.itemsize, _SENSOR_HEADER.size, _EPISODE_HEADER.size) != (119, 48, 36):
    raise AssertionError("the packed layouts do not have the sizes that the client reads")
if max(VEHICLE_STATE.itemsize, WALKER_STATE.itemsize, LIGHT_STATE.itemsize) > _UNION_BYTES:
    raise AssertionError("an actor's own part is larger than the union of the actor record")


def union_view(records: npt.NDArray[np.void], layout: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """View the unions of contiguous ACTOR_STATE records (n,) as records of `layout` (n,)."""
    return np.ndarray(
        shape=records.shape,
        dtype=layout,
        buffer=records.data,
        offset=UNION_OFFSET,
        strides=(ACTOR_STATE.itemsize,),
    )


def sensor_header(stream_type: int, frame: int, elapsed_s: float, pose: Transform) -> bytes:
    """Return the 48 bytes before every body: type, frame, simulated seconds, sensor's pose."""
    return _SENSOR_HEADER.pack(stream_type, frame, elapsed_s, *pose.location, *pose.rotation)


def episode_header(
    episode_id: int, platform_s: float, delta_s: float, *, lights_changed: bool = False
) -> bytes:
    """Return the 36 bytes between a world state's sensor header and its actor records.

    lights_changed: clients are to ask for the states of street lamps.
    """
    pending = _PENDING_LIGHT_UPDATE if lights_changed else 0
    return _EPISODE_HEADER.pack(episode_id, platform_s, delta_s, 0, 0, 0, pending)


def camera_header(width_px: int, height_px: int, fov_deg: float) -> bytes:
    """Return the 12 bytes before a camera's BGRA pixels."""
    return _CAMERA_HEADER.pack(width_px, height_px, fov_deg)


def lidar_header(angle_rad: float, points_per_channel: Sequence[int]) -> bytes:
    """Return what precedes a lidar's points: the head's angle, and how many points come from each
    channel in turn."""
    count = len(points_per_channel)
    return struct.pack(f"<fI{count}I", angle_rad, count, *points_per_channel)


def stream_token(stream_id: int, port: int) -> bytes:
    """Return the 24 bytes that tell a client where to subscribe (host: the one it knows)."""
    return _TOKEN.pack(stream_id, port, _PROTOCOL_TCP, _ADDRESS_AS_CONNECTED)


Buffer = bytes | bytearray | memoryview
