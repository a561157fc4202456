"""Our stand-in for the leaderboard's base class."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import carla
import numpy as np
import pytest

from agent.agent_contract import GpsPlan, OwnAutonomousAgent, WorldPlan, command_of, plan_arrays
from planner.records import Command


class RoadOption(IntEnum):
    LEFT = 1
    LANEFOLLOW = 4


def plan(commands: Sequence[object]) -> tuple[GpsPlan, WorldPlan]:
    world = [
        (carla.Transform(carla.Location(float(x), 2.0, 0.5), carla.Rotation(yaw=90.0)), command)
        for x, command in enumerate(commands)
    ]
    gps = [({"lat": 0.0, "lon": float(x), "z": 0.0}, c) for x, c in enumerate(commands)]
    return gps, world


@pytest.mark.parametrize("option", [RoadOption.LEFT, Command.LEFT, 1])
def test_commands_of_any_package(option: object) -> None:
    assert command_of(option) is Command.LEFT


def test_the_plan_is_thinned_alike_in_both_systems() -> None:
    commands = [RoadOption.LANEFOLLOW] * 30 + [RoadOption.LEFT] * 10
    agent = OwnAutonomousAgent("localhost", 2000)
    agent.set_global_plan(*plan(commands))
    assert agent._global_plan is not None
    assert agent._global_plan_world_coord is not None
    kept = [place.location.x for place, _ in agent._global_plan_world_coord]
    assert kept == [0.0, 30.0, 39.0]
    assert [place["lon"] for place, _ in agent._global_plan] == kept


def test_plans_as_arrays() -> None:
    positions, yaws, commands = plan_arrays(plan([RoadOption.LANEFOLLOW, 1])[1])
    np.testing.assert_allclose(positions, [[0.0, 2.0, 0.5], [1.0, 2.0, 0.5]])
    np.testing.assert_allclose(yaws, np.pi / 2)
    assert commands == [Command.LANE_FOLLOW, Command.LEFT]
