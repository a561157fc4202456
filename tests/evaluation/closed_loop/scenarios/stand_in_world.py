"""A world of points that move as they are told, instead of a simulator."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import carla

from evaluation.closed_loop.scenarios.moment import Moment

TICK_S = 0.05
WHEELBASE_M = 2.9
EGO_ID = 1


@dataclass
class StandInActor:
    """A kinematic bicycle, or somebody on foot."""

    id: int
    x_m: float
    y_m: float
    yaw_rad: float
    speed_mps: float = 0.0
    steer_rad: float = 0.0
    exists: bool = True

    def get_transform(self) -> carla.Transform:
        place = carla.Location(self.x_m, self.y_m, 0.0)
        return carla.Transform(place, carla.Rotation(yaw=math.degrees(self.yaw_rad)))

    def get_velocity(self) -> carla.Vector3D:
        return carla.Vector3D(
            self.speed_mps * math.cos(self.yaw_rad), self.speed_mps * math.sin(self.yaw_rad), 0.0
        )

    def set_target_velocity(self, velocity: carla.Vector3D) -> None:
        self.speed_mps = velocity.length()

    def apply_ackermann_control(self, control: carla.VehicleAckermannControl) -> None:
        self.speed_mps, self.steer_rad = control.speed, control.steer

    def apply_control(self, control: Any) -> None:
        if isinstance(control, carla.WalkerControl):
            self.speed_mps = control.speed
        else:
            self.speed_mps = 0.0

    def move(self) -> None:
        self.x_m += TICK_S * self.speed_mps * math.cos(self.yaw_rad)
        self.y_m += TICK_S * self.speed_mps * math.sin(self.yaw_rad)
        self.yaw_rad += TICK_S * self.speed_mps * math.tan(self.steer_rad) / WHEELBASE_M

    def destroy(self) -> None:
        self.exists = False


@dataclass
class StandInWorld:
    """Stands for session, world, blueprints and snapshot; the ego drives along +x at y = 0."""

    ego_mps: float = 8.0
    time_s: float = 0.0
    is_full: bool = False
    actors: dict[int, StandInActor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.actors[EGO_ID] = StandInActor(EGO_ID, 0.0, 0.0, 0.0, self.ego_mps)
        self.world = self

    @property
    def ego_m(self) -> float:
        return self.actors[EGO_ID].x_m

    def get_blueprint_library(self) -> StandInWorld:
        return self

    def find(self, name: str) -> Any:
        return SimpleNamespace(id=name, set_attribute=lambda key, value: None)

    def filter(self, pattern: str) -> list[Any]:
        return [self.find(pattern)]

    def try_spawn_actor(self, blueprint: Any, transform: carla.Transform) -> StandInActor | None:
        return None if self.is_full else self.spawn_actor(blueprint, transform)

    def spawn_actor(self, blueprint: Any, transform: carla.Transform) -> StandInActor:
        place, number = transform.location, len(self.actors) + 1
        yaw_rad = math.radians(transform.rotation.yaw)
        self.actors[number] = StandInActor(number, place.x, place.y, yaw_rad)
        return self.actors[number]

    def tick(self, user: Any) -> None:
        """Everybody moves on; the user of the road sees it and acts."""
        self.time_s += TICK_S
        there = {number: actor for number, actor in self.actors.items() if actor.exists}
        for actor in there.values():
            actor.move()
        ids = [EGO_ID, *user.vehicle_ids]
        snapshot = SimpleNamespace(find=there.get)
        user.step(
            Moment(snapshot, self.time_s, EGO_ID, self.ego_m, self.actors[EGO_ID].speed_mps, ids)
        )
