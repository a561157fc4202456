"""What is measured of the vehicles around the ego."""

from __future__ import annotations

from types import SimpleNamespace

import carla
import pytest

from evaluation.closed_loop.background_traffic import Traffic


def test_speeds_are_those_over_the_ground_of_vehicles_that_exist() -> None:
    velocities = {1: carla.Vector3D(3.0, -4.0, 2.0), 2: carla.Vector3D(0.0, 0.0, -9.0)}
    actors = {
        actor_id: SimpleNamespace(get_velocity=lambda velocity=velocity: velocity)
        for actor_id, velocity in velocities.items()
    }
    traffic = Traffic.__new__(Traffic)
    traffic.vehicle_ids = (1, 2, 3)
    speeds_mps = traffic.speeds_mps(SimpleNamespace(find=actors.get))
    assert speeds_mps == pytest.approx([5.0, 0.0])
