"""What one route needs in the world: ego vehicle, traffic, collision reports, weather."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any

import carla
import numpy as np

from evaluation.closed_loop.background_traffic import Traffic
from evaluation.closed_loop.saved_drive import SavedActors, SavedDrive, SavedDriveError
from evaluation.closed_loop.scenarios.cast import Cast
from evaluation.closed_loop.session_files import TracedTick
from evaluation.closed_loop.traffic_places import TrafficPlaces
from evaluation.closed_loop.weather import WeatherSchedule
from evaluation.routes.dense_route import DenseRoute
from evaluation.routes.route import Route
from evaluation.routes.scenario import scenario_of
from evaluation.scoring.criteria.red_light import find_lights
from evaluation.scoring.criteria.stop_sign import find_stop_signs
from evaluation.scoring.criteria_set import RoadRules
from evaluation.scoring.tick import CollisionEvent, Tick
from evaluation.servers.embedded import SimulatorError
from evaluation.servers.session import Session
from planner.simulated_time import since_s

EGO_BLUEPRINT = "vehicle.lincoln.mkz_2020"
EGO_ROLE = "hero"
SPAWN_HEIGHT_M = 0.5
SETTLE_TICKS = 10
"""Ticks before the route begins, in which sensors start and the vehicle comes to rest."""


class RouteScenario:
    """The ego vehicle on its route; built by `open_route_scenario`, which also clears it away."""

    def __init__(
        self, session: Session, route: Route, dense: DenseRoute, saved: SavedDrive | None = None
    ) -> None:
        self.session = session
        self.route = route
        self.dense = dense
        self.saved = saved
        self.traffic: Traffic | None = None
        self.cast: Cast | None = None
        self._weather = WeatherSchedule(route.weathers)
        self._collisions: deque[CollisionEvent] = deque()
        with session.calling():
            if saved is None:
                session.world.set_weather(self._weather.at(0.0))
                self.ego = _spawn_ego(session, dense)
            else:
                self.ego = _restored(session, saved.actors.ego)
        self.weather_percent = 0 if saved is None else saved.weather_percent
        self.start_s: float | None = None if saved is None else saved.start_s
        self.collision_sensor_id = 0
        self.sensor_ids: dict[str, int] = {}
        self.agent_runs_on = ""
        box = self.ego.bounding_box.extent
        self._half_extent_m = np.array([box.x, box.y, box.z])

    @cached_property
    def road_rules(self) -> RoadRules:
        world_map = self.session.world_map
        with self.session.calling():
            actors = self.session.world.get_actors()
        return RoadRules(world_map, find_lights(actors, world_map), find_stop_signs(actors))

    @cached_property
    def _lights(self) -> tuple[carla.TrafficLight, ...]:
        with self.session.calling():
            actors = self.session.world.get_actors()
        return tuple(actor for actor in actors if "traffic_light" in actor.type_id)

    def on_collision(self, event: Any) -> None:
        other = event.other_actor
        self._collisions.append(CollisionEvent(event.frame, other.id, other.type_id))

    def follow_weather(self, route_percent: float) -> None:
        """Changes the weather along the route, in steps of one percent."""
        if self._weather.changes and int(route_percent) != self.weather_percent:
            self.weather_percent = int(route_percent)
            with self.session.calling():
                self.session.world.set_weather(self._weather.at(route_percent))

    def follow_ego(self, snapshot: carla.WorldSnapshot, tick: Tick) -> None:
        """Lets the scenario's road users act, and the background traffic stay around the ego."""
        with self.session.calling():
            if self.cast is not None:
                traffic_ids = () if self.traffic is None else self.traffic.vehicle_ids
                self.cast.step(snapshot, tick, self.ego.id, traffic_ids)
            if self.traffic is not None:
                cast_ids = () if self.cast is None else self.cast.vehicle_ids
                self.traffic.follow(snapshot, tick, cast_ids)

    def past(self) -> Iterator[TracedTick]:
        """What was recorded of the route before, where it goes on from a saved drive."""
        return iter(()) if self.saved is None else self.saved.ticks()

    def start_clock(self, snapshot: carla.WorldSnapshot) -> None:
        """Route time counts from here; what was touched while settling is forgotten."""
        self.start_s = snapshot.timestamp.elapsed_seconds
        self._collisions.clear()

    def ego_state(self, snapshot: carla.WorldSnapshot) -> carla.ActorSnapshot:
        state = snapshot.find(self.ego.id)
        if state is None:
            raise SimulatorError("the ego vehicle has vanished from the simulator")
        return state

    def read(self, snapshot: carla.WorldSnapshot) -> Tick:
        """What the criteria are to see of this tick."""
        state = self.ego_state(snapshot)
        transform, velocity = state.get_transform(), state.get_velocity()
        place = transform.location
        collisions = tuple(self._collisions.popleft() for _ in range(len(self._collisions)))
        red = carla.TrafficLightState.Red
        start_s = self.start_s or 0.0
        return Tick(
            frame=snapshot.frame,
            time_s=since_s(snapshot.timestamp.elapsed_seconds, start_s),
            location_world_m=np.array([place.x, place.y, place.z]),
            yaw_rad=math.remainder(math.radians(transform.rotation.yaw), math.tau),
            velocity_world_mps=np.array([velocity.x, velocity.y, velocity.z]),
            half_extent_m=self._half_extent_m,
            speed_limit_mps=self.ego.get_speed_limit() / 3.6,
            red_light_ids=frozenset(light.id for light in self._lights if light.state == red),
            collisions=collisions,
            traffic_speeds_mps=None if self.traffic is None else self.traffic.speeds_mps(snapshot),
            allows_wrong_way=self.cast is not None and self.cast.allows_wrong_way(),
        )


def _spawn_ego(session: Session, dense: DenseRoute) -> carla.Vehicle:
    blueprint = session.world.get_blueprint_library().find(EGO_BLUEPRINT)
    blueprint.set_attribute("role_name", EGO_ROLE)
    x, y, z = (float(value) for value in dense.points_world_m[0])
    transform = carla.Transform(
        carla.Location(x, y, z + SPAWN_HEIGHT_M),
        carla.Rotation(yaw=math.degrees(float(dense.yaw_rad[0]))),
    )
    ego = session.world.try_spawn_actor(blueprint, transform)
    if ego is None:
        raise SimulatorError(
            f"no room for the ego vehicle at ({x:.1f}, {y:.1f}, {z:.1f}), where the route begins"
        )
    return ego


@contextmanager
def open_route_scenario(
    session: Session,
    route: Route,
    traffic: int = 0,
    seed: int = 0,
    saved: SavedDrive | None = None,
) -> Iterator[RouteScenario]:
    """Sets the scene for a route; whatever happens, its actors are gone afterwards. saved: the
    drive whose world the session was opened with: its actors are taken over.

    Raises RouteFileError when the route leaves the map, SimulatorError when the ego has no room,
    SavedDriveError for a saved drive with a scenario of our own.
    """
    dense = route.dense(session.graph)
    script = scenario_of(route)
    if script is not None and saved is not None:
        raise SavedDriveError(
            f"route {route.route_id}: what the road users of its scenario were about to do is not "
            "saved; drive it from its start"
        )
    with ExitStack() as stack:
        scenario = RouteScenario(session, route, dense, saved)
        stack.callback(_destroy, scenario.ego)
        adopted = () if saved is None else saved.actors.traffic
        with session.calling():
            if saved is None:
                session.world.reset_all_traffic_lights()
                session.tick()
            if script is not None:
                scenario.cast = Cast(session, script, dense)
                stack.callback(scenario.cast.destroy)
                traffic = max(traffic, script.background)
            if traffic > 0 or adopted:
                scenario.traffic = Traffic(
                    session,
                    traffic,
                    seed,
                    TrafficPlaces(
                        session.world_map,
                        dense,
                        None if scenario.cast is None else scenario.cast.keep_clear_world_m,
                    ),
                    scenario.ego.get_transform(),
                    scenario.ego.get_speed_limit() / 3.6,
                    adopted,
                )
                stack.callback(scenario.traffic.destroy)
            if saved is None:
                blueprint = session.world.get_blueprint_library().find("sensor.other.collision")
                sensor = session.world.spawn_actor(
                    blueprint, carla.Transform(), attach_to=scenario.ego
                )
            else:
                sensor = _restored(session, saved.actors.collision_sensor)
                _remove_others(session, saved.actors)
            scenario.collision_sensor_id = sensor.id
            stack.callback(_destroy, sensor)
            sensor.listen(scenario.on_collision)
            stack.callback(sensor.stop)
        yield scenario


def _restored(session: Session, actor_id: int) -> Any:
    actor = session.world.get_actor(actor_id)
    if actor is None:
        raise SimulatorError(f"the restored world has no actor {actor_id}: the file is damaged")
    return actor


def _remove_others(session: Session, kept: SavedActors) -> None:
    """Takes away sensors of those who watched the drive when it was saved."""
    ids = {kept.collision_sensor, *kept.sensors.values()}
    for sensor in session.world.get_actors().filter("sensor.*"):
        if sensor.id not in ids:
            _destroy(sensor)


def _destroy(actor: carla.Actor) -> None:
    try:
        actor.destroy()
    except RuntimeError:
        # The simulator is gone and the actor with it.
        return
