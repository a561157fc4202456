"""Moments before the present one."""

from __future__ import annotations

import numpy as np

from agent.history import History


def test_oldest_first_and_an_interval_apart() -> None:
    history = History(moments=3, interval_ticks=5)
    for tick in range(30):
        seen = history.add(np.array([tick, -tick]))
    assert seen.tolist() == [[19, -19], [24, -24], [29, -29]]


def test_first_value_stands_in_for_what_was_before() -> None:
    history = History(moments=3, interval_ticks=2)
    seen = [history.add(np.array(tick)).tolist() for tick in range(5)]
    assert seen == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 3], [0, 2, 4]]


def test_one_moment_is_the_present() -> None:
    history = History(moments=1, interval_ticks=5)
    history.add(np.array(1.0))
    assert history.add(np.array(2.0)).tolist() == [2.0]


def test_nothing_from_before_a_gap() -> None:
    history = History(moments=2, interval_ticks=1)
    history.add(np.array(1.0))
    history.clear()
    assert history.add(np.array(9.0)).tolist() == [9.0, 9.0]
