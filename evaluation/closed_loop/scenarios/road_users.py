"""What each kind of road user of a scenario does in a tick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import carla
import numpy as np

from evaluation.closed_loop.scenarios.moment import Moment
from evaluation.closed_loop.scenarios.scripted_car import Line, ScriptedCar, place_car, spawn_car
from evaluation.routes.scenario import CutIn, Leader, Parked, Stream, Walker
from evaluation.servers.embedded import SimulatorError
from evaluation.servers.session import Session

MODELS = ("vehicle.audi.tt", "vehicle.nissan.micra", "vehicle.toyota.prius", "vehicle.seat.leon")
VAN = "vehicle.volkswagen.t2"
"""High enough to hide who walks out behind it."""
RELEASED_S = 2.0
"""From so long before the meeting on, a car no longer adapts its speed to the ego's."""
NEAREST_M = 25.0
"""No car of a stream appears nearer to the meeting than this."""
SLOWEST_SHARE, FASTEST_SHARE = 0.85, 1.15
FOLLOW_GAP_M, FOLLOW_GAIN_PER_S = 14.0, 0.35
"""A leader lets the ego come up to this distance, so that its braking matters."""
SLOWEST_LEADER_MPS = 2.0
STRONG_MPS2 = 4.0
CHANGE_M = 14.0
"""Length of a cut-in."""
IN_LANE_SHARE = 0.7
"""Part of it after which the car is in the lane, and slows down."""
BESIDE_GAIN_PER_S = 0.8
SLOW_S = 5.0
"""Who has cut in is slow for so long, then twice as fast: nobody holds the others up for good."""
WALKER_HALF_HEIGHT_M = 1.0
ARRIVED_M = 0.4
ASIDE_M = (0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5)
"""Where a walker is tried to be put, in this order, along the kerb."""


class RoadUser(Protocol):
    """Somebody of a scenario."""

    @property
    def vehicle_ids(self) -> Sequence[int]: ...

    def step(self, moment: Moment) -> None:
        """Does what is due in this tick."""

    def destroy(self) -> None: ...


class StreamOfCars:
    """Cars of a `Stream`: spawned as they are due, gone at the end of their line."""

    def __init__(self, session: Session, spec: Stream, line: Line) -> None:
        self._session = session
        self._spec = spec
        self._line = line
        self._cars: list[ScriptedCar] = []
        self._gaps_m = (0.0, *spec.gaps_m)
        self._next = 0
        self._last: ScriptedCar | None = None
        self._is_released = False

    @property
    def vehicle_ids(self) -> Sequence[int]:
        return [car.actor_id for car in self._cars]

    def step(self, moment: Moment) -> None:
        eta_s = moment.eta_s(self._spec.ego_m) + self._spec.late_s
        self._is_released |= eta_s < RELEASED_S
        self._spawn_who_is_due(eta_s)
        for car in list(self._cars):
            if car.at_end:
                self._cars.remove(car)
                car.destroy()
                continue
            car.drive(moment, self._speed_mps(car, eta_s))

    def _spawn_who_is_due(self, eta_s: float) -> None:
        if self._next >= len(self._gaps_m):
            return
        if self._last is None:
            start_m = self._spec.meets_m - self._spec.speed_mps * eta_s
        else:
            start_m = self._last.distance_m - self._gaps_m[self._next]
        if start_m < 0.0:
            return
        # Late, as where its place was taken: it must not appear before the ego's nose.
        start_m = min(start_m, max(self._spec.meets_m - NEAREST_M, 0.0))
        model = MODELS[self._next % len(MODELS)]
        car = spawn_car(self._session, self._line, start_m, self._spec.speed_mps, model)
        if car is None:
            return  # somebody is in its place: in a moment
        self._cars.append(car)
        self._last = car
        self._next += 1

    def _speed_mps(self, car: ScriptedCar, eta_s: float) -> float:
        """The first car comes as the ego does until it is too late to be changed; the others keep
        its pace."""
        usual = self._spec.speed_mps
        if self._is_released:
            return usual
        first = self._cars[0]
        wanted = (self._spec.meets_m - first.distance_m) / eta_s
        return min(max(wanted, SLOWEST_SHARE * usual), FASTEST_SHARE * usual)

    def destroy(self) -> None:
        for car in self._cars:
            car.destroy()
        self._cars.clear()


class LeadingCar:
    """The car of a `Leader`, on the ego's route from the start."""

    def __init__(self, session: Session, spec: Leader, route: Line) -> None:
        self._spec = spec
        self._car = place_car(session, route, spec.ahead_m, MODELS[0])
        self._stands_since_s: float | None = None
        self._is_over = False

    @property
    def vehicle_ids(self) -> Sequence[int]:
        return [self._car.actor_id]

    def step(self, moment: Moment) -> None:
        if self._car.at_end:
            return
        brakes = self._car.distance_m >= self._spec.brakes_at_m and not self._is_over
        if not brakes:
            gap_m = self._car.distance_m - moment.ego_m
            pace = moment.ego_mps + FOLLOW_GAIN_PER_S * (FOLLOW_GAP_M - gap_m)
            waiting = self._spec.speed_mps if self._is_over else max(pace, SLOWEST_LEADER_MPS)
            self._car.drive(moment, min(waiting, self._spec.speed_mps))
            return
        self._car.drive(moment, 0.0, self._spec.deceleration_mps2)
        if self._car.speed_mps < 0.2 and self._stands_since_s is None:
            self._stands_since_s = moment.time_s
        since_s = self._stands_since_s
        self._is_over = since_s is not None and moment.time_s - since_s > self._spec.stands_s

    def destroy(self) -> None:
        self._car.destroy()


class CuttingIn:
    """The car of a `CutIn`: beside the ego's lane, then in it."""

    def __init__(self, session: Session, spec: CutIn, route: Line) -> None:
        self._spec = spec
        share = np.clip((route.distance_m - spec.at_m) / CHANGE_M, 0.0, 1.0)
        # Half a wave of a cosine: it leaves its lane and comes into the other without an edge.
        line = route.shifted(spec.offset_m * 0.5 * (1.0 + np.cos(math.pi * share)))
        start_m = spec.at_m - 1.0 if spec.waits else min(12.0, spec.at_m)
        self._car = place_car(session, line, start_m, MODELS[1])
        self._has_begun = False
        self._since_s: float | None = None

    @property
    def vehicle_ids(self) -> Sequence[int]:
        return [self._car.actor_id]

    def step(self, moment: Moment) -> None:
        if self._car.at_end:
            return
        if self._spec.waits:
            self._has_begun |= moment.eta_s(self._spec.at_m) < self._spec.before_s
            if self._has_begun:
                self._car.drive(moment, self._pace_mps(moment.time_s), is_careful=False)
            else:
                self._car.stand()
        elif self._car.distance_m < self._spec.at_m + IN_LANE_SHARE * CHANGE_M:
            wanted_m = moment.ego_m + self._spec.before_s * max(moment.ego_mps, 3.0)
            pace = moment.ego_mps + BESIDE_GAIN_PER_S * (wanted_m - self._car.distance_m)
            self._car.drive(moment, max(pace, 0.0), STRONG_MPS2)
        else:
            self._car.drive(moment, self._pace_mps(moment.time_s), STRONG_MPS2)

    def _pace_mps(self, time_s: float) -> float:
        if self._since_s is None:
            self._since_s = time_s
        return self._spec.speed_mps * (1.0 if time_s - self._since_s < SLOW_S else 2.0)

    def destroy(self) -> None:
        self._car.destroy()


class ParkedCar:
    """The car of a `Parked`, with its handbrake on."""

    def __init__(self, session: Session, spec: Parked, route: Line) -> None:
        line = route.shifted(np.full(len(route.points_m), spec.offset_m))
        self._car = place_car(session, line, spec.at_m, VAN)
        self._car.park()

    @property
    def vehicle_ids(self) -> Sequence[int]:
        return [self._car.actor_id]

    def step(self, moment: Moment) -> None:
        """It stays."""

    def destroy(self) -> None:
        self._car.destroy()


class CrossingWalker:
    """The one of a `Walker`: stands until it is time, crosses, and stays on the other side."""

    def __init__(self, session: Session, spec: Walker, ego_place_m: np.ndarray) -> None:
        self._spec = spec
        start, end = np.array(spec.path[0]), np.array(spec.path[-1])
        self._end_m = end[:2]
        way = end[:2] - start[:2]
        self._direction = way / float(np.linalg.norm(way))
        to_lane_m = float((ego_place_m - start[:2]) @ self._direction)
        self._walk_s = to_lane_m / spec.speed_mps - spec.late_s
        blueprint = sorted(
            session.world.get_blueprint_library().filter("walker.pedestrian.*"),
            key=lambda one: str(one.id),
        )[0]
        self._actor = self._spawn(session, blueprint)
        self._walks = False
        self._has_arrived = False

    @property
    def vehicle_ids(self) -> Sequence[int]:
        return []

    def step(self, moment: Moment) -> None:
        if self._has_arrived:
            return
        if not self._walks:
            self._walks = moment.eta_s(self._spec.ego_m) <= self._walk_s
            if self._walks:
                self._go(self._spec.speed_mps)
            return
        state = moment.snapshot.find(int(self._actor.id))
        place = state.get_transform().location
        left_m = float((self._end_m - np.array([place.x, place.y])) @ self._direction)
        if left_m < ARRIVED_M:
            self._has_arrived = True
            self._go(0.0)

    def _spawn(self, session: Session, blueprint: carla.ActorBlueprint) -> carla.Actor:
        """Where they start, or a step along the kerb, where a pole or a tree stands there. Raises
        SimulatorError where there is no room either."""
        x, y, z = self._spec.path[0]
        heading = carla.Rotation(
            yaw=math.degrees(math.atan2(self._direction[1], self._direction[0]))
        )
        for aside_m in ASIDE_M:
            place = carla.Location(
                x - aside_m * float(self._direction[1]),
                y + aside_m * float(self._direction[0]),
                z + WALKER_HALF_HEIGHT_M + 0.2,
            )
            actor = session.world.try_spawn_actor(blueprint, carla.Transform(place, heading))
            if actor is not None:
                return actor
        raise SimulatorError(f"no room for the walker of the scenario at ({x:.1f}, {y:.1f})")

    def _go(self, speed_mps: float) -> None:
        x, y = (float(value) for value in self._direction)
        self._actor.apply_control(carla.WalkerControl(carla.Vector3D(x, y, 0.0), speed_mps, False))

    def destroy(self) -> None:
        self._actor.destroy()
