"""Our criteria against scenario_runner's own, event by event, on recorded drives.

Where ours differ on purpose, a test has the difference in its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest

from evaluation.scoring.criteria_set import CriteriaSet, Measures
from evaluation.scoring.tick import Infraction, Kind
from tests.evaluation.scoring.drives import DRIVES
from tests.evaluation.scoring.trace import Trace, load, names

COLLISIONS = {Kind.COLLISION_LAYOUT, Kind.COLLISION_PEDESTRIAN, Kind.COLLISION_VEHICLE}
OF_SCENARIOS = {Kind.SCENARIO_TIMEOUT, Kind.YIELD_EMERGENCY}
"""Kinds that only a route's scenarios bring about, which our runner does not play."""


class Verdict(NamedTuple):
    """percent: of the route, tick by tick; over: whether a criterion ended the route."""

    percent: list[float]
    over: bool
    infractions: tuple[Infraction, ...]
    measures: Measures


@cache
def replayed(name: str) -> tuple[Trace, Verdict]:
    """A recorded drive and what our criteria say about it."""
    trace = load(name)
    criteria = CriteriaSet(trace.route, trace.rules)
    percent = []
    for tick in trace.ticks():
        criteria.step(tick)
        percent.append(criteria.completion_percent)
        if criteria.over:
            break
    criteria.finish()
    return trace, Verdict(percent, criteria.over, criteria.infractions, criteria.measures)


def official_of(trace: Trace, kind: Kind) -> list[Mapping[str, Any]]:
    return [one for one in trace.official["infractions"] if one["kind"] == kind.value]


every_drive = pytest.mark.parametrize("name", sorted(DRIVES))


def test_every_drive_is_recorded() -> None:
    assert names() == sorted(DRIVES)


def test_the_drives_break_every_rule() -> None:
    broken = {one["kind"] for name in DRIVES for one in load(name).official["infractions"]}
    assert broken == {kind.value for kind in set(Kind) - OF_SCENARIOS}
    assert any(not load(name).official["infractions"] for name in DRIVES)


@every_drive
def test_the_same_events(name: str) -> None:
    trace, ours = replayed(name)
    for kind in Kind:
        theirs = official_of(trace, kind)
        found = [one for one in ours.infractions if one.kind is kind]
        assert [one.message for one in found] == [one["message"] for one in theirs]
        for one, other in zip(found, theirs, strict=True):
            facts = one.to_json()
            for key in set(other) & {"percent", "outside_m", "place_world_m", "actor_id"}:
                assert facts[key] == pytest.approx(other[key], rel=1e-6, abs=1e-6), key


@every_drive
def test_in_the_same_frames_but_collisions_in_that_of_the_impact(name: str) -> None:
    """scenario_runner hears of a collision before it looks at the tick that brought it about, and
    writes down the frame before, where our record names the frame of the impact."""
    trace, ours = replayed(name)
    for kind in Kind:
        later = int(kind in COLLISIONS)
        assert [one.frame for one in ours.infractions if one.kind is kind] == [
            one["frame"] + later for one in official_of(trace, kind)
        ]


@every_drive
def test_the_same_progress_and_the_same_end(name: str) -> None:
    trace, ours = replayed(name)
    assert ours.percent == pytest.approx(trace.columns["percent"].tolist(), abs=1e-4)
    assert ours.over is trace.official["ended_the_route"]
    assert ours.percent[-1] == trace.official["completion_percent"]


@every_drive
def test_the_same_minimum_speeds_but_none_where_there_was_no_traffic(name: str) -> None:
    """scenario_runner calls it 100 % where there is nothing to compare with. Its list has the last
    value twice, like the infraction, if it ended the route itself; ours has it once."""
    trace, ours = replayed(name)
    theirs = list(trace.official["min_speed_percent"])
    if ours.over and ours.percent[-1] > 95.0:
        assert theirs.pop() == theirs[-1]
    for value, other in zip(ours.measures.min_speed_percent, theirs, strict=True):
        assert other == (100 if value is None else pytest.approx(value, abs=0.011))
        assert (value is None) is not bool((trace.columns["traffic_mps"] > 0.0).any())


@pytest.mark.parametrize(
    ("name", "before_mps"),
    [("pole", 0.6), ("wall", 0.36)],
)
def test_the_drives_hit_a_pole_and_push_a_wall_slowly(name: str, before_mps: float) -> None:
    """What makes them worth replaying: the impact itself stops the car."""
    trace, ours = replayed(name)
    speeds_mps = {tick.frame: tick.speed_mps for tick in trace.ticks()}
    frames = [one.frame for one in ours.infractions if one.kind is Kind.COLLISION_LAYOUT]
    slowest = min(frames, key=lambda frame: speeds_mps[frame - 1])
    assert speeds_mps[slowest - 1] == pytest.approx(before_mps, abs=0.01)
    assert speeds_mps[slowest] < 0.1
