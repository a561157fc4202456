"""Background vehicles, driven by the traffic manager of the carla package."""

from __future__ import annotations

import math

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.servers.ports import free_port
from evaluation.servers.session import Session
from evaluation.servers.traffic_manager_watch import StallWatch, shut_down

ROLE = "background"
CLEAR_OF_EGO_M = 12.0
FOLLOWING_DISTANCE_M = 2.5


class Traffic:
    """`count` cars at random spawn points, fewer where the town has no more places; the same seed
    gives the same cars at the same places. vehicle_ids: those that were spawned."""

    def __init__(self, session: Session, count: int, seed: int, ego: carla.Vehicle) -> None:
        self._session = session
        self.vehicle_ids: tuple[int, ...] = ()
        self._manager = session.client.get_trafficmanager(free_port())
        self._watch = StallWatch(session.clock, self._manager.get_port())
        try:
            self._manager.set_synchronous_mode(True)
            self._manager.set_random_device_seed(seed)
            self._manager.set_global_distance_to_leading_vehicle(FOLLOWING_DISTANCE_M)
            self._spawn(count, np.random.default_rng(seed), ego)
        except BaseException:
            self.destroy()
            raise

    def _spawn(self, count: int, generator: np.random.Generator, ego: carla.Vehicle) -> None:
        ego_place = ego.get_location()
        places = [
            place
            for place in self._session.world_map.get_spawn_points()
            if place.location.distance(ego_place) > CLEAR_OF_EGO_M
        ]
        blueprints = [
            blueprint
            for blueprint in self._session.world.get_blueprint_library().filter("vehicle.*")
            if int(blueprint.get_attribute("number_of_wheels")) == 4
        ]
        port = self._manager.get_port()
        commands = []
        for index in generator.permutation(len(places))[:count]:
            blueprint = blueprints[int(generator.integers(len(blueprints)))]
            blueprint.set_attribute("role_name", ROLE)
            spawn = carla.command.SpawnActor(blueprint, places[int(index)])
            autopilot = carla.command.SetAutopilot(carla.command.FutureActor, True, port)
            commands.append(spawn.then(autopilot))
        # Without a tick in the same call: it would hold Python's lock while sensors wait for it.
        answers = self._session.client.apply_batch_sync(commands, False)
        self.vehicle_ids = tuple(answer.actor_id for answer in answers if not answer.error)
        self._session.tick()

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
