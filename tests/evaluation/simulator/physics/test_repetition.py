"""A run repeats itself, whatever ran before it in the same fleet."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.simulator.physics.bodies import Floats
from evaluation.simulator.physics.vehicle import VehicleFleet, VehicleSpec
from evaluation.simulator.wire.codec import Transform, Vector3D, VehicleControl


def hills(xy_m: Floats, _near_z_m: Floats) -> Floats:
    heights: Floats = 2.0 * np.sin(xy_m[:, 0] / 9.0)
    return heights


def drive(fleet: VehicleFleet, actor_id: int) -> list[float]:
    fleet.add(actor_id, VehicleSpec.for_class("car", (2.45, 0.92, 0.75)), Transform(Vector3D()))
    fleet.set_control(actor_id, VehicleControl(throttle=0.8))
    for _ in range(100):
        fleet.step(0.05, hills)
    place: list[float] = fleet.transforms()[fleet.row(actor_id)].tolist()
    fleet.remove(actor_id)
    return place


@pytest.mark.parametrize("ticks_between", [1, 2, 3])
def test_the_same_run_twice_in_one_fleet(ticks_between: int) -> None:
    fleet = VehicleFleet()
    parked = Transform(Vector3D(500.0, 0.0, 0.0))
    fleet.add(1, VehicleSpec.for_class("car", (2.45, 0.92, 0.75)), parked)
    first = drive(fleet, 2)
    for _ in range(ticks_between):
        fleet.step(0.05, hills)
    assert drive(fleet, 3) == first
