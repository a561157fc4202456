"""The real client records, asks and replays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import carla
import pytest

from tests.evaluation.simulator.client_session import DELTA_S, ClientSession, pose
from tests.evaluation.simulator.server_process import RunningSimulator

TICKS = 50
TOUCH_M = 6.5
"""Between the middles of the two cars when they begin to touch."""


class Drive:
    """A hero that bumps into a standing truck, beside a walker: recorded tick by tick."""

    def __init__(self, session: ClientSession) -> None:
        self.path = session.client.start_recorder("drive.log", True)
        self.hero = session.spawn("vehicle.lincoln.mkz_2020", pose(50.0, 1.75), role_name="hero")
        session.spawn("sensor.other.collision", carla.Transform(), self.hero)
        self.truck = session.spawn("vehicle.carlamotors.carlacola", pose(66.0, 1.75))
        self.walker = session.spawn("walker.pedestrian.0003", pose(60.0, 8.0, 1.0))
        self.walker.apply_control(carla.WalkerControl(carla.Vector3D(0.0, -1.0, 0.0), 1.2))
        session.world.tick()
        self.hero.set_target_velocity(carla.Vector3D(9.0, 0.0, 0.0))
        self.hero.apply_control(carla.VehicleControl(throttle=0.5, steer=0.01))
        self.places: list[carla.Location] = []
        for _ in range(TICKS):
            session.world.tick()
            self.places.append(self.hero.get_location())
        session.client.stop_recorder()
        session.world.tick()


@pytest.fixture(scope="module")
def replayed(tiny_simulator: RunningSimulator) -> Iterator[tuple[ClientSession, Drive]]:
    with ClientSession(tiny_simulator.port) as session:
        yield session, Drive(session)


def test_the_recording_is_in_the_folder(
    replayed: tuple[ClientSession, Drive], recordings: Path
) -> None:
    session, drive = replayed
    assert drive.path == str(recordings / "drive.log")
    assert (recordings / "drive.log").read_bytes()[4:18] == b"CARLA_RECORDER"
    for name in ("../drive.log", "/tmp/drive.log"):
        with pytest.raises(RuntimeError, match="expected the name of a file"):
            session.client.start_recorder(name)
    assert "not found on server" in session.client.show_recorder_file_info("none.log", False)


def test_what_happened_is_told(replayed: tuple[ClientSession, Drive]) -> None:
    session, drive = replayed
    info = session.client.show_recorder_file_info("drive.log", False)
    hero, truck, walker = drive.hero.id, drive.truck.id, drive.walker.id
    assert f" Create {hero}: vehicle.lincoln.mkz_2020 (1) at (5000" in info
    assert "  role_name = hero\n" in info
    assert "  number_of_wheels = 4\n" in info
    assert f" Create {walker}: walker.pedestrian.0003 (2)" in info
    assert f" Parenting {hero + 1} with {hero} (parent)" in info
    assert f"between {hero} (hero)  with {truck}\n" in info
    assert f"Frames: {TICKS + 1}\nDuration: {TICKS * DELTA_S:g} seconds\n" in info
    every = session.client.show_recorder_file_info("drive.log", True)
    assert every.count(" Positions: ") == TICKS + 1
    assert f"  Id: {hero} Steering: 0.01 Throttle: 0.5" in every
    touches = session.client.show_recorder_collisions("drive.log", "h", "v")
    assert f"v v  {hero:>6} vehicle.lincoln.mkz_2020" in touches
    assert "mkz" not in session.client.show_recorder_collisions("drive.log", "w", "a")
    still = session.client.show_recorder_actors_blocked("drive.log", 0.5, 100.0)
    first = still.splitlines()[5]
    assert "spectator" in first or "carlacola" in first


@pytest.mark.parametrize(("begin_s", "factor"), [(0.5, 1.0), (-1.0, 2.0), (1.0, 0.5)])
def test_actors_go_where_they_went(
    replayed: tuple[ClientSession, Drive], begin_s: float, factor: float
) -> None:
    session, drive = replayed
    session.client.set_replayer_time_factor(factor)
    told = session.client.replay_file("drive.log", begin_s, 0.0, drive.hero.id, False)
    assert f"Total time recorded: {TICKS * DELTA_S:g}\n" in told
    assert f" at {factor}x" in told
    start = begin_s if begin_s >= 0.0 else TICKS * DELTA_S + begin_s
    for tick in range(1, 8):
        session.world.tick()
        place = start / DELTA_S + factor * tick - 1.0
        before, share = drive.places[int(place)], place % 1.0
        there = before + share * (drive.places[int(place) + 1] - before)
        assert drive.hero.get_location().distance(there) < 2e-3
    session.client.stop_replayer(True)
    session.world.tick()
    assert drive.hero.is_alive
    assert drive.truck.is_alive


def test_those_that_are_gone_come_again_and_go(replayed: tuple[ClientSession, Drive]) -> None:
    session, drive = replayed
    session.client.set_replayer_time_factor(1.0)
    session.world.tick()
    for actor in (drive.truck, drive.walker):
        actor.destroy()
    session.world.tick()
    before = {actor.id for actor in session.world.get_actors()}
    session.client.set_replayer_ignore_spectator(False)
    session.client.replay_file("drive.log", 0.5, 0.0, drive.truck.id, False)
    session.world.tick()
    come = [actor for actor in session.world.get_actors() if actor.id not in before]
    assert sorted(actor.type_id for actor in come) == [
        "vehicle.carlamotors.carlacola",
        "walker.pedestrian.0003",
    ]
    truck = next(actor for actor in come if actor.type_id.startswith("vehicle"))
    assert truck.get_location().distance(carla.Location(66.0, 1.75, 0.0)) < 0.1
    spectator = session.world.get_spectator().get_location()
    assert spectator.distance(truck.get_location()) == pytest.approx(math.hypot(10.0, 5.0), abs=0.1)
    session.client.stop_replayer(False)
    session.world.tick()
    assert {actor.id for actor in session.world.get_actors()} == before


def test_a_replay_ends_by_itself(replayed: tuple[ClientSession, Drive]) -> None:
    session, drive = replayed
    session.client.replay_file("drive.log", 0.0, 0.2, 0, False)
    session.ticks(5)
    drive.hero.set_target_velocity(carla.Vector3D(5.0, 0.0, 0.0))
    session.ticks(2)
    assert drive.hero.get_velocity().x > 4.0
