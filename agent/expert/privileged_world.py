"""What the expert sees: the simulator's own state, read by a client of its own.

Works under our runner, the official evaluator and a real server alike, because it only needs the
host and port that every leaderboard agent is given.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import carla
import numpy as np

from agent.expert.road_users import NOBODY, RoadUsers
from planner.frames import wrap_angle_rad
from planner.records import EgoState
from planner.simulated_time import since_s

CLIENT_TIMEOUT_S = 20.0
FRAME_TIMEOUT_S = 5.0
WORKER_THREADS = 12
"""More than the cameras that may listen: each busy callback holds one of the client's threads."""
EGO_ROLE = "hero"
FLAT_M = 0.25
"""Props lower than this are driven over: debris and leaves on the road have no collision shape."""
STANDING_MPS = 0.1
DOORS_WITHIN_M = 40.0
"""Parked vehicles nearer than this are looked at for open doors,"""
DOORS_FROM_M = 4.0
"""but not those beside the ego, middles nearer than this and half their length, nor behind it."""
DOORS_EVERY_TICKS = 2
"""How often each is looked at: two calls, which the simulator has to answer before the ego drives
on."""
DOOR_RAY_M = 0.4
"""How far beside a vehicle the look goes along: past its mirrors, and met by a door that is half
open."""
DOOR_M = 1.1
"""How far an open door sticks out: that of a saloon, 1.1 m long, at 70 degrees, and a little."""


class PrivilegedWorldError(RuntimeError):
    """The expert cannot read the simulator: no connection, no ego vehicle, no such frame."""


@dataclass(frozen=True)
class WorldView:
    """One tick of the world as the expert uses it; timestamp_s counts from the first one."""

    frame: int
    timestamp_s: float
    ego: EgoState
    ego_transform: carla.Transform
    yaw_rate_radps: float
    others: RoadUsers


@dataclass(frozen=True)
class _Body:
    """What does not change about an actor."""

    kind: str
    type_id: str
    centre: tuple[float, float, float]
    half_extent: tuple[float, float]
    half_height: float
    is_emergency: bool
    has_doors: bool


class _Doors(NamedTuple):
    """When a parked vehicle was last looked at, and whether doors stood open at its sides."""

    frame: int
    left: bool
    right: bool


_NEVER = _Doors(-DOORS_EVERY_TICKS, False, False)


class PrivilegedWorld:
    """Reads the world by frames; knows the ego vehicle."""

    def __init__(self, host: str, port: int, radius_m: float = 150.0) -> None:
        self._client = carla.Client(host, port, WORKER_THREADS)
        self._client.set_timeout(CLIENT_TIMEOUT_S)
        self.world: carla.World = self._client.get_world()
        self.map: carla.Map = self.world.get_map()
        self._radius_m = radius_m
        self._bodies: dict[int, _Body | None] = {}
        self._doors: dict[int, _Doors] = {}
        self.ego: carla.Vehicle | None = None
        self._began_s: float | None = None

    def actors(self, pattern: str) -> list[carla.Actor]:
        """All live actors whose type matches, such as "traffic.stop"."""
        return list(self.world.get_actors().filter(pattern))

    def find_ego(self) -> carla.Vehicle:
        """The vehicle with the role name hero, the youngest if a run before has left one behind.

        Raises PrivilegedWorldError when there is none.
        """
        if self.ego is None:
            vehicles = self.world.get_actors().filter("vehicle.*")
            heroes = [car for car in vehicles if car.attributes.get("role_name") == EGO_ROLE]
            self.ego = max(heroes, key=lambda car: int(car.id), default=None)
            if self.ego is None:
                raise PrivilegedWorldError(
                    f'no vehicle with role_name "{EGO_ROLE}" is in the world; the expert drives '
                    "the one that the runner spawns under this name"
                )
        return self.ego

    def view(self, frame: int) -> WorldView:
        """State of the world at `frame` or, where that one is gone, the latest."""
        snapshot = self._wait_for(frame)
        ego = self.find_ego()
        own = snapshot.find(ego.id)
        if own is None:
            raise PrivilegedWorldError(f"the ego vehicle (id {ego.id}) has left the world")
        transform = own.get_transform()
        yaw_rad = wrap_angle_rad(float(np.radians(transform.rotation.yaw)))
        velocity = own.get_velocity()
        now_s = float(snapshot.timestamp.elapsed_seconds)
        if self._began_s is None:
            self._began_s = now_s
        state = EgoState(
            position_world_m=np.array([transform.location.x, transform.location.y]),
            yaw_rad=yaw_rad,
            speed_mps=float(velocity.x * np.cos(yaw_rad) + velocity.y * np.sin(yaw_rad)),
        )
        return WorldView(
            frame=int(snapshot.frame),
            timestamp_s=since_s(now_s, self._began_s),
            ego=state,
            ego_transform=transform,
            yaw_rate_radps=float(np.radians(own.get_angular_velocity().z)),
            others=self._others(snapshot, ego.id, transform),
        )

    def body_of(self, actor_id: int) -> tuple[str, float, float]:
        """Type, height of the box centre above the actor's origin, half its height."""
        body = self._bodies.get(actor_id)
        return (body.type_id, body.centre[2], body.half_height) if body else ("", 0.0, 0.0)

    def has_handbrake(self, actor_id: int) -> bool:
        """Whether a vehicle has been left with its handbrake on."""
        actor = self.world.get_actor(actor_id)
        return isinstance(actor, carla.Vehicle) and bool(actor.get_control().hand_brake)

    def is_emergency(self, actor_id: int) -> bool:
        """Whether a vehicle is an ambulance, a fire engine or a police car."""
        body = self._bodies.get(actor_id)
        return body is not None and body.is_emergency

    def release(self) -> None:
        """Forget the ego and the connection."""
        self.ego = None
        self._bodies.clear()
        self._doors.clear()

    def _wait_for(self, frame: int) -> carla.WorldSnapshot:
        deadline = time.monotonic() + FRAME_TIMEOUT_S
        while True:
            snapshot = self.world.get_snapshot()
            if snapshot.frame >= frame:
                return snapshot
            if time.monotonic() > deadline:
                raise PrivilegedWorldError(
                    f"frame {frame} has not reached the expert within {FRAME_TIMEOUT_S:.0f} s "
                    f"(latest: {snapshot.frame}); is the world ticking?"
                )
            time.sleep(0.0005)

    def _others(
        self, snapshot: carla.WorldSnapshot, ego_id: int, ego: carla.Transform
    ) -> RoadUsers:
        centre = ego.location
        rows: list[tuple[float, ...]] = []
        ids: list[int] = []
        kinds: list[str] = []
        for actor in snapshot:
            body = self._body(actor.id)
            if body is None or actor.id == ego_id:
                continue
            transform = actor.get_transform()
            place = transform.location
            if abs(place.x - centre.x) > self._radius_m or abs(place.y - centre.y) > self._radius_m:
                continue
            if abs(place.z - centre.z) > 8.0:
                continue
            velocity = actor.get_velocity()
            yaw = math.radians(transform.rotation.yaw)
            cosine, sine = math.cos(yaw), math.sin(yaw)
            offset_x, offset_y, offset_z = body.centre
            half_length, half_width = body.half_extent
            if body.has_doors and velocity.length() < STANDING_MPS:
                if snapshot.frame - self._doors.get(actor.id, _NEVER).frame >= DOORS_EVERY_TICKS:
                    self._look_at_doors(snapshot.frame, actor.id, body, transform, ego)
                doors = self._doors.get(actor.id, _NEVER)
                half_width += 0.5 * DOOR_M * (doors.left + doors.right)
                offset_y += 0.5 * DOOR_M * (doors.right - doors.left)
            ids.append(actor.id)
            kinds.append(body.kind)
            rows.append(
                (
                    place.x + cosine * offset_x - sine * offset_y,
                    place.y + sine * offset_x + cosine * offset_y,
                    yaw,
                    place.z + offset_z,
                    half_length,
                    half_width,
                    velocity.x,
                    velocity.y,
                    math.radians(actor.get_angular_velocity().z),
                )
            )
        if not rows:
            return NOBODY
        table = np.array(rows, dtype=np.float64)
        return RoadUsers(
            ids=tuple(ids),
            kinds=tuple(kinds),
            centres_world_m=table[:, 0:2],
            yaws_rad=table[:, 2],
            heights_m=table[:, 3],
            half_extents_m=table[:, 4:6],
            velocities_world_mps=table[:, 6:8],
            yaw_rates_radps=table[:, 8],
        )

    def _look_at_doors(
        self,
        frame: int,
        actor_id: int,
        body: _Body,
        transform: carla.Transform,
        ego: carla.Transform,
    ) -> None:
        """Note whether doors stand open at the left and at the right side of a vehicle.

        CARLA tells of no door, and its bounding boxes leave them out: a ray along each side of a
        parked vehicle does. Beside the vehicle the ego itself would be met: what was seen from
        farther away counts there, and behind the ego, where doors concern it no more.
        """
        away = transform.location - ego.location
        nearest_m = body.half_extent[0] + DOORS_FROM_M
        if not nearest_m <= away.length() <= DOORS_WITHIN_M:
            return
        if away.dot(ego.get_forward_vector()) < -nearest_m or not self.has_handbrake(actor_id):
            return
        self._doors[actor_id] = _Doors(
            frame, self._sticks_out(body, transform, -1.0), self._sticks_out(body, transform, 1.0)
        )

    def _sticks_out(self, body: _Body, transform: carla.Transform, side: float) -> bool:
        x, y, z = body.centre
        y += side * (body.half_extent[1] + DOOR_RAY_M)
        ends = [
            transform.transform(carla.Location(x + along * body.half_extent[0], y, z))
            for along in (1.0, -1.0)
        ]
        return bool(self.world.cast_ray(*ends))

    def _body(self, actor_id: int) -> _Body | None:
        """Fixed facts of an actor, asked for once: CARLA 0.9.16 asks the server for a box."""
        if actor_id not in self._bodies:
            actor = self.world.get_actor(actor_id)
            self._bodies[actor_id] = _read_body(actor) if actor is not None else None
        return self._bodies[actor_id]


def _read_body(actor: carla.Actor) -> _Body | None:
    kind = {"vehicle": "vehicle", "walker": "walker", "static": "prop"}.get(
        actor.type_id.split(".")[0]
    )
    if kind is None:
        return None
    box = actor.bounding_box
    if kind == "prop" and 2.0 * box.extent.z < FLAT_M:
        return None
    centre = (box.location.x, box.location.y, box.location.z)
    return _Body(
        kind=kind,
        type_id=actor.type_id,
        centre=centre,
        half_extent=(box.extent.x, box.extent.y),
        half_height=box.extent.z,
        is_emergency=actor.attributes.get("special_type") == "emergency",
        has_doors=actor.attributes.get("has_dynamic_doors", "false").lower() == "true",
    )
