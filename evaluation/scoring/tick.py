"""What a criterion sees of one simulator step, and what it may say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


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
    """One entry of a route's record; percent: 0..100 where the penalty depends on an amount."""

    kind: Kind
    frame: int
    message: str
    percent: float | None = None


@dataclass(frozen=True)
class Contact:
    """A collision reported for the ego vehicle: id (0 = scenery) and type of what it touched."""

    other_id: int
    other_type: str


@dataclass(frozen=True)
class Tick:
    """State after one simulator step.

    location_world_m, velocity_world_mps, half_extent_m: (3,); yaw_rad clockwise positive; time_s
    since the route began; speed_limit_mps of the lane; red_light_ids: actors now red; contacts
    since the last tick; traffic_speeds_mps: (m,) speeds of the background vehicles.
    """

    frame: int
    time_s: float
    location_world_m: NDArray[np.float64]
    yaw_rad: float
    velocity_world_mps: NDArray[np.float64]
    half_extent_m: NDArray[np.float64]
    speed_limit_mps: float
    red_light_ids: frozenset[int] = frozenset()
    contacts: tuple[Contact, ...] = ()
    traffic_speeds_mps: NDArray[np.float64] | None = None

    @property
    def speed_mps(self) -> float:
        return float(np.linalg.norm(self.velocity_world_mps))

    @property
    def forward(self) -> NDArray[np.float64]:
        """(2,) unit vector of the heading."""
        return np.array([np.cos(self.yaw_rad), np.sin(self.yaw_rad)])

    @property
    def place(self) -> str:
        x, y, z = (round(float(value), 3) for value in self.location_world_m)
        return f"(x={x}, y={y}, z={z})"


class Criterion(Protocol):
    """Watches one rule along a route. `step` reports what happened in this tick, `finish` what can
    only be told at the end; `finish` is called once, after the last step."""

    def step(self, tick: Tick) -> Sequence[Infraction]: ...

    def finish(self, tick: Tick) -> Sequence[Infraction]: ...
