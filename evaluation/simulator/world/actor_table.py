"""Poses and velocities of all actors, one row each, ready to be sent as a world state."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from evaluation.simulator.physics.pose import canonical_rotation
from evaluation.simulator.wire.codec import (
    Rotation,
    Transform,
    Vector3D,
    VehicleControl,
    WalkerControl,
)
from evaluation.simulator.wire.snapshot import (
    ACTOR_STATE,
    LIGHT_STATE,
    UNION_OFFSET,
    VEHICLE_STATE,
    WALKER_STATE,
    union_view,
)

_INITIAL_ROWS = 64
_ACTIVE = 1
_VEHICLE_CONTROL = struct.Struct("<fff???i")
_WALKER_CONTROL = struct.Struct("<3ff?")


class ActorTable:
    """A table that grows with the actors; rows stay in use from 0 to `count` - 1.

    The columns are views of one float64 array (rows, 15), so that a step may write them in place:
    `location` (m), `rotation_deg` (pitch, yaw, roll), `velocity` (m/s), `angular_velocity_dps` and
    `acceleration` (m/s2), all in the world frame. They are replaced when the table grows: ask the
    table for them again after `add`.
    """

    def __init__(self) -> None:
        self.count = 0
        self._allocate(np.zeros((_INITIAL_ROWS, 15)), np.zeros(_INITIAL_ROWS, ACTOR_STATE))

    def _allocate(self, kinematics: npt.NDArray[np.float64], records: npt.NDArray[np.void]) -> None:
        self._kinematics = kinematics
        self._records = records
        self._record_bytes = records.data.cast("B")
        self.location = kinematics[:, 0:3]
        self.rotation_deg = kinematics[:, 3:6]
        self.velocity = kinematics[:, 6:9]
        self.angular_velocity_dps = kinematics[:, 9:12]
        self.acceleration = kinematics[:, 12:15]
        self.vehicle_state = union_view(records, VEHICLE_STATE)
        self.walker_state = union_view(records, WALKER_STATE)
        self.light_state = union_view(records, LIGHT_STATE)

    def add(self, actor_id: int, transform: Transform) -> int:
        """Give a new actor a row and return it."""
        if self.count == len(self._records):
            self._allocate(
                np.concatenate([self._kinematics, np.zeros_like(self._kinematics)]),
                np.concatenate([self._records, np.zeros_like(self._records)]),
            )
        row = self.count
        self.count += 1
        self._records[row] = np.zeros((), ACTOR_STATE)
        self._records["id"][row] = actor_id
        self._records["state"][row] = _ACTIVE
        self._kinematics[row] = 0.0
        self.set_transform(row, transform)
        return row

    def remove(self, row: int) -> None:
        """Free a row; the last row moves into it."""
        last = self.count - 1
        self._records[row] = self._records[last]
        self._kinematics[row] = self._kinematics[last]
        self.count = last

    def ids(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.uint32]:
        """Return the actors (n,) of rows (n,)."""
        ids: npt.NDArray[np.uint32] = self._records["id"][rows]
        return ids

    def transform(self, row: int) -> Transform:
        """Return the pose in a row."""
        x, y, z, pitch, yaw, roll = self._kinematics[row, :6].tolist()
        return Transform(Vector3D(x, y, z), Rotation(pitch, yaw, roll))

    def set_transform(self, row: int, transform: Transform) -> None:
        """Write the pose in a row."""
        self._kinematics[row, :6] = (*transform.location, *canonical_rotation(transform.rotation))

    def show_vehicle_control(self, row: int, control: VehicleControl) -> None:
        """Write what `vehicle.get_control()` will show."""
        offset = row * ACTOR_STATE.itemsize + UNION_OFFSET
        _VEHICLE_CONTROL.pack_into(self._record_bytes, offset, *control)

    def show_walker_control(self, row: int, control: WalkerControl) -> None:
        """Write what `walker.get_control()` will show."""
        offset = row * ACTOR_STATE.itemsize + UNION_OFFSET
        values = (*control.direction, control.speed, control.jump)
        _WALKER_CONTROL.pack_into(self._record_bytes, offset, *values)

    def show_sign_id(self, row: int, sign_id: str) -> None:
        """Write the OpenDRIVE signal id of a traffic light or sign."""
        self.light_state["sign_id"][row] = sign_id.encode()[:32]

    def rows_bytes(self) -> tuple[int, bytes, bytes]:
        """Return the number of rows in use, their kinematics and their records."""
        count = self.count
        return count, self._kinematics[:count].tobytes(), self._records[:count].tobytes()

    def set_rows_bytes(self, count: int, kinematics: bytes, records: bytes) -> None:
        """Take over what `rows_bytes` gave; `ValueError` where the sizes do not fit."""
        places = np.frombuffer(kinematics, np.float64).reshape(count, 15)
        states = np.frombuffer(records, ACTOR_STATE, count)
        spare = _INITIAL_ROWS
        self.count = count
        self._allocate(
            np.concatenate([places, np.zeros((spare, 15))]),
            np.concatenate([states, np.zeros(spare, ACTOR_STATE)]),
        )

    def to_bytes(self) -> bytes:
        """Return the packed records of all rows."""
        self._records["kinematics"][: self.count] = self._kinematics[: self.count]
        return self._records[: self.count].tobytes()
