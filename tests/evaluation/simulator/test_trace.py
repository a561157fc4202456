"""Same seed and same calls, same world; another seed, another: runs of processes are compared."""

from __future__ import annotations

import hashlib
from pathlib import Path

import carla

from tests.evaluation.simulator.client_session import ClientSession, pose
from tests.evaluation.simulator.server_process import running_simulator

TICKS = 60


def trace(town: Path, seed: int) -> str:
    """Drive two cars into each other and return a hash of all states and readings."""
    digest = hashlib.sha256()
    with (
        running_simulator("--town", str(town), "--seed", str(seed)) as running,
        ClientSession(running.port) as session,
    ):
        session.world = session.client.load_world("tiny", False)
        ego = session.spawn("vehicle.lincoln.mkz_2020", pose(50.0, 1.75))
        session.spawn("vehicle.carlamotors.carlacola", pose(75.0, 2.5))
        walker = session.spawn("walker.pedestrian.0003", pose(60.0, 6.0, 1.0))
        noise = {f"noise_{axis}_stddev": 5e-6 for axis in ("lat", "lon", "alt")}
        readings = session.listen(
            session.spawn("sensor.other.gnss", carla.Transform(), ego, **noise)
        )
        walker.apply_control(carla.WalkerControl(carla.Vector3D(0.0, -1.0, 0.0), 1.2))
        for tick in range(TICKS):
            steer = 0.1 if tick % 20 < 10 else -0.1
            ego.apply_control(carla.VehicleControl(throttle=1.0, steer=steer))
            reading = session.read(readings, session.world.tick())
            states = [reading.latitude, reading.longitude, reading.altitude]
            for actor in sorted(session.world.get_snapshot(), key=lambda item: item.id):
                place, velocity = actor.get_transform(), actor.get_velocity()
                states += [actor.id, place.location, place.rotation, velocity]
                states += [actor.get_angular_velocity(), actor.get_acceleration()]
            digest.update(repr([str(state) for state in states]).encode())
        assert ego.get_location().x > 60.0
    return digest.hexdigest()


def test_same_seed_same_trace(tiny_towns: Path) -> None:
    town = tiny_towns / "tiny.xodr"
    first = trace(town, 5)
    assert trace(town, 5) == first
    assert trace(town, 6) != first
