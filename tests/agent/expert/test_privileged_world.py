"""What the expert reads of the world, from the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import carla
import pytest

from agent.expert.privileged_world import (
    DOOR_M,
    DOORS_EVERY_TICKS,
    DOORS_WITHIN_M,
    PrivilegedWorld,
)
from tests.evaluation.simulator.client_session import ClientSession, pose
from tests.evaluation.simulator.server_process import RunningSimulator, running_simulator
from tests.evaluation.simulator.tiny_town import straight_road

LINCOLN = "vehicle.lincoln.mkz_2020"
HALF_WIDTH_M = 0.92
EGO_X_M, PARKED_X_M, Y_M = 40.0, 60.0, 1.75


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    town: Path = tmp_path_factory.mktemp("towns") / "tiny.xodr"
    town.write_text(straight_road("tiny"))
    with running_simulator("--town", str(town)) as running:
        yield running


def seen(world: PrivilegedWorld, session: ClientSession) -> tuple[float, float]:
    """Half width of the other vehicle's box, and how far its middle is to the right."""
    others = world.view(session.ticks(1)).others
    assert len(others) == 1
    return float(others.half_extents_m[0, 1]), float(others.centres_world_m[0, 1]) - Y_M


@pytest.mark.parametrize("hand_brake", [True, False])
def test_an_open_door_widens_a_parked_vehicle(
    simulator: RunningSimulator, hand_brake: bool
) -> None:
    world = PrivilegedWorld("127.0.0.1", simulator.port)
    with ClientSession(simulator.port) as session:
        ego = session.spawn(LINCOLN, pose(EGO_X_M, Y_M), role_name="hero")
        parked = session.spawn(LINCOLN, pose(PARKED_X_M, Y_M))
        parked.apply_control(carla.VehicleControl(hand_brake=hand_brake))
        session.ticks(20)
        shut = seen(world, session)
        assert shut == pytest.approx((HALF_WIDTH_M, 0.0), abs=0.01)
        parked.open_door(carla.VehicleDoor.FL)
        session.ticks(1)
        if not hand_brake:
            # In traffic nobody gets out.
            assert seen(world, session) == shut
            return
        half_m = 0.5 * DOOR_M
        assert seen(world, session) == pytest.approx((HALF_WIDTH_M + half_m, -half_m), abs=0.01)
        parked.open_door(carla.VehicleDoor.FR)
        session.ticks(1)
        assert seen(world, session) == pytest.approx((HALF_WIDTH_M + DOOR_M, 0.0), abs=0.01)
        # Beside the car the ego itself would be met: what was known holds.
        parked.close_door(carla.VehicleDoor.All)
        ego.set_transform(pose(PARKED_X_M - 5.0, Y_M))
        session.ticks(1)
        assert seen(world, session)[0] == pytest.approx(HALF_WIDTH_M + DOOR_M, abs=0.01)
        ego.set_transform(pose(PARKED_X_M - DOORS_WITHIN_M + 1.0, Y_M))
        session.ticks(1)
        assert seen(world, session)[0] == pytest.approx(HALF_WIDTH_M, abs=0.01)


def test_a_door_is_noticed_within_two_ticks_unless_it_lies_behind(
    simulator: RunningSimulator,
) -> None:
    world = PrivilegedWorld("127.0.0.1", simulator.port)
    with ClientSession(simulator.port) as session:
        ego = session.spawn(LINCOLN, pose(EGO_X_M, Y_M), role_name="hero")
        parked = session.spawn(LINCOLN, pose(PARKED_X_M, Y_M))
        parked.apply_control(carla.VehicleControl(hand_brake=True))
        session.ticks(20)
        assert seen(world, session)[0] == pytest.approx(HALF_WIDTH_M, abs=0.01)
        parked.open_door(carla.VehicleDoor.FL)
        widths = [seen(world, session)[0] for _ in range(DOORS_EVERY_TICKS)]
        assert widths[-1] == pytest.approx(HALF_WIDTH_M + 0.5 * DOOR_M, abs=0.01)
        # Behind the ego it is of no concern; where it turns round, it is looked at again.
        parked.close_door(carla.VehicleDoor.All)
        ego.set_transform(pose(PARKED_X_M + 10.0, Y_M))
        for _ in range(DOORS_EVERY_TICKS + 1):
            assert seen(world, session)[0] == pytest.approx(HALF_WIDTH_M + 0.5 * DOOR_M, abs=0.01)
        ego.set_transform(pose(PARKED_X_M + 10.0, Y_M, yaw=180.0))
        widths = [seen(world, session)[0] for _ in range(DOORS_EVERY_TICKS + 1)]
        assert widths[-1] == pytest.approx(HALF_WIDTH_M, abs=0.01)
