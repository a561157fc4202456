"""Friction triggers: boxes in which the tyres of vehicles have another friction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from evaluation.simulator.physics.pose import rotation_matrix
from evaluation.simulator.physics.vehicle import VehicleFleet
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import MAX_LOCATION_M, Transform, Vector3D, real

FRICTION_TYPE = "static.trigger.friction"
_DEFAULT_FRICTION = 3.5
_DEFAULT_EXTENT_CM = 1.0
_CM_PER_M = 100.0


class Trigger(NamedTuple):
    """What a trigger does: the friction inside, and the half extents of its box in its axes."""

    friction: float
    half_extent_m: Vector3D

    @classmethod
    def of(cls, description: Description) -> Trigger:
        """Read a trigger's attributes, whose extents are centimetres.

        Raises:
            WireError: a friction or an extent that no trigger has.
        """
        friction = description.number("friction", _DEFAULT_FRICTION)
        extents_m = [
            description.number(f"extent_{axis}", _DEFAULT_EXTENT_CM) / _CM_PER_M for axis in "xyz"
        ]
        half = [real("extent of a trigger, m", extent, 0.0, MAX_LOCATION_M) for extent in extents_m]
        return cls(real("friction of a trigger", friction, 0.0), Vector3D(*half))


class FrictionTriggers:
    """The triggers of a world, and what the tyres of the vehicles inside had before."""

    def __init__(self) -> None:
        self._triggers: dict[int, Trigger] = {}
        self._before: dict[int, float] = {}

    def add(self, actor_id: int, trigger: Trigger) -> None:
        """Set up a trigger."""
        self._triggers[actor_id] = trigger

    def forget(self, actor_id: int) -> None:
        """Remove a trigger, or forget a vehicle."""
        self._triggers.pop(actor_id, None)
        self._before.pop(actor_id, None)

    def holds(self, vehicle_id: int) -> bool:
        """Whether a vehicle is in a trigger."""
        return vehicle_id in self._before

    def step(self, fleet: VehicleFleet, pose_of: Callable[[int], Transform]) -> None:
        """Change the tyres of vehicles that have come into a trigger or out of it.

        Args:
            pose_of: the pose of a trigger in the world.
        """
        if not self._triggers and not self._before:
            return
        inside = self._inside(fleet, pose_of)
        for vehicle_id in [key for key in self._before if key not in inside]:
            _set_friction(fleet, vehicle_id, self._before.pop(vehicle_id))
        for vehicle_id, friction in inside.items():
            spec = fleet.spec(vehicle_id)
            self._before.setdefault(vehicle_id, spec.tyre_friction)
            if spec.tyre_friction != friction:
                _set_friction(fleet, vehicle_id, friction)

    def _inside(self, fleet: VehicleFleet, pose_of: Callable[[int], Transform]) -> dict[int, float]:
        """Return the friction that each vehicle inside a trigger gets; of several the newest."""
        found: dict[int, float] = {}
        place_m = fleet.state["position_m"]
        for actor_id, trigger in self._triggers.items():
            pose = pose_of(actor_id)
            offset_m = place_m - np.array(pose.location)
            turn = rotation_matrix(pose.rotation)
            within = np.ones(len(fleet), np.bool_)
            for axis, half_m in enumerate(trigger.half_extent_m):
                along_m = sum(turn[part, axis] * offset_m[:, part] for part in range(3))
                within &= np.abs(along_m) <= half_m
            for vehicle_id in fleet.actor_ids[within].tolist():
                found[vehicle_id] = trigger.friction
        return found


def _set_friction(fleet: VehicleFleet, vehicle_id: int, friction: float) -> None:
    if vehicle_id in fleet:
        fleet.set_spec(vehicle_id, replace(fleet.spec(vehicle_id), tyre_friction=friction))
