"""Times of a route are the same however long the simulator has run."""

from __future__ import annotations

import itertools

from planner.simulated_time import since_s

TICK_S = 0.05


def summed_up_s(first_tick: int, count: int) -> list[float]:
    """Times of ticks as a simulator gives them that began at 0."""
    sums = itertools.accumulate(itertools.repeat(TICK_S, first_tick + count), initial=0.0)
    return list(sums)[first_tick:]


def test_times_do_not_depend_on_what_was_before() -> None:
    new, used = summed_up_s(3, 2000), summed_up_s(800, 2000)
    assert [now_s - new[0] for now_s in new] != [now_s - used[0] for now_s in used]
    assert [since_s(now_s, new[0]) for now_s in new] == [since_s(now_s, used[0]) for now_s in used]


def test_it_is_the_time_all_the_same() -> None:
    assert since_s(40.35, 40.0) == 0.35
    assert since_s(0.123456, 0.0) == 0.123456
