"""Leaderboard entry of a driver that ignores everybody: what a score means is seen against it.

It follows the route at the speed limit as the expert does, but sees no other road user, no light
and no sign. The leaderboard puts this folder on `sys.path` and imports this file by its base name.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import carla

_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from agent.expert.privileged_world import PrivilegedWorld, WorldView  # noqa: E402
from agent.expert.road_users import NOBODY  # noqa: E402
from agent.expert_agent import ExpertAgent  # noqa: E402


def get_entry_point() -> str:
    """Name of the class that the leaderboard is to build."""
    return "BlindAgent"


class EmptyWorld(PrivilegedWorld):
    """The world as if the ego were alone in it."""

    def actors(self, pattern: str) -> list[carla.Actor]:
        """No actor is seen, whatever the pattern."""
        return []

    def view(self, frame: int) -> WorldView:
        """The ego's own state at a frame."""
        return dataclasses.replace(super().view(frame), others=NOBODY)


class BlindAgent(ExpertAgent):
    """The expert in an empty world."""

    def _connect(self) -> PrivilegedWorld:
        return EmptyWorld(*self._address)
