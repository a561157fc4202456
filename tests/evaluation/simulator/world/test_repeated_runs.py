"""The same run gives the same world-state bytes: twice in one episode, after others, anywhere.

`STORED` is the hash of a run, on whatever processor; where a change of the physics changes it, the
failing test prints the new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation.simulator.calls.table import method_table
from evaluation.simulator.net.event_loop import EventLoop
from evaluation.simulator.net.ports import bind_pair
from evaluation.simulator.net.rpc import Caller
from evaluation.simulator.net.stream import StreamServer
from evaluation.simulator.options import ServeOptions
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.town.library import TownShelf
from evaluation.simulator.town.town import load_town
from evaluation.simulator.wire.codec import VehicleControl
from evaluation.simulator.wire.settings_records import EpisodeSettings

STORED = "d77cee84cd029ef079e05de76712d18c63ee5c56f055f52263d39f409bfb6d1a"
TICKS = 80
CAST = (
    ("vehicle.lincoln.mkz_2020", 50.0, 1.75),
    ("vehicle.carlamotors.carlacola", 66.0, 2.5),
    ("vehicle.yamaha.yzf", 40.0, -1.75),
    ("walker.pedestrian.0003", 60.0, 4.0),
    ("static.prop.trafficcone01", 58.0, 1.5),
)


@pytest.fixture(scope="module")
def simulator(tiny_towns: Path) -> Iterator[Simulator]:
    loop = EventLoop()
    rpc_socket, stream_socket = bind_pair("127.0.0.1", 0)
    rpc_socket.close()
    streams = StreamServer(loop, stream_socket)
    options = ServeOptions(town=str(tiny_towns / "tiny.xodr"))
    simulator = Simulator(options, loop, TownShelf(load_town, 0, None), streams)
    simulator.apply_settings(EpisodeSettings(True, False, 0.05))
    yield simulator
    simulator.close()
    streams.close()
    loop.close()


def run(simulator: Simulator, throttle: float = 1.0) -> bytes:
    """Let two vehicles and a walker run into what stands there; return what clients are told."""
    caller, world = Caller("test"), simulator.world
    call = {name: method.handler for name, method in method_table(simulator).items()}
    ids = [
        call["spawn_actor"](caller, [[0, type_id, []], [[x, y, 1.0], [0.0, 0.0, 0.0]]]).actor_id
        for type_id, x, y in CAST
    ]
    call["set_actor_simulate_physics"](caller, [ids[4], True])
    call["apply_control_to_walker"](caller, [ids[3], [[0.3, -1.0, 0.0], 1.4, False]])
    told = []
    for tick in range(TICKS):
        steer = ((7 * tick) % 11 - 5) / 20.0
        for actor_id in (ids[0], ids[2]):
            call["apply_control_to_vehicle"](
                caller, [actor_id, list(VehicleControl(throttle, steer))]
            )
        simulator.tick()
        rows = [world.actors[actor_id].row for actor_id in ids]
        for column in (world.table.location, world.table.rotation_deg, world.table.velocity):
            told.append(column[rows].tobytes())
        told.append(world.table.angular_velocity_dps[rows].tobytes())
        told.append(world.table.acceleration[rows].tobytes())
    for actor_id in ids:
        call["destroy_actor"](caller, [actor_id])
    return b"".join(told)


def test_a_run_repeats_itself(simulator: Simulator) -> None:
    first = run(simulator)
    assert hashlib.sha256(first).hexdigest() == STORED
    for _ in range(3):
        simulator.tick()
    assert run(simulator, throttle=0.4) != first
    assert run(simulator) == first
    simulator.load(simulator.world.town, simulator.world.settings)
    assert run(simulator) == first
