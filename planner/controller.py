"""From a plan to steer, throttle and brake, whatever the plan looks like."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from planner.creep import CreepSettings, CreepState, advance_creep, apply_creep
from planner.lateral import LateralController, LateralSettings
from planner.longitudinal import LongitudinalController, LongitudinalSettings
from planner.pid import PidTerms
from planner.records import Control, FloatArray, Plan


@dataclass(frozen=True)
class ControllerSettings:
    """Settings of the whole chain.

    Attributes:
        lateral: steering.
        longitudinal: throttle and brake.
        creep: recovery from standing too long.
        start_brake_ticks: at first the car is held: CARLA lets it drop and settle.
        largest_coordinate_m: plans with larger coordinates are taken for broken.
        steer_fade: factor per tick by which the last steer fades while there is no valid route.
    """

    lateral: LateralSettings = field(default_factory=LateralSettings)
    longitudinal: LongitudinalSettings = field(default_factory=LongitudinalSettings)
    creep: CreepSettings = field(default_factory=CreepSettings)
    start_brake_ticks: int = 40
    largest_coordinate_m: float = 1000.0
    steer_fade: float = 0.8


@dataclass(frozen=True)
class ControlTerms:
    """How a control came about, for those who watch.

    Attributes:
        steer: terms of the steering, of the last tick that had a route; None before.
        aim_ego_m: (2,) point of the route that was steered at.
        desired_mps: speed that the plan asks for; NaN where it was not asked.
        throttle: terms of the throttle; None where pedals were not computed.
        clipped: what ran into its limit: steer, speed error, throttle.
        creep: state of the push after long standing.
        halted: why the car was held whatever the plan says, or "".
    """

    steer: PidTerms | None
    aim_ego_m: FloatArray
    desired_mps: float
    throttle: PidTerms | None
    clipped: tuple[str, ...]
    creep: CreepState
    halted: str


class Controller:
    """Follows plans; a plan or speed that makes no sense ends in a safe stop and a warning.

    Attributes:
        warnings: how often each kind of bad input was met.
        terms: how the last control came about; None before the first step.
    """

    def __init__(self, settings: ControllerSettings | None = None) -> None:
        self.warnings: Counter[str] = Counter()
        self.terms: ControlTerms | None = None
        self._settings = settings or ControllerSettings()
        self._lateral = LateralController(self._settings.lateral)
        self._longitudinal = LongitudinalController(self._settings.longitudinal)
        self._creep = CreepState()
        self._ticks = 0
        self._steer = 0.0

    def step(self, plan: Plan, speed_mps: float) -> Control:
        """Control of this tick: bounded, and never throttle and brake at once.

        Args:
            plan: route and waypoints; anything but finite points of a sane size stops the car.
            speed_mps: measured forward speed; not finite stops the car.
        """
        self._ticks += 1
        settings = self._settings
        route_valid = self._is_valid("route", plan.route_ego_m)
        waypoints_valid = self._is_valid("waypoints", plan.waypoints_ego_m)
        timing_valid = self._check("waypoint interval", plan.waypoint_interval_s > 0.0)
        speed_valid = self._check("speed", math.isfinite(speed_mps))
        if route_valid:
            self._steer = self._lateral.step(plan.route_ego_m, speed_mps if speed_valid else 0.0)
        else:
            self._steer *= settings.steer_fade
        halted = Control(self._steer, 0.0, 1.0)
        if self._ticks <= settings.start_brake_ticks:
            self.terms = self._terms(halted="start")
            return halted
        self._creep = advance_creep(self._creep, speed_mps, settings.creep)
        if not (route_valid and waypoints_valid and timing_valid and speed_valid):
            self.terms = self._terms(halted="no usable plan or speed")
            return halted
        desired_mps = self._longitudinal.desired_mps(plan.waypoints_ego_m, plan.waypoint_interval_s)
        throttle, brake = self._longitudinal.step(desired_mps, speed_mps)
        self.terms = self._terms(desired_mps, speed_mps)
        return apply_creep(Control(self._steer, throttle, brake), self._creep, settings.creep)

    def _terms(
        self, desired_mps: float = math.nan, speed_mps: float = math.nan, halted: str = ""
    ) -> ControlTerms:
        steer, throttle = self._lateral.terms, None if halted else self._longitudinal.terms
        limits = self._settings.longitudinal
        clips = {
            "steer": steer is not None and abs(steer.output) > 1.0,
            "speed error": desired_mps - speed_mps > limits.largest_error_mps,
            "throttle": throttle is not None and throttle.output > limits.largest_throttle,
        }
        return ControlTerms(
            steer=steer,
            aim_ego_m=self._lateral.aim_ego_m,
            desired_mps=desired_mps,
            throttle=throttle,
            clipped=tuple(name for name, clipped in clips.items() if clipped),
            creep=self._creep,
            halted=halted,
        )

    def _is_valid(self, name: str, points_ego_m: FloatArray) -> bool:
        points = np.asarray(points_ego_m)
        shaped = points.ndim == 2 and points.shape[1:] == (2,) and len(points) > 0
        # Comparisons with NaN are false, so this also rejects what is not finite.
        return self._check(
            name, shaped and bool((np.abs(points) <= self._settings.largest_coordinate_m).all())
        )

    def _check(self, name: str, valid: bool) -> bool:
        if not valid:
            self.warnings[f"{name} unusable"] += 1
        return valid
