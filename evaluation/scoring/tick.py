"""What a criterion sees of one simulator step, and what it may say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Place: TypeAlias = tuple[float, float, float]
"""x, y and z in the world, in metres."""
CLOCK_ROUNDING_S = 1e-3
"""More than a clock that adds 32-bit steps is off after an hour, less than a step."""


class Kind(Enum):
    """Infractions; the values are the keys of the leaderboard's results file."""

    COLLISION_LAYOUT = "collisions_layout"
    COLLISION_PEDESTRIAN = "collisions_pedestrian"
    COLLISION_VEHICLE = "collisions_vehicle"
    RED_LIGHT = "red_light"
    STOP = "stop_infraction"
    OUTSIDE_LANES = "outside_route_lanes"
    MIN_SPEED = "min_speed_infractions"
    YIELD_EMERGENCY = "yield_emergency_vehicle_infractions"
    SCENARIO_TIMEOUT = "scenario_timeouts"
    ROUTE_DEVIATION = "route_dev"
    BLOCKED = "vehicle_blocked"
    ROUTE_TIMEOUT = "route_timeout"

    @property
    def ends_route(self) -> bool:
        return self in (Kind.ROUTE_DEVIATION, Kind.BLOCKED, Kind.ROUTE_TIMEOUT)


@dataclass(frozen=True)
class Infraction:
    """One entry of a route's record. message: the leaderboard's sentence for it.

    percent: 0..100 where the penalty depends on an amount; outside_m: metres driven outside the
    lanes; actor_id, actor_type: the actor that was hit, or the light or sign that was passed;
    place_world_m: where the ego was then, or where the light's or sign's pole stands.
    """

    kind: Kind
    frame: int
    message: str
    percent: float | None = None
    outside_m: float | None = None
    actor_id: int | None = None
    actor_type: str | None = None
    place_world_m: Place | None = None

    def to_json(self) -> dict[str, Any]:
        """What the sentence tells, as fields; those that do not apply are left out."""
        fields = {**asdict(self), "kind": self.kind.value}
        del fields["message"]
        return {key: value for key, value in fields.items() if value is not None}


@dataclass(frozen=True)
class CollisionEvent:
    """What the ego's collision sensor reported. frame: of the impact; other_id (0 = scenery) and
    other_type: of the actor that it hit."""

    frame: int
    other_id: int
    other_type: str


@dataclass(frozen=True)
class Tick:
    """State after one simulator step.

    location_world_m, velocity_world_mps, half_extent_m: (3,); yaw_rad clockwise positive; time_s
    since the route began; speed_limit_mps of the lane; red_light_ids: actors now red; collisions
    since the last tick; traffic_speeds_mps: (m,) speeds of the background vehicles;
    allows_wrong_way: the ego's lane is blocked, so that it has to use the other direction's.
    """

    frame: int
    time_s: float
    location_world_m: NDArray[np.float64]
    yaw_rad: float
    velocity_world_mps: NDArray[np.float64]
    half_extent_m: NDArray[np.float64]
    speed_limit_mps: float
    red_light_ids: frozenset[int] = frozenset()
    collisions: tuple[CollisionEvent, ...] = ()
    traffic_speeds_mps: NDArray[np.float64] | None = None
    allows_wrong_way: bool = False

    # Ten criteria ask for these in every tick, most of them for plain numbers.

    @cached_property
    def speed_mps(self) -> float:
        """Over the ground: rising and falling do not count (scenario_runner, CarlaDataProvider)."""
        return float(np.hypot(self.velocity_world_mps[0], self.velocity_world_mps[1]))

    @cached_property
    def forward(self) -> NDArray[np.float64]:
        """(2,) unit vector of the heading."""
        return np.array([np.cos(self.yaw_rad), np.sin(self.yaw_rad)])

    @cached_property
    def place_world_m(self) -> Place:
        x, y, z = map(float, self.location_world_m)
        return (x, y, z)


def has_passed(elapsed_s: float, limit_s: float) -> bool:
    """Whether a time limit is exceeded, which the very tick that reaches it does: CARLA's step of
    0.05 s is a float rounded up, and scenario_runner's clock adds such steps."""
    return elapsed_s > limit_s - CLOCK_ROUNDING_S


def place_text(place_world_m: Place) -> str:
    """A place as the leaderboard's sentences name it."""
    x, y, z = (round(value, 3) for value in place_world_m)
    return f"(x={x}, y={y}, z={z})"


class Criterion(Protocol):
    """Watches one rule along a route. `step` reports what happened in this tick, `finish` what can
    only be told at the end; `finish` is called once, after the last step."""

    def step(self, tick: Tick) -> Sequence[Infraction]: ...

    def finish(self, tick: Tick) -> Sequence[Infraction]: ...
