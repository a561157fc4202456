"""The binary layouts, field by field at the offsets that were measured."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from evaluation.simulator.wire.codec import (
    Rotation,
    Transform,
    Vector3D,
    VehicleControl,
    WalkerControl,
)
from evaluation.simulator.wire.snapshot import (
    ACTOR_STATE,
    camera_header,
    episode_header,
    sensor_header,
    stream_token,
)
from evaluation.simulator.world.actor_table import ActorTable

POSE = Transform(Vector3D(1.0, 2.0, 3.0), Rotation(4.0, 5.0, 6.0))


def test_headers() -> None:
    header = sensor_header(17, 123, 6.15, POSE)
    assert struct.unpack("<QQd6f", header) == (17, 123, 6.15, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    episode = episode_header(9, 77.5, 0.05)
    assert len(episode) == 36
    assert struct.unpack_from("<Qdf", episode) == pytest.approx((9, 77.5, 0.05))
    assert struct.unpack_from("<4i", episode, 20) == (0, 0, 0, 0)
    assert struct.unpack_from("<i", episode_header(9, 77.5, 0.05, lights_changed=True), 32) == (2,)
    assert camera_header(64, 48, 90.0) == struct.pack("<IIf", 64, 48, 90.0)


def test_token() -> None:
    token = stream_token(0x01020304, 2001)
    assert token == bytes([4, 3, 2, 1]) + struct.pack("<H", 2001) + bytes([1, 0]) + bytes(16)


def test_actor_records() -> None:
    table = ActorTable()
    row = table.add(42, POSE)
    table.velocity[row] = (7.0, 8.0, 9.0)
    table.angular_velocity_dps[row] = (10.0, 11.0, 12.0)
    table.acceleration[row] = (13.0, 14.0, 15.0)
    table.show_vehicle_control(row, VehicleControl(0.5, -0.25, 0.75, True, False, True, -1))
    shown = table.vehicle_state
    shown["speed_limit_kmh"][row], shown["light_state"][row] = 50.0, 2
    shown["at_light"][row], shown["light_id"][row] = 1, 99
    packed = table.to_bytes()
    assert len(packed) == 119
    assert struct.unpack_from("<IB", packed) == (42, 1)
    assert struct.unpack_from("<15f", packed, 5) == tuple(float(value) for value in range(1, 16))
    vehicle = struct.unpack_from("<fff???ifBBIB", packed, 65)
    assert vehicle == (0.5, -0.25, 0.75, True, False, True, -1, 50.0, 2, 1, 99, 0)


def test_walkers_and_lights() -> None:
    table = ActorTable()
    walker, light = table.add(1, POSE), table.add(2, POSE)
    table.show_walker_control(walker, WalkerControl(Vector3D(0.0, 1.0, 0.0), 1.5, True))
    table.show_sign_id(light, "17")
    table.light_state["state"][light] = 2
    packed = table.to_bytes()
    assert struct.unpack_from("<3ff?", packed, 65) == (0.0, 1.0, 0.0, 1.5, True)
    assert packed[119 + 65 : 119 + 65 + 32] == b"17" + bytes(30)
    assert packed[-1] == 2


def test_table_grows_and_moves_the_last_row_into_the_hole() -> None:
    table = ActorTable()
    rows = [table.add(100 + index, POSE._replace(location=Vector3D(index))) for index in range(200)]
    assert rows == list(range(200))
    table.remove(10)
    assert table.count == 199
    records = np.frombuffer(table.to_bytes(), ACTOR_STATE)
    assert records["id"][10] == 299
    assert table.transform(10).location.x == 199.0
    row = table.add(7, POSE)
    assert row == 199
    assert not np.frombuffer(table.to_bytes(), ACTOR_STATE)[row]["union"].tobytes().strip(b"\0")
