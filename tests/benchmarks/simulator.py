"""What a tick of the simulator costs.

    python -m tests.benchmarks.simulator [--town demo] [--ticks 200] [--vehicles 40]

Starts a simulator, connects the real client in synchronous mode and prints a table. "tick" is what
the client waits for, until the images of that frame are there; with vehicles it includes the
client's own traffic manager. "server" and "client" are the processor time of the two processes per
tick (medians), which a busy machine distorts less than waiting time. A second table splits the
server's part; it is measured in this process, without the client, on vehicles that drive straight
on and start again before they leave their street.
"""

from __future__ import annotations

import argparse
import os
import platform
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import carla
import numpy as np

from evaluation.simulator.catalogue.blueprints import BlueprintLibrary
from evaluation.simulator.sensors.measure import world_state
from evaluation.simulator.town.town import load_town
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import Vector3D, VehicleControl
from evaluation.simulator.wire.dialect import DIALECTS
from evaluation.simulator.world.roadside import show_road_facts
from evaluation.simulator.world.step import show_lights
from evaluation.simulator.world.world import World
from tests.evaluation.simulator.client_session import ClientSession
from tests.evaluation.simulator.server_process import RunningSimulator, running_simulator

EGO = "vehicle.lincoln.mkz_2020"
CAR = "vehicle.tesla.model3"
NANO_YAWS_DEG = (0.0, -58.0, 58.0)
WARM_UP_TICKS = 40
RESTART_TICKS = 30
SPEED_MPS = 8.0
DELTA_S = 0.05
PICTURE_TIMEOUT_S = 30.0


class Cost(NamedTuple):
    """Milliseconds per tick."""

    name: str
    tick_p50_ms: float
    tick_p95_ms: float
    server_ms: float
    client_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--town", default="demo", help="demo, generated:SEED or PATH.xodr")
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("--vehicles", type=int, default=40)
    arguments = parser.parse_args()
    many = f"{arguments.vehicles} vehicles"
    print(machine())
    with running_simulator("--town", arguments.town, "--seed", "1") as server:
        print(f"town {server.town}, renderer {server.renderer}, {arguments.ticks} ticks\n")
        print(f"{'':28s}{'tick p50':>10s}{'p95':>10s}{'server':>10s}{'client':>10s}   ms per tick")
        for name, vehicles, cameras in (
            ("empty", 0, False),
            (many, arguments.vehicles, False),
            ("three NANO cameras", 0, True),
            (f"{many}, NANO cameras", arguments.vehicles, True),
        ):
            cost = measure(name, server, arguments.ticks, vehicles, cameras)
            print(
                f"{cost.name:28s}{cost.tick_p50_ms:10.2f}{cost.tick_p95_ms:10.2f}"
                f"{cost.server_ms:10.2f}{cost.client_ms:10.2f}"
            )
    print(f"\n{'inside the server, ' + many:40s}{'ms':>8s}")
    for name, value_ms in split_tick(arguments.town, arguments.vehicles, arguments.ticks).items():
        print(f"{name:40s}{value_ms:8.3f}")


def machine() -> str:
    """Name the processor, the number of cores and how busy they are."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def cpu_ms(pid: int) -> float:
    """Return the processor time that all threads of a process have used."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


# With the client


def measure(
    name: str, server: RunningSimulator, ticks: int, vehicles: int, with_cameras: bool
) -> Cost:
    """Tick a fresh scene and return what it costs."""
    with ClientSession(server.port) as session:
        images = nano_cameras(session) if with_cameras else []
        with traffic(session, vehicles):
            spent_ms = []
            for _ in range(WARM_UP_TICKS + ticks):
                before = clocks_ms(server)
                frame = session.ticks(1)
                for readings in images:
                    wait_for(readings, frame)
                spent_ms.append(clocks_ms(server) - before)
    wait, of_server, of_client = np.array(spent_ms[WARM_UP_TICKS:]).T
    return Cost(
        name,
        float(np.median(wait)),
        float(np.percentile(wait, 95)),
        float(np.median(of_server)),
        float(np.median(of_client)),
    )


def clocks_ms(server: RunningSimulator) -> np.ndarray:
    """Return wall time and the processor times of server and client."""
    return np.array((time.perf_counter() * 1e3, cpu_ms(server.process.pid), cpu_ms(os.getpid())))


def nano_cameras(session: ClientSession) -> list[queue.Queue[carla.Image]]:
    """Spawn the ego vehicle with the cameras of the NANO preset; return their readings."""
    start = session.world.get_map().get_spawn_points()[0]
    ego = session.spawn(EGO, start)
    readings = []
    for yaw_deg in NANO_YAWS_DEG:
        camera = session.spawn(
            "sensor.camera.rgb",
            carla.Transform(carla.Location(x=-1.0, z=2.2), carla.Rotation(yaw=yaw_deg)),
            ego,
            image_size_x=192,
            image_size_y=96,
            fov=65,
        )
        readings.append(session.listen(camera))
    session.ticks(2)
    return readings


def wait_for(readings: queue.Queue[carla.Image], frame: int) -> None:
    """Take images until the one of a frame."""
    while readings.get(timeout=PICTURE_TIMEOUT_S).frame < frame:
        pass


@contextmanager
def traffic(session: ClientSession, count: int) -> Iterator[None]:
    """Let the traffic manager drive `count` vehicles on spread spawn points."""
    if not count:
        yield
        return
    with session.traffic_manager() as manager:
        manager.set_random_device_seed(1)
        points = session.world.get_map().get_spawn_points()
        chosen = points[1 :: max((len(points) - 1) // count, 1)][:count]
        cars = [session.spawn(CAR, point) for point in chosen]
        session.ticks(1)
        for car in cars:
            car.set_autopilot(True, manager.get_port())
        yield
        for car in cars:
            car.set_autopilot(False, manager.get_port())


# Without the client


def split_tick(town_spec: str, vehicles: int, ticks: int) -> dict[str, float]:
    """Return the median processor time (ms) of the parts of a tick of the world."""
    town = load_town(town_spec, 1)
    dialect = DIALECTS["0.9.16"]
    world = World(town, BlueprintLibrary(), 1, 1)
    model = Description(0, CAR)
    step = max(len(town.spawn_points) // max(vehicles, 1), 1)
    starts = {}
    for point in town.spawn_points[::step][:vehicles]:
        actor = world.spawn(model, point)
        world.apply_vehicle_control(actor, VehicleControl(throttle=0.5))
        starts[actor.actor_id] = point
    ground = town.ground_height_m
    parts: dict[str, Callable[[], object]] = {
        "vehicles": lambda: world.fleet.step(DELTA_S, ground),
        "walkers": lambda: world.crowd.step(DELTA_S, ground),
        "props": lambda: world.props.step(DELTA_S),
        "collisions": lambda: world.collisions.step(world.body_tables()),
        "traffic lights": lambda: world.lights.step(DELTA_S),
        "lamps into the table": lambda: show_lights(world),
        "poses into the table": world.show_bodies,
        "attached actors": world.follow_parents,
        "limits and lights ahead": lambda: show_road_facts(world),
        "world state message": lambda: world_state(world, 1, dialect),
    }
    spent_ms: dict[str, list[float]] = {name: [] for name in parts}
    for index in range(WARM_UP_TICKS + ticks):
        if index % RESTART_TICKS == 0:
            for actor_id, point in starts.items():
                heading = np.radians(point.rotation.yaw)
                velocity = SPEED_MPS * np.array((np.cos(heading), np.sin(heading), 0.0))
                world.fleet.teleport(actor_id, point)
                world.fleet.set_velocity(actor_id, Vector3D(*velocity.tolist()))
        for name, part in parts.items():
            begin_s = time.process_time()
            part()
            spent_ms[name].append(1e3 * (time.process_time() - begin_s))
    split = {name: float(np.median(spent[WARM_UP_TICKS:])) for name, spent in spent_ms.items()}
    return {**split, "sum": sum(split.values())}


if __name__ == "__main__":
    main()
