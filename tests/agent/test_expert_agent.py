"""What the expert asks the leaderboard for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from agent.expert.privileged_world import PrivilegedWorld
from agent.expert_agent import ExpertAgent


class Unconnected(ExpertAgent):
    def _connect(self) -> PrivilegedWorld:
        return cast(PrivilegedWorld, SimpleNamespace(release=lambda: None))


@pytest.mark.parametrize(
    ("settings", "sensors"),
    [
        # No speedometer: official evaluators would wait for its thread in every tick.
        ("", {"gnss", "imu"}),
        ("cameras=true,rig=debug", {"gnss", "imu", "speed", "rgb", "rgb_left", "rgb_right"}),
    ],
)
def test_the_expert_asks_for_what_it_looks_at(settings: str, sensors: set[str]) -> None:
    agent = Unconnected("localhost", 2000)
    agent.setup(settings)
    assert {spec["id"] for spec in agent.sensors()} == sensors
    agent.destroy()
