from __future__ import annotations

from collections.abc import Sequence
from threading import Event, current_thread, main_thread

import pytest

from evaluation.scoring.meanwhile import Meanwhile
from evaluation.scoring.tick import Infraction, Kind, Tick
from tests.evaluation.scoring.ticks import tick_at


class Slow:
    """Remembers the frames that it has seen, once it is allowed to look at them."""

    def __init__(self) -> None:
        self.may_look = Event()
        self.frames: list[int] = []

    def step(self, tick: Tick) -> Sequence[Infraction]:
        self.may_look.wait(timeout=10.0)
        assert current_thread() is not main_thread()
        self.frames.append(tick.frame)
        return ()

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        assert current_thread() is main_thread()
        return (Infraction(Kind.OUTSIDE_LANES, tick.frame, f"{len(self.frames)} ticks"),)


class Broken(Slow):
    def step(self, tick: Tick) -> Sequence[Infraction]:
        raise ValueError("no lane there")


def test_nobody_waits_for_a_step_and_every_tick_is_judged_in_order_before_the_end() -> None:
    slow = Slow()
    meanwhile = Meanwhile(slow)
    ticks = [tick_at(float(n), frame=n) for n in range(50)]
    assert all(meanwhile.step(tick) == () for tick in ticks)
    assert slow.frames == []
    slow.may_look.set()
    (found,) = meanwhile.finish(ticks[-1])
    assert slow.frames == list(range(50))
    assert found.message == "50 ticks"


def test_without_a_tick_there_is_nothing_to_wait_for() -> None:
    (found,) = Meanwhile(Slow()).finish(tick_at(0.0))
    assert found.message == "0 ticks"


def test_what_the_criterion_raises_is_raised_at_the_end_at_the_latest() -> None:
    meanwhile = Meanwhile(Broken())
    meanwhile.step(tick_at(0.0))
    with pytest.raises(ValueError, match="no lane there"):
        meanwhile.finish(tick_at(0.0))
    with pytest.raises(ValueError, match="no lane there"):
        meanwhile.step(tick_at(1.0))
