"""Transition table of the creep recovery."""

from __future__ import annotations

import math

import pytest

from planner.creep import CreepSettings, CreepState, advance_creep, apply_creep
from planner.records import Control

SETTINGS = CreepSettings(standing_mps=0.1, patience_ticks=800, push_ticks=15, throttle=0.4)


@pytest.mark.parametrize(
    ("state", "speed_mps", "expected"),
    [
        (CreepState(0, 0), 5.0, CreepState(0, 0)),
        (CreepState(0, 0), 0.0, CreepState(1, 0)),
        (CreepState(500, 0), 0.1, CreepState(0, 0)),
        (CreepState(500, 0), -0.5, CreepState(0, 0)),
        (CreepState(798, 0), 0.05, CreepState(799, 0)),
        (CreepState(799, 0), 0.05, CreepState(0, 15)),
        (CreepState(799, 0), 1.0, CreepState(0, 0)),
        (CreepState(0, 15), 0.0, CreepState(0, 14)),
        (CreepState(0, 15), 3.0, CreepState(0, 14)),
        (CreepState(0, 2), math.nan, CreepState(0, 1)),
        (CreepState(0, 1), 0.0, CreepState(1, 0)),
        (CreepState(0, 1), 2.0, CreepState(0, 0)),
        (CreepState(300, 0), math.nan, CreepState(300, 0)),
    ],
)
def test_transitions(state: CreepState, speed_mps: float, expected: CreepState) -> None:
    assert advance_creep(state, speed_mps, SETTINGS) == expected


def test_a_push_starts_after_the_patience_and_lasts() -> None:
    state, pushing = CreepState(), []
    for tick in range(1700):
        state = advance_creep(state, 0.0, SETTINGS)
        if state.push_ticks_left > 0:
            pushing.append(tick)
    assert pushing == [*range(799, 814), *range(1613, 1628)]


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (Control(0.2, 0.0, 1.0), Control(0.2, 0.4, 0.0)),
        (Control(0.2, 0.7, 0.0), Control(0.2, 0.7, 0.0)),
    ],
)
def test_a_push_takes_the_brake_off(control: Control, expected: Control) -> None:
    assert apply_creep(control, CreepState(0, 3), SETTINGS) == expected
    assert apply_creep(control, CreepState(40, 0), SETTINGS) == control
