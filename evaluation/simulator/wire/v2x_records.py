"""Binary layouts of V2X messages: whole C structs of the 0.9.16 wheel, little-endian.

The wheel copies each record as it is; sizes and offsets are those of its own debugging information
(`CAMData`, `CustomV2XData`). What is not written stays zero, the standard library's vectors in
particular: the wheel would follow their pointers.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_LONG, _FLAG = "<i8", "u1"


def _struct(size: int, *fields: tuple[str, int, Any]) -> np.dtype[np.void]:
    """A struct of `size` bytes with fields (name, offset, type)."""
    return np.dtype(
        {
            "names": [name for name, _, _ in fields],
            "offsets": [offset for _, offset, _ in fields],
            "formats": [kind for _, _, kind in fields],
            "itemsize": size,
        }
    )


def _longs(*names: str) -> np.dtype[np.void]:
    return np.dtype([(name, _LONG) for name in names])


_HEADER = _longs("protocol_version", "message_id", "station_id")
_POSITION = _longs(
    "latitude",
    "longitude",
    "semi_major_confidence",
    "semi_minor_confidence",
    "semi_major_orientation",
    "altitude",
    "altitude_confidence",
)
_MEASURED = _longs("value", "confidence")
_VEHICLE_FAST = _struct(
    264,
    ("heading", 0, _MEASURED),
    ("speed", 16, _MEASURED),
    ("drive_direction", 32, _LONG),
    ("length", 40, _MEASURED),
    ("width", 56, _LONG),
    ("longitudinal_acceleration", 64, _MEASURED),
    ("curvature", 80, _MEASURED),
    ("curvature_mode", 96, _LONG),
    ("yaw_rate", 104, _MEASURED),
    ("has_lateral_acceleration", 160, _FLAG),
    ("lateral_acceleration", 168, _MEASURED),
    ("has_vertical_acceleration", 184, _FLAG),
    ("vertical_acceleration", 192, _MEASURED),
)
_VEHICLE_SLOW = _struct(48, ("role", 0, _LONG), ("exterior_lights", 8, "u1"))
_CAM = _struct(
    456,
    ("header", 0, _HEADER),
    ("generation_delta_time", 24, _LONG),
    ("station_type", 32, _LONG),
    ("position", 40, _POSITION),
    ("fast_kind", 96, _LONG),
    ("vehicle_fast", 104, _VEHICLE_FAST),
    ("slow_kind", 400, _LONG),
    ("vehicle_slow", 408, _VEHICLE_SLOW),
)
CAM_RECORD = _struct(464, ("power_dbm", 0, "<f4"), ("message", 8, _CAM))
"""A cooperative awareness message and the power with which it was received."""

CUSTOM_TEXT_BYTES = 99
"""What fits into a message beside the zero that ends its text."""
_CUSTOM = _struct(128, ("header", 0, _HEADER), ("text", 24, f"S{CUSTOM_TEXT_BYTES + 1}"))
CUSTOM_RECORD = _struct(136, ("power_dbm", 0, "<f4"), ("message", 8, _CUSTOM))
"""A message of a client's own, and the power with which it was received."""


def empty_record(layout: np.dtype[np.void]) -> tuple[bytearray, np.ndarray]:
    """Return the bytes of a record, all zero, and the record that lies in them.

    numpy's own copies of a record leave the gaps between its fields undefined.
    """
    data = bytearray(layout.itemsize)
    return data, np.ndarray((), layout, data)


def with_power(record: bytes, power_dbm: float) -> bytes:
    """Return a record of either layout with the power with which it was received."""
    return struct.pack("<f", power_dbm) + record[4:]
