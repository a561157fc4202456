"""The driver that ignores everybody sees itself and nothing else."""

from __future__ import annotations

import carla
import numpy as np
import pytest

from agent.blind_agent import BlindAgent, EmptyWorld
from agent.expert.privileged_world import PrivilegedWorld, WorldView
from agent.expert.road_users import RoadUsers
from planner.records import EgoState


def crowded(_: PrivilegedWorld, frame: int) -> WorldView:
    other = RoadUsers(
        ids=(5,),
        kinds=("vehicle",),
        centres_world_m=np.array([[10.0, 0.0]]),
        yaws_rad=np.zeros(1),
        heights_m=np.zeros(1),
        half_extents_m=np.array([[2.3, 0.9]]),
        velocities_world_mps=np.zeros((1, 2)),
        yaw_rates_radps=np.zeros(1),
    )
    ego = EgoState(np.array([1.0, 2.0]), 0.5, 7.0)
    return WorldView(frame, 1.5, ego, carla.Transform(), 0.1, other)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> PrivilegedWorld:
    """What the agent connects to, without a connection."""
    monkeypatch.setattr(PrivilegedWorld, "__init__", lambda self, host, port: None)
    monkeypatch.setattr(PrivilegedWorld, "view", crowded)
    return BlindAgent("localhost", 2000)._connect()


def test_the_world_is_empty_but_for_the_ego(world: PrivilegedWorld) -> None:
    seen, real = world.view(7), crowded(world, 7)
    assert isinstance(world, EmptyWorld)
    assert len(seen.others) == 0
    assert (seen.frame, seen.timestamp_s) == (real.frame, real.timestamp_s)
    assert seen.ego.speed_mps == real.ego.speed_mps


@pytest.mark.parametrize("pattern", ["traffic.traffic_light", "traffic.stop"])
def test_there_are_no_lights_and_signs(world: PrivilegedWorld, pattern: str) -> None:
    assert world.actors(pattern) == []
