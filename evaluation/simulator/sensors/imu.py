"""The inertial measurement unit: accelerometer, gyroscope and compass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgpack
import numpy as np

from evaluation.simulator.physics.pose import rotation_matrix
from evaluation.simulator.sensors.sensor import Schedule, header, noise_generator
from evaluation.simulator.wire.snapshot import Buffer, StreamType
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World


class ImuSensor:
    """Measures in its own axes, with CARLA's signs.

    A unit at rest feels +9.81 m/s2 upwards, or what a client has set instead; a right turn is a
    positive rate about z; the compass is 0 towards -y (north) and grows clockwise.
    """

    def __init__(self, world: World, actor: Actor) -> None:
        self.actor = actor
        self.schedule = Schedule(actor.description)
        self._generator = noise_generator(world, actor)
        read = actor.description.number
        self._accel_deviation = np.array([read(f"noise_accel_stddev_{i}", 0.0) for i in "xyz"])
        self._gyro_deviation = np.array([read(f"noise_gyro_stddev_{i}", 0.0) for i in "xyz"])
        self._gyro_bias = np.array([read(f"noise_gyro_bias_{i}", 0.0) for i in "xyz"])

    def measure(self, world: World) -> Sequence[Buffer]:
        """Return the message [acceleration m/s2, angular rate rad/s, compass rad]."""
        table, row = world.table, self.actor.row
        sensor_from_world = rotation_matrix(table.rotation_deg[row].tolist()).T
        rate_world = np.radians(table.angular_velocity_dps[row])
        felt_world = table.acceleration[row] + (0.0, 0.0, world.imu_gravity_mps2)
        parent = world.actors.get(self.actor.parent_id)
        if parent is not None:
            rate, arm_m = rate_world.tolist(), table.location[row] - table.location[parent.row]
            felt_world = felt_world + _cross(rate, _cross(rate, arm_m.tolist()))
        draws = self._generator.standard_normal(6)
        accelerometer = sensor_from_world @ felt_world + self._accel_deviation * draws[:3]
        gyroscope = sensor_from_world @ rate_world + self._gyro_bias
        gyroscope = gyroscope + self._gyro_deviation * draws[3:]
        compass = (math.radians(float(table.rotation_deg[row, 1])) + math.pi / 2) % (2 * math.pi)
        body = msgpack.packb((accelerometer.tolist(), gyroscope.tolist(), compass))
        return header(StreamType.IMU, world, self.actor), body


def _cross(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """The cross product; numpy's takes sixty times as long for three numbers."""
    (a, b, c), (x, y, z) = first, second
    return b * z - c * y, c * x - a * z, a * y - b * x
