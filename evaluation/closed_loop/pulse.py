"""What a process is busy with, in memory that the one above it can read.

A process that hangs, or that is ended by a library's thread, cannot tell any more what it was
doing: these few numbers tell it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

CELLS = 6


class Phase(IntEnum):
    """Parts of a drive, by whose code runs in them."""

    IDLE = 0
    SIMULATOR = 1
    AGENT_SETUP = 2
    AGENT_STEP = 3
    AGENT_DESTROY = 4
    EVALUATION = 5
    PERSON = 6
    OFFICIAL = 7

    @property
    def is_agents(self) -> bool:
        return self in (Phase.AGENT_SETUP, Phase.AGENT_STEP, Phase.AGENT_DESTROY)


@dataclass(frozen=True)
class TimeLimits:
    """How long an agent may take before its process is ended, in seconds of the wall clock.

    The official evaluator has one limit for all (`--timeout`, 300 s). One tick of the full-size
    model takes 24 s on a CPU, and loading it about as long.
    """

    setup_s: float = 300.0
    step_s: float = 120.0
    destroy_s: float = 60.0


@dataclass(frozen=True)
class Reading:
    """phase, and since when in seconds of the system's monotonic clock; how far the route is."""

    phase: Phase
    since_s: float
    completion_percent: float
    penalty: float
    game_s: float
    speed_mps: float


class Pulse:
    """Six numbers; `cells` is a shared array where two processes look at them."""

    def __init__(self, cells: MutableSequence[float] | None = None) -> None:
        self._cells: MutableSequence[float] = [0.0] * CELLS if cells is None else cells

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Marks the phase for as long as the block runs."""
        before = self._cells[0]
        self._enter(phase)
        try:
            yield
        finally:
            self._enter(before)

    def _enter(self, phase: float) -> None:
        # In this order a reader takes the new phase for too young rather than for too old.
        self._cells[1] = time.monotonic()
        self._cells[0] = float(phase)

    def show(
        self, completion_percent: float, penalty: float, game_s: float, speed_mps: float
    ) -> None:
        """How far the route is, for people who wait."""
        self._cells[2:] = [completion_percent, penalty, game_s, speed_mps]

    def read(self) -> Reading:
        phase, *numbers = self._cells[:]
        return Reading(Phase(int(phase)), *numbers)
