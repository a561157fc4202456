"""Where others are waited for, and how the margins shrink with the waiting."""

from __future__ import annotations

import pytest

from agent.expert.conflict import (
    FORCED_BEFORE_S,
    GOES_ON_S,
    ConflictSettings,
    Patience,
    impatient,
    wait_room_m,
)

SETTINGS = ConflictSettings()


@pytest.mark.parametrize(
    ("front_m", "room_m", "waits_at_m"),
    [
        (40.0, 25.0, 58.5),  # half in the junction: before its line
        (40.0, 35.0, 75.0),  # wholly in it: there
        (40.0, 15.0, 55.0),  # before the junction: there
        (40.0, 80.0, 120.0),  # beyond it: there
        (58.8, 5.0, 58.5),  # stopped a little late
        (59.8, 5.0, 59.4),
        (65.0, 10.0, 75.0),  # in the junction already
    ],
)
def test_where_others_are_waited_for(front_m: float, room_m: float, waits_at_m: float) -> None:
    room = wait_room_m(room_m, front_m, [(60.0, 85.0), (200.0, 220.0)])
    assert front_m + room == pytest.approx(waits_at_m)


@pytest.mark.parametrize(
    ("waited_s", "goes", "before_s", "after_s"),
    [
        (0.0, False, SETTINGS.before_s, SETTINGS.after_s),
        (0.0, True, SETTINGS.before_s, SETTINGS.after_s),
        (5.0, False, SETTINGS.before_s, SETTINGS.after_s),
        (5.0, True, SETTINGS.before_s - GOES_ON_S, SETTINGS.after_s),
        (12.5, False, 0.5 * (SETTINGS.before_s + FORCED_BEFORE_S), 0.5 * SETTINGS.after_s),
        (20.0, False, FORCED_BEFORE_S, 0.0),
        (300.0, False, FORCED_BEFORE_S, 0.0),
    ],
)
def test_margins_shrink_with_the_waiting(
    waited_s: float, goes: bool, before_s: float, after_s: float
) -> None:
    shrunk = impatient(SETTINGS, waited_s, goes)
    assert (shrunk.before_s, shrunk.after_s) == pytest.approx((before_s, after_s))
    assert shrunk.walker_after_s == SETTINGS.walker_after_s


def test_patience_counts_the_standing_until_the_place_is_left() -> None:
    patience = Patience()
    patience.step(50.0, 5.0, True, 1.0)
    assert patience.waited_s == 0.0
    for _ in range(4):
        patience.step(52.0, 0.0, True, 1.0)
    patience.step(52.0, 0.0, False, 1.0)
    patience.step(65.0, 6.0, False, 1.0)
    assert patience.waited_s == 4.0
    patience.step(75.0, 8.0, False, 1.0)
    assert patience.waited_s == 0.0
