"""A run of the physics that touches all of it; run this module to print the hash of its trace."""

from __future__ import annotations

import hashlib

import numpy as np

from evaluation.simulator.physics.bodies import BodyTable, Floats
from evaluation.simulator.physics.collision import CollisionDetector
from evaluation.simulator.physics.pose import compose
from evaluation.simulator.physics.props import PropShelf
from evaluation.simulator.physics.vehicle import VehicleFleet, VehicleSpec
from evaluation.simulator.physics.walker import WalkerCrowd
from evaluation.simulator.town.scenery import StaticBoxes
from evaluation.simulator.wire.codec import (
    BoundingBox,
    Rotation,
    Transform,
    Vector3D,
    VehicleControl,
    WalkerControl,
)

TICKS = 200
STEP_S = 0.05
KINDS = ("car", "van", "truck", "bus", "motorcycle", "bicycle")
HALF_M = (2.4, 0.95, 0.8)


def hills(xy_m: Floats, _near_z_m: Floats) -> Floats:
    """A ridge across and a slope along, of sums and products only."""
    x, y = xy_m[:, 0] / 40.0, xy_m[:, 1]
    heights: Floats = 3.0 * (x - np.rint(x)) * (x - np.rint(x)) + 0.02 * y
    return heights


def trace_hash() -> str:
    """Drive, walk, shove and collide; return a hash of all states of all ticks."""
    fleet, crowd, props = VehicleFleet(), WalkerCrowd(), PropShelf()
    tables: tuple[BodyTable, ...] = (fleet, crowd, props)
    wall = StaticBoxes(
        np.array([[60.0, 0.0, 1.0]]),
        np.array([[1.0, 9.0, 2.0]]),
        np.array([0.3]),
        np.array([3], np.uint8),
    )
    collisions = CollisionDetector(wall)
    for number, kind in enumerate(KINDS):
        pose = Transform(Vector3D(4.0 * number, 5.0 * number, 1.0), Rotation(yaw=37.0 * number))
        fleet.add(number + 1, VehicleSpec.for_class(kind, HALF_M), pose)
    crowd.add(20, (0.2, 0.25, 0.9), Transform(Vector3D(15.0, 2.0, 1.5)))
    props.add(30, BoundingBox(Vector3D(z=0.5), Vector3D(0.5, 0.5, 0.5)), Transform(Vector3D(9.0)))
    props.set_simulate_physics(30, True)
    digest = hashlib.sha256()
    for tick in range(TICKS):
        for number in range(len(KINDS)):
            steer = ((7 * tick + 31 * number) % 41 - 20) / 25.0
            brake = 0.8 if (tick + 11 * number) % 60 > 52 else 0.0
            fleet.set_control(number + 1, VehicleControl(0.9 - brake, steer, brake))
        way = Vector3D(tick % 7 - 3.0, 3.0 - tick % 5)
        crowd.set_control(20, WalkerControl(way, 1.0 + 0.1 * (tick % 9)))
        fleet.step(STEP_S, hills)
        crowd.step(STEP_S, hills)
        props.step(STEP_S)
        contacts = collisions.step(tables)
        for table in tables:
            digest.update(table.transforms().tobytes())
            digest.update(table.velocities_mps().tobytes())
            digest.update(table.angular_velocities_radps().tobytes())
            digest.update(table.accelerations_mps2().tobytes())
        poses = fleet.transforms()
        for part in compose(poses[:, :3], poses[:, 3:], poses[:, 3:] / 9.0, 0.7 * poses[:, 3:]):
            digest.update(part.tobytes())
        digest.update(repr([contact.impulse_ns for contact in contacts]).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    print(trace_hash())
