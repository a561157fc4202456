"""What all streaming sensors share: when they measure, where they are, and their noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.snapshot import Buffer, sensor_header
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

_TIME_SLACK_S = 1e-6
_COUNT_DIGITS = 6

Message = tuple[int, Sequence[Buffer]]
"""A stream id and the parts of one message on it."""


class Schedule:
    """Decides at which ticks a sensor measures: every `sensor_tick` seconds, 0 for all.

    Attributes:
        interval_s: time between the last two measurements that were due, heard or not; 0 before
            the second one.
    """

    def __init__(self, description: Description) -> None:
        self.period_s = description.number("sensor_tick", 0.0)
        self.interval_s = 0.0
        self._next_s = float("-inf")
        self._last_s: float | None = None

    def is_due(self, elapsed_s: float) -> bool:
        """Whether the sensor measures at this simulated time; asked once a tick."""
        if elapsed_s + _TIME_SLACK_S < self._next_s:
            return False
        self.interval_s = 0.0 if self._last_s is None else elapsed_s - self._last_s
        self._last_s = elapsed_s
        late = self._next_s + self.period_s <= elapsed_s
        self._next_s = (elapsed_s if late else self._next_s) + self.period_s
        return True


def whole(wanted: float) -> int:
    """Return a number of rays; what the rounding of times adds or takes does not count."""
    return round(round(wanted, _COUNT_DIGITS))


def header(stream_type: int, world: World, actor: Actor) -> bytes:
    """Return the header of a message measured now."""
    return sensor_header(stream_type, world.frame, world.elapsed_s, world.transform(actor))


def noise_generator(world: World, actor: Actor, *moment: int) -> np.random.Generator:
    """Return the noise source of a sensor, or of one `moment` of it.

    It depends on the world's seed, the sensor's place among this episode's actors, and the
    sensor's own `noise_seed`, so that an episode repeats itself whatever ran before it.
    """
    own_seed = int(actor.description.number("noise_seed", 0.0))
    place = actor.actor_id - world.first_actor_id
    seeds = [world.seed & 0xFFFFFFFF, place, own_seed & 0xFFFFFFFF, *moment]
    return np.random.default_rng(seeds)
