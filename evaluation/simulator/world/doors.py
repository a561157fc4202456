"""Doors of vehicles: which stand open, and where they stick out.

A door opens and shuts within one tick, and open it is as rigid as its vehicle; CARLA's swings on a
hinge that gives way. Bounding boxes stay those of the shut vehicle, as in CARLA.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, radians, sin
from typing import NamedTuple

import numpy as np

from evaluation.simulator.physics.attached import AttachedBoxes
from evaluation.simulator.wire.codec import BoundingBox
from evaluation.simulator.world.actor import Actor

ALL_DOORS = 6
"""CARLA's number (carla.VehicleDoor) for all doors of a vehicle."""


class _Door(NamedTuple):
    """Where a door hangs: its side (-1 left, 1 right), and its front edge and length as shares of
    half the vehicle's length."""

    side: int
    hinge: float
    length: float


# By CARLA's number: front left, front right, rear left, rear right (4 and 5, bonnet and boot, stay
# shut). Shares read off the outline of a saloon (`render/vehicle_meshes.py`), whose front wheels
# end 1.08 m ahead of its middle and whose cabin ends 1.95 m behind it.
_FRONT, _REAR = (0.40, 0.46), (-0.10, 0.40)
_DOORS = (_Door(-1, *_FRONT), _Door(1, *_FRONT), _Door(-1, *_REAR), _Door(1, *_REAR))
DOOR_COUNT = len(_DOORS)
# Chosen: the widest notch of a car's door.
OPEN_RAD = radians(70.0)
# Long vehicles have no longer doors; from sill to roof as shares of the height.
LONGEST_M = 1.2
_LOWEST, _HIGHEST = 0.15, 0.95
HALF_THICKNESS_M = 0.06


class OpenDoors:
    """The open doors of a world."""

    def __init__(self) -> None:
        self._open: dict[int, list[int]] = {}
        self._boxes: AttachedBoxes | None = None

    def set_open(self, actor_id: int, door: int, is_open: bool) -> bool:
        """Open or shut a door (carla.VehicleDoor) of a vehicle; False where nothing changes."""
        asked = set(range(DOOR_COUNT))
        if door != ALL_DOORS:
            asked &= {door}
        before = set(self._open.get(actor_id, ()))
        after = before | asked if is_open else before - asked
        if after == before:
            return False
        self._open.pop(actor_id, None)
        if after:
            self._open[actor_id] = sorted(after)
        self._boxes = None
        return True

    def forget(self, actor_id: int) -> None:
        """Forget a vehicle."""
        if self._open.pop(actor_id, None) is not None:
            self._boxes = None

    def boxes(self, actors: Mapping[int, Actor]) -> AttachedBoxes:
        """Return the open doors as boxes in the axes of their vehicles."""
        if self._boxes is None:
            self._boxes = _boxes(
                [
                    (actor_id, actors[actor_id].bounding_box, _DOORS[door])
                    for actor_id, doors in self._open.items()
                    for door in doors
                ]
            )
        return self._boxes


def _boxes(doors: list[tuple[int, BoundingBox, _Door]]) -> AttachedBoxes:
    if not doors:
        return AttachedBoxes()
    ids, centres, halves, yaws = zip(*(_box(*door) for door in doors), strict=True)
    return AttachedBoxes(np.array(ids), np.array(centres), np.array(halves), np.array(yaws))


def _box(
    actor_id: int, body: BoundingBox, door: _Door
) -> tuple[int, tuple[float, float, float], tuple[float, float, float], float]:
    """Return actor, centre, half extent and yaw of an open door."""
    half_length, half_width, half_height = body.extent
    length_m = min(door.length * half_length, LONGEST_M)
    # From the hinge backward, swung outward.
    back, out = -cos(OPEN_RAD), door.side * sin(OPEN_RAD)
    centre = (
        body.location.x + door.hinge * half_length + 0.5 * length_m * back,
        body.location.y + door.side * half_width + 0.5 * length_m * out,
        body.location.z + (_LOWEST + _HIGHEST - 1.0) * half_height,
    )
    half = (0.5 * length_m, HALF_THICKNESS_M, (_HIGHEST - _LOWEST) * half_height)
    return actor_id, centre, half, door.side * (radians(180.0) - OPEN_RAD)
