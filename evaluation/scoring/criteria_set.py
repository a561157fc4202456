"""All rules together: what happened on a route so far, and whether it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import carla

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.criteria.blocked import BENCH2DRIVE_MAX_TIME_S, Blocked
from evaluation.scoring.criteria.collision import Collision
from evaluation.scoring.criteria.completion import Completion
from evaluation.scoring.criteria.deviation import RouteDeviation
from evaluation.scoring.criteria.min_speed import BENCH2DRIVE_CHECKPOINTS, MinSpeed
from evaluation.scoring.criteria.outside_lanes import OutsideLanes
from evaluation.scoring.criteria.red_light import Light, RedLight
from evaluation.scoring.criteria.stop_sign import Stop, StopSign
from evaluation.scoring.criteria.timeout import RouteTimeout
from evaluation.scoring.meanwhile import Meanwhile
from evaluation.scoring.measures.lateral import LateralDeviation
from evaluation.scoring.penalty import Rules
from evaluation.scoring.tick import Criterion, Infraction, Tick


@dataclass(frozen=True)
class RoadRules:
    """What the rules need to know of a world: its map, traffic lights and stop signs."""

    world_map: carla.Map
    lights: tuple[Light, ...] = ()
    stop_signs: tuple[StopSign, ...] = ()


@dataclass(frozen=True)
class Measures:
    """What we report beside the leaderboard's figures; None is what nothing was measured for.
    min_speed_percent: one value per part of the route that was driven."""

    lateral_mean_m: float | None
    lateral_p95_m: float | None
    off_road_events: int
    off_road_m: float
    min_speed_percent: tuple[float | None, ...]


BENCH2DRIVE_TICKS = 4000
"""Bench2Drive breaks a route off in its 4001st tick, after 200.05 s."""
TOO_MANY_TICKS = "TickRuntime"
"""What it writes then."""


class CriteriaSet:
    """Steps every criterion and keeps what they find."""

    def __init__(self, route: DenseRoute, road: RoadRules, rules: Rules = Rules.V2_0) -> None:
        is_bench2drive = rules is Rules.BENCH2DRIVE
        self._ticks, self._most_ticks = 0, BENCH2DRIVE_TICKS if is_bench2drive else None
        self._completion = Completion(route)
        self._lateral = LateralDeviation(route)
        self._outside = OutsideLanes(route, road.world_map)
        self._min_speed = (
            MinSpeed(route, BENCH2DRIVE_CHECKPOINTS, True) if is_bench2drive else MinSpeed(route)
        )
        self._criteria: Sequence[Criterion] = (
            self._completion,
            # It asks the map in every tick, which takes longer than all the others together.
            Meanwhile(self._outside),
            Collision(),
            RedLight(road.lights, road.world_map),
            Stop(road.stop_signs, road.world_map),
            self._min_speed,
            RouteDeviation(route),
            Blocked(BENCH2DRIVE_MAX_TIME_S) if is_bench2drive else Blocked(),
            RouteTimeout(route),
            self._lateral,
        )
        self._last: Tick | None = None
        self._found: list[Infraction] = []

    @property
    def completion_percent(self) -> float:
        return self._completion.percent

    @property
    def lateral_m(self) -> float:
        """Distance from the route's centre line."""
        return self._lateral.last_m

    @property
    def infractions(self) -> tuple[Infraction, ...]:
        return tuple(self._found)

    @property
    def over(self) -> bool:
        ended = any(infraction.kind.ends_route for infraction in self._found)
        return ended or self._completion.over or bool(self.ending)

    @property
    def ending(self) -> str:
        """Why the route was broken off without an infraction, "" if it was not."""
        late = self._most_ticks is not None and self._ticks > self._most_ticks
        return TOO_MANY_TICKS if late else ""

    def step(self, tick: Tick) -> None:
        self._last = tick
        self._ticks += 1
        for criterion in self._criteria:
            self._found.extend(criterion.step(tick))

    def finish(self) -> None:
        """Adds what can only be told at the end; call once."""
        if self._last is None:
            return
        for criterion in self._criteria:
            self._found.extend(criterion.finish(self._last))
        if self.over and not self.ending:
            # The official evaluator ends its criteria when the route is over and once more when it
            # clears the route away; if it breaks the route off, then only once.
            self._found.extend(self._min_speed.finish_again())

    @property
    def measures(self) -> Measures:
        return Measures(
            lateral_mean_m=_rounded(self._lateral.mean_m, 3),
            lateral_p95_m=_rounded(self._lateral.p95_m, 3),
            off_road_events=self._outside.events,
            off_road_m=round(self._outside.outside_m, 2),
            min_speed_percent=tuple(self._min_speed.values_percent),
        )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
