"""Background vehicles around the ego, driven by the traffic manager of the carla package.

They stay with the ego as those of the official evaluator do: who is left behind, or has driven
off, comes back at another place on the way. So `--traffic N` means N vehicles near the ego, on any
town, and mean speed and conflicts are those of the cars that it meets.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.closed_loop.traffic_places import (
    Place,
    PlaceKind,
    Poses,
    TrafficPlaces,
    most_wanted,
    poses_of,
)
from evaluation.scoring.tick import Tick
from evaluation.servers.ports import lease_ports
from evaluation.servers.session import Session
from evaluation.servers.traffic_manager_watch import StallWatch, shut_down

ROLE = "background"
CLEAR_OF_EGO_M = 15.0
"""Nearest place at the start, as the official evaluator leaves one gap free."""
REAPPEARS_M = 30.0
LOST_M = 100.0
LOOKS_EVERY_TICKS = 20
STUCK_LOOKS = 12
"""Seconds after which a car that stands inside a junction is taken for lost: the traffic manager's
cars can block each other there for good."""
STANDING_MPS = 0.1
FOLLOWING_DISTANCE_M = 10.0
"""The official background vehicles' distance to the one before."""
SPAWN_HEIGHT_M = 0.2
KMH_PER_MPS = 3.6
FULL_SPEED_M, SPACING_M, RADIUS_S = 30.0, 15.0, 1.7
"""On the ego's road, who is farther ahead than 30 m and 1.7 s waits for it within 15 m more, and
who is behind drives the faster the farther it is, up to twice the limit (BackgroundBehavior)."""
WAIT = 2
"""The official evaluator keeps two vehicles before the ego: more would let it crawl behind them."""
FASTEST = 2.0
FASTEST_MPS = 25.0
"""The official limit for all of them: 90 km/h."""


class Traffic:
    """`count` cars around the ego, fewer where there is no room for more; the same seed gives the
    same cars at the same places. vehicle_ids: those that exist.

    adopted: cars of a restored world, which a new traffic manager takes over. It is inside the
    carla package, and what the old one had planned for them cannot be saved.
    """

    def __init__(
        self,
        session: Session,
        count: int,
        seed: int,
        places: TrafficPlaces,
        ego: carla.Transform,
        limit_mps: float,
        adopted: Sequence[int] = (),
    ) -> None:
        self._session = session
        self._count = max(count, len(adopted))
        self._places = places
        self._generator = np.random.default_rng(seed)
        self._ticks = 0
        self._stood: Counter[int] = Counter()
        self.vehicle_ids: tuple[int, ...] = ()
        # A second manager on the port would be this one without a word.
        self._lease = lease_ports()
        self._manager = session.client.get_trafficmanager(self._lease.port)
        self._watch = StallWatch(session.clock, self._manager.get_port())
        try:
            self._manager.set_synchronous_mode(True)
            self._manager.set_random_device_seed(seed)
            self._manager.set_global_distance_to_leading_vehicle(FOLLOWING_DISTANCE_M)
            self._blueprints = [
                blueprint
                for blueprint in session.world.get_blueprint_library().filter("vehicle.*")
                if blueprint.get_attribute("base_type").as_str() == "car"
            ]
            if adopted:
                self._adopt(adopted, limit_mps)
            else:
                self._spawn(self._start_places(ego), limit_mps)
                session.tick()
        except BaseException:
            self.destroy()
            raise

    def _start_places(self, ego: carla.Transform) -> list[Place]:
        chosen: list[Place] = []
        for _ in range(self._count):
            others = poses_of([ego, *(place.transform for place in chosen)])
            place = self._next_place(
                [place.kind for place in chosen], poses_of([ego]), others, CLEAR_OF_EGO_M, False
            )
            if place is None:
                break
            chosen.append(place)
        return chosen

    def _next_place(
        self, present: list[PlaceKind], ego: Poses, others: Poses, nearest_m: float, unseen: bool
    ) -> Place | None:
        """A place of the kind that is missed most among those that have room."""
        for kind in most_wanted(present):
            place = self._places.choose(kind, ego, others, nearest_m, self._generator, unseen)
            if place is not None:
                return place
        return None

    def _spawn(self, places: list[Place], limit_mps: float) -> None:
        port = self._manager.get_port()
        commands = []
        for place in places:
            blueprint = self._blueprints[int(self._generator.integers(len(self._blueprints)))]
            blueprint.set_attribute("role_name", ROLE)
            spawn = carla.command.SpawnActor(blueprint, _raised(place.transform))
            autopilot = carla.command.SetAutopilot(carla.command.FutureActor, True, port)
            commands.append(spawn.then(autopilot))
        # Without a tick in the same call: it would hold Python's lock while sensors wait for it.
        self._take(commands, limit_mps)

    def _adopt(self, vehicle_ids: Sequence[int], limit_mps: float) -> None:
        port = self._manager.get_port()
        commands = [carla.command.SetAutopilot(one, True, port) for one in vehicle_ids]
        self._take(commands, limit_mps)

    def _take(self, commands: Sequence[Any], limit_mps: float) -> None:
        answers = self._session.client.apply_batch_sync(commands, False)
        taken = tuple(answer.actor_id for answer in answers if not answer.error)
        self.vehicle_ids += taken
        for vehicle in self._session.world.get_actors(list(taken)):
            self._manager.auto_lane_change(vehicle, False)
            self._manager.set_desired_speed(vehicle, KMH_PER_MPS * limit_mps)

    def follow(
        self, snapshot: carla.WorldSnapshot, tick: Tick, other_ids: Sequence[int] = ()
    ) -> None:
        """Once a second: speeds as the ego's place asks for them, and who is lost comes back, not
        near the others nor the ego."""
        self._ticks += 1
        if self._ticks % LOOKS_EVERY_TICKS:
            return
        actors = [snapshot.find(vehicle_id) for vehicle_id in self.vehicle_ids]
        transforms = {actor.id: actor.get_transform() for actor in actors if actor is not None}
        self.vehicle_ids = tuple(transforms)
        self._look_for_jams([actor for actor in actors if actor is not None])
        ego = Poses(tick.location_world_m[None, :2], np.array([tick.yaw_rad]))
        poses = poses_of(list(transforms.values()))
        distance_m = np.linalg.norm(poses.points_world_m - ego.points_world_m, axis=1)
        lost = [
            one
            for one, far in zip(transforms, distance_m > LOST_M, strict=True)
            if far or self._stood[one] >= STUCK_LOOKS
        ]
        near = {one: where for one, where in transforms.items() if one not in lost}
        kinds = self._set_speeds(near, ego, tick)
        others = [snapshot.find(other_id) for other_id in other_ids]
        taken = [*near.values(), *(one.get_transform() for one in others if one is not None)]
        self._bring_back(lost, taken, kinds, ego, tick)

    def _look_for_jams(self, actors: list[carla.ActorSnapshot]) -> None:
        """Counts for how long each has stood inside a junction."""
        for actor in actors:
            where = self._session.world_map.get_waypoint(actor.get_transform().location)
            stands = actor.get_velocity().length() < STANDING_MPS and where.is_junction
            self._stood[actor.id] = self._stood[actor.id] + 1 if stands else 0

    def _set_speeds(
        self, near: dict[int, carla.Transform], ego: Poses, tick: Tick
    ) -> list[PlaceKind]:
        """The kinds of those near the ego, whose speeds it sets."""
        kinds = {
            vehicle_id: self._places.kind_at(self._session.world_map.get_waypoint(place.location))
            for vehicle_id, place in near.items()
        }
        along = [one for one, kind in kinds.items() if kind is PlaceKind.ALONG]
        offsets_m = poses_of([near[one] for one in along]).points_world_m - ego.points_world_m
        shares = dict(
            zip(along, speed_shares(offsets_m, tick.forward, tick.speed_mps), strict=True)
        )
        shares |= {one: 0.0 for one, kind in kinds.items() if kind is PlaceKind.GONE}
        for vehicle in self._session.world.get_actors(list(near)):
            speed_mps = min(shares.get(vehicle.id, 1.0) * tick.speed_limit_mps, FASTEST_MPS)
            self._manager.set_desired_speed(vehicle, KMH_PER_MPS * speed_mps)
        return [kind for kind in kinds.values() if kind is not None]

    def _bring_back(
        self,
        lost: list[int],
        taken: list[carla.Transform],
        kinds: list[PlaceKind],
        ego: Poses,
        tick: Tick,
    ) -> None:
        """Moves who is lost, and adds who found no room before, as far as there is room now."""
        limit_mps = tick.speed_limit_mps
        moves = []
        new: list[Place] = []
        for vehicle_id in [*lost, *[None] * (self._count - len(self.vehicle_ids))]:
            others = poses_of(taken)
            others = Poses(
                np.concatenate([others.points_world_m, ego.points_world_m]),
                np.concatenate([others.yaw_rad, ego.yaw_rad]),
            )
            place = self._next_place(kinds, ego, others, REAPPEARS_M, True)
            if place is None:
                break
            taken.append(place.transform)
            kinds.append(place.kind)
            if vehicle_id is None:
                new.append(place)
                continue
            # On the ego's road no faster than the ego, so that nobody runs into who is there.
            along = place.kind is PlaceKind.ALONG
            speed_mps = min(tick.speed_mps, limit_mps) if along else limit_mps
            velocity = speed_mps * place.transform.get_forward_vector()
            moves += [
                carla.command.ApplyTransform(vehicle_id, _raised(place.transform)),
                carla.command.ApplyTargetVelocity(vehicle_id, velocity),
            ]
        if moves:
            self._session.client.apply_batch_sync(moves, False)
        if new:
            self._spawn(new, limit_mps)

    def speeds_mps(self, snapshot: carla.WorldSnapshot) -> NDArray[np.float64]:
        """(m,) speeds over the ground of the vehicles that still exist."""
        actors = [snapshot.find(vehicle_id) for vehicle_id in self.vehicle_ids]
        velocities = [actor.get_velocity() for actor in actors if actor is not None]
        return np.array([math.hypot(velocity.x, velocity.y) for velocity in velocities])

    def destroy(self) -> None:
        """Takes the vehicles from the traffic manager first: it must not ask for dead ones."""
        commands = [carla.command.DestroyActor(vehicle_id) for vehicle_id in self.vehicle_ids]
        self.vehicle_ids = ()
        try:
            self._session.client.apply_batch_sync(commands, False)
            with self._session.clock:
                self._session.world.tick(self._session.timeout_s)
        except RuntimeError:
            # The simulator is gone and its vehicles with it.
            return
        finally:
            self._watch.close()
        shut_down(self._manager)
        self._lease.close()


def speed_shares(
    offsets_m: NDArray[np.float64], forward: NDArray[np.float64], ego_mps: float
) -> list[float]:
    """Shares of the limit at which vehicles on the ego's road drive, from their offsets (n, 2) from
    it: the nearest `WAIT` before it wait for it, those behind it hurry."""
    distances_m = np.linalg.norm(offsets_m, axis=1)
    is_ahead = offsets_m @ forward > 0.0
    waiting = set(np.argsort(np.where(is_ahead, distances_m, np.inf))[:WAIT].tolist())
    full_speed_m = FULL_SPEED_M + RADIUS_S * ego_mps
    shares = []
    for index, distance_m in enumerate(distances_m.tolist()):
        if not is_ahead[index]:
            shares.append(min(1.0 + distance_m / SPACING_M, FASTEST))
        elif index in waiting:
            left_m = full_speed_m + SPACING_M - distance_m
            shares.append(min(max(left_m / SPACING_M, 0.0), 1.0))
        else:
            shares.append(1.0)
    return shares


def _raised(transform: carla.Transform) -> carla.Transform:
    location = transform.location
    height = carla.Location(location.x, location.y, location.z + SPAWN_HEIGHT_M)
    return carla.Transform(height, transform.rotation)
