"""What the expert's driver is given, and what it decides: the records of a tick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.expert.conflict import ConflictSettings, EgoBody, Lead, Yield
from agent.expert.detour import DetourSettings
from agent.expert.junction_ways import JunctionWays
from agent.expert.lane_change import LaneChange
from agent.expert.lane_room import LaneRoom
from agent.expert.path_shift import Shift
from agent.expert.speed_law import SpeedSettings, brisk
from agent.expert.steering import SteeringSettings
from agent.expert.stop_lines import StopPlace
from planner.records import Control

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class DriverSettings:
    """Settings of all the laws that the expert drives by."""

    speed: SpeedSettings = field(default_factory=SpeedSettings)
    brisk: SpeedSettings = field(default_factory=lambda: brisk(SpeedSettings()))
    """Where the ego is in the way of others: in junctions and beside its lane."""
    steering: SteeringSettings = field(default_factory=SteeringSettings)
    conflict: ConflictSettings = field(default_factory=ConflictSettings)
    detour: DetourSettings = field(default_factory=DetourSettings)
    body: EgoBody = field(default_factory=EgoBody)


@dataclass(frozen=True)
class Decision:
    """What the expert does in one tick, and why.

    `distance_m` and `lateral_m` locate the ego on the path (right positive); `reason` names the law
    that set the speed: cruise, light, stop_sign, lead, yield or wait (for room to pass an
    obstacle of the kind `waiting_for`); `light` is the state of the next light within reach, or
    "None"; `detours` are the stretches of the path that lead past obstacles.
    """

    control: Control
    distance_m: float
    lateral_m: float
    target_speed_mps: float
    limit_mps: float
    acceleration_mps2: float
    reason: str
    light: str
    lead: Lead | None
    yielding_to: Yield | None
    detours: tuple[Shift, ...] = ()
    waiting_for: str | None = None


@dataclass(frozen=True)
class RoutePlaces:
    """What lies along a route: lights, stop signs, stretches in junctions (m), where the plan
    changes lanes, and where others may drive in its junctions."""

    lights: Sequence[StopPlace] = ()
    signs: Sequence[StopPlace] = ()
    junctions_m: Sequence[tuple[float, float]] = ()
    lane_changes: Sequence[LaneChange] = ()
    ways: Sequence[JunctionWays] = ()


@dataclass(frozen=True)
class ActorFacts:
    """What the driver asks the world for.

    `light_state(id)` names the state of a traffic light; `room_at(place, yaw, height)` is the room
    beside a place in the world; `has_handbrake(id)` and `is_emergency(id)` tell of a vehicle that
    it has been parked, and that it is an ambulance, a fire engine or the police.
    """

    light_state: Callable[[int], str]
    room_at: Callable[[F64, float, float], LaneRoom]
    has_handbrake: Callable[[int], bool]
    is_emergency: Callable[[int], bool]
