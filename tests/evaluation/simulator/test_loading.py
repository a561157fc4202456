"""`load_world`: the same town, another one, one that does not exist."""

from __future__ import annotations

import pytest

from tests.evaluation.simulator.client_session import DELTA_S, ClientSession, pose
from tests.evaluation.simulator.server_process import RunningSimulator


def test_reload_gives_a_fresh_world(session: ClientSession) -> None:
    before = session.world.id
    session.spawn("vehicle.audi.tt", pose(50.0, 1.75))
    session.ticks(3)
    session.world = session.client.load_world("tiny", False)
    assert session.world.id != before
    session.ticks(1)
    assert not session.world.get_actors().filter("vehicle.*")
    assert session.world.get_settings().synchronous_mode
    assert session.world.get_settings().fixed_delta_seconds == pytest.approx(DELTA_S)
    assert session.world.get_snapshot().timestamp.elapsed_seconds < 1.0


def test_other_town_is_loaded_by_name_and_back(session: ClientSession) -> None:
    for name, length_m, limit_kmh in (
        ("other", 200.0, 70.0),
        ("/Game/Carla/Maps/tiny", 600.0, 40.0),
    ):
        session.world = session.client.load_world(name, False)
        town = session.world.get_map()
        assert town.name.rsplit("/", 1)[-1] == name.rsplit("/", 1)[-1]
        far = max(waypoint.transform.location.x for waypoint in town.generate_waypoints(5.0))
        assert far == pytest.approx(length_m, abs=6.0)
        car = session.spawn("vehicle.audi.tt", pose(100.0, 1.75))
        session.ticks(2)
        assert car.get_speed_limit() == pytest.approx(limit_kmh)
        car.destroy()


def test_unknown_town_is_named(session: ClientSession) -> None:
    with pytest.raises(RuntimeError, match="Atlantis"):
        session.client.load_world("Atlantis")
    assert session.world.get_map().name.endswith("tiny")


def test_reset_settings_makes_the_world_asynchronous(tiny_simulator: RunningSimulator) -> None:
    with ClientSession(tiny_simulator.port) as session:
        session.world = session.client.load_world("tiny")
        assert not session.world.get_settings().synchronous_mode
        first = session.world.wait_for_tick(5.0).frame
        assert session.world.wait_for_tick(5.0).frame > first
        session.apply_synchronous(True)


def test_load_right_after_making_a_traffic_manager(demo_simulator: RunningSimulator) -> None:
    """What the leaderboard does for every route."""
    with ClientSession(demo_simulator.port) as session:
        for _ in range(2):
            with session.traffic_manager():
                with session.clock:
                    session.world = session.client.load_world("Demo", False)
                session.ticks(1)
            assert session.world.get_snapshot().frame > 0
