"""A car that drives along a line at a speed that is told it, and keeps clear of what is ahead."""

from __future__ import annotations

import math

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.closed_loop.scenarios.moment import Moment
from evaluation.servers.embedded import SimulatorError
from evaluation.servers.session import Session

F64 = NDArray[np.float64]

ROLE = "scenario"
SPAWN_HEIGHT_M = 0.2
WHEELBASE_M = 2.9
LOOK_AHEAD_M, LOOK_AHEAD_S = 3.0, 0.4
"""Pure pursuit: how far ahead a point of the line is steered for."""
LARGEST_STEER_RAD = 1.0
CORRIDOR_M = 2.0
"""Whose centre is this near the line ahead is in the way."""
LENGTH_M = 5.0
STANDSTILL_GAP_M = 3.0
BRAKING_MPS2 = 5.0
"""With which a scripted driver counts when it keeps clear."""
REACH_M = 40.0
SEARCHED = 12
"""Points of the line, a metre apart, among which a car looks for itself in a tick."""
ACCELERATION_MPS2 = 2.5


class Line:
    """Points (n, 2) about a metre apart, with the heights and directions of a lane."""

    def __init__(self, points_world_m: F64) -> None:
        self.points_m = points_world_m[:, :2]
        self._points_world_m = points_world_m
        steps = np.diff(self.points_m, axis=0)
        self.distance_m = np.concatenate(([0.0], np.cumsum(np.linalg.norm(steps, axis=1))))
        yaw = np.arctan2(steps[:, 1], steps[:, 0])
        self.yaw_rad = np.append(yaw, yaw[-1])

    @property
    def length_m(self) -> float:
        return float(self.distance_m[-1])

    def index(self, distance_m: float) -> int:
        return min(int(np.searchsorted(self.distance_m, distance_m)), len(self.points_m) - 1)

    def pose(self, distance_m: float) -> carla.Transform:
        """Where a car is put that stands at a distance along the line."""
        here = self.index(distance_m)
        x, y, z = (float(value) for value in self._points_world_m[here])
        return carla.Transform(
            carla.Location(x, y, z + SPAWN_HEIGHT_M),
            carla.Rotation(yaw=math.degrees(float(self.yaw_rad[here]))),
        )

    def shifted(self, offsets_m: F64) -> Line:
        """The line moved to the right by (n,) metres."""
        across = np.stack([-np.sin(self.yaw_rad), np.cos(self.yaw_rad)], axis=1)
        moved = self._points_world_m.copy()
        moved[:, :2] += across * offsets_m[:, None]
        return Line(moved)


def spawn_car(
    session: Session, line: Line, start_m: float, speed_mps: float, model: str
) -> ScriptedCar | None:
    """A car at a distance along a line; None where somebody stands there."""
    blueprint = session.world.get_blueprint_library().find(model)
    blueprint.set_attribute("role_name", ROLE)
    pose = line.pose(start_m)
    actor = session.world.try_spawn_actor(blueprint, pose)
    if actor is None:
        return None
    if speed_mps > 0.0:
        actor.set_target_velocity(speed_mps * pose.get_forward_vector())
    return ScriptedCar(actor, line, start_m, speed_mps)


def place_car(session: Session, line: Line, start_m: float, model: str) -> ScriptedCar:
    """A car that stands at a distance along a line from the start of the route. Raises
    SimulatorError where it has no room."""
    car = spawn_car(session, line, start_m, 0.0, model)
    if car is None:
        place = line.pose(start_m).location
        raise SimulatorError(
            f"no room for a car of the scenario at ({place.x:.1f}, {place.y:.1f}), "
            f"{start_m:.1f} m along its line"
        )
    return car


class ScriptedCar:
    """One car on a line.

    Attributes:
        distance_m: how far along the line it is.
        speed_mps: how fast it goes.
    """

    def __init__(self, actor: carla.Vehicle, line: Line, start_m: float, speed_mps: float) -> None:
        self._actor = actor
        self._line = line
        self._index = line.index(start_m)
        self.actor_id = int(actor.id)
        self.distance_m = start_m
        self.speed_mps = speed_mps

    @property
    def at_end(self) -> bool:
        return self._index >= len(self._line.points_m) - 4

    def drive(
        self,
        moment: Moment,
        speed_mps: float,
        acceleration_mps2: float = ACCELERATION_MPS2,
        is_careful: bool = True,
    ) -> None:
        """Goes on along the line for a tick."""
        state = moment.snapshot.find(self.actor_id)
        if state is None:
            return  # spawned in this tick
        transform, velocity = state.get_transform(), state.get_velocity()
        here = np.array([transform.location.x, transform.location.y])
        self.speed_mps = math.hypot(velocity.x, velocity.y)
        near = self._line.points_m[self._index : self._index + SEARCHED]
        self._index += int(np.argmin(np.linalg.norm(near - here, axis=1)))
        self.distance_m = float(self._line.distance_m[self._index])
        if is_careful:
            clear_mps = self._clear_speed_mps(moment)
            if clear_mps < speed_mps:
                speed_mps, acceleration_mps2 = clear_mps, 0.0
        if speed_mps <= 0.0:
            self.stand()
            return
        self._actor.apply_ackermann_control(
            carla.VehicleAckermannControl(
                steer=self._steer_rad(here, math.radians(transform.rotation.yaw)),
                speed=speed_mps,
                acceleration=acceleration_mps2,
            )
        )

    def stand(self) -> None:
        self._actor.apply_control(carla.VehicleControl(brake=1.0))

    def park(self) -> None:
        self._actor.apply_control(carla.VehicleControl(hand_brake=True, brake=1.0))

    def _steer_rad(self, here_m: F64, yaw_rad: float) -> float:
        ahead_m = self.distance_m + LOOK_AHEAD_M + LOOK_AHEAD_S * self.speed_mps
        offset_m = self._line.points_m[self._line.index(ahead_m)] - here_m
        # Pure pursuit steers the rear axle, which is half a wheelbase behind the actor's origin.
        offset_m += 0.5 * WHEELBASE_M * np.array([math.cos(yaw_rad), math.sin(yaw_rad)])
        bearing_rad = math.remainder(math.atan2(offset_m[1], offset_m[0]) - yaw_rad, math.tau)
        curvature = 2.0 * math.sin(bearing_rad) / max(float(np.linalg.norm(offset_m)), 1.0)
        angle_rad = math.atan(WHEELBASE_M * curvature)
        return min(max(angle_rad, -LARGEST_STEER_RAD), LARGEST_STEER_RAD)

    def _clear_speed_mps(self, moment: Moment) -> float:
        """Speed from which it can still stop behind what is on the line ahead."""
        last = self._line.index(self.distance_m + REACH_M)
        ahead_m = self._line.points_m[self._index : last + 1]
        others_m = moment.centres_world_m(without=self.actor_id)
        apart_m = np.linalg.norm(ahead_m[:, None, :] - others_m[None, :, :], axis=2)
        blocked = np.flatnonzero((apart_m < CORRIDOR_M).any(axis=1))
        if not len(blocked):
            return math.inf
        way_m = float(self._line.distance_m[self._index + blocked[0]]) - self.distance_m
        room_m = way_m + CORRIDOR_M - LENGTH_M - STANDSTILL_GAP_M
        return math.sqrt(2.0 * BRAKING_MPS2 * room_m) if room_m > 0.0 else 0.0

    def destroy(self) -> None:
        self._actor.destroy()
