"""The traffic lights of a scenario: red for the ego until it has been near for a while."""

from __future__ import annotations

import math
from collections.abc import Sequence

import carla
import numpy as np

from evaluation.closed_loop.scenarios.moment import Moment
from evaluation.routes.dense_route import DenseRoute
from evaluation.routes.route import RouteFileError
from evaluation.routes.scenario import Lights
from evaluation.scoring.criteria.red_light import find_lights
from evaluation.servers.session import Session

NEAR_M = 30.0
"""From this far before the line on, the ego is near."""
CLEARS_S = 4.0
"""The crossing road turns yellow so long before the ego's light turns green..."""
YELLOW_S = 2.5
"""...and red after this."""
PARALLEL = 0.7
NEVER_S = 36000.0
"""Lights whose colours last so long keep what they are told to show. Not `freeze`: LibCarla's stops
all lights of the town, and who waits at another junction would wait for good."""


class LightSwitch:
    """Shows colours at one junction and keeps them; its lights are let go at the end. Those of
    other junctions go on."""

    def __init__(self, session: Session, spec: Lights, route: DenseRoute) -> None:
        self._spec = spec
        actors = session.world.get_actors().filter("traffic.traffic_light")
        here = route.points_world_m[
            min(int(np.searchsorted(route.distance_m, spec.ego_m)), len(route.commands) - 1), :2
        ]
        lanes = {(road, lane) for road, _, lane in route.lane_ids}
        known = {
            light.actor_id: light
            for light in find_lights(actors, session.world_map)
            if np.linalg.norm(light.centre_world_m[:2] - here) < 2.0 * NEAR_M
        }
        own = [
            light
            for light in known.values()
            if any((line.road_id, line.lane_id) in lanes for line in light.lines)
        ]
        if not own:
            raise RouteFileError(f"<lights> ego_m={spec.ego_m}: no light of the route is near")
        nearest = min(own, key=lambda one: float(np.linalg.norm(one.centre_world_m[:2] - here)))
        direction = nearest.lines[0].direction
        group = next(a for a in actors if a.id == nearest.actor_id).get_group_traffic_lights()
        ours: list[carla.TrafficLight] = []
        crossing: list[carla.TrafficLight] = []
        for light in group:
            lines = known[light.id].lines if light.id in known else ()
            along = any(abs(float(line.direction @ direction)) > PARALLEL for line in lines)
            (ours if along else crossing).append(light)
        self._near_since_s: float | None = None
        self.hold(ours, crossing)

    def hold(
        self, own: Sequence[carla.TrafficLight], crossing: Sequence[carla.TrafficLight]
    ) -> None:
        """Takes the lights over: none changes by itself from here on."""
        self._own, self._crossing = own, crossing
        self._times_s = [_times_s(light) for light in self._lights]
        for light in self._lights:
            _set_times(light, (NEVER_S, NEVER_S, NEVER_S))

    @property
    def _lights(self) -> list[carla.TrafficLight]:
        return [*self._own, *self._crossing]

    @property
    def vehicle_ids(self) -> Sequence[int]:
        return []

    def step(self, moment: Moment) -> None:
        if self._near_since_s is None and moment.ego_m > self._spec.ego_m - NEAR_M:
            self._near_since_s = moment.time_s
        since = self._near_since_s
        left_s = self._spec.red_s - (0.0 if since is None else moment.time_s - since)
        own, crossing = colours(left_s)
        for lights, colour in ((self._own, own), (self._crossing, crossing)):
            for light in lights:
                # Not once and for all: a traffic manager that starts resets the lights of the town.
                if light.state != colour:
                    light.set_state(colour)

    def destroy(self) -> None:
        for light, times_s in zip(self._lights, self._times_s, strict=True):
            _set_times(light, times_s)
        self._lights[0].reset_group()


def _times_s(light: carla.TrafficLight) -> tuple[float, float, float]:
    """Of green, yellow and red."""
    return light.get_green_time(), light.get_yellow_time(), light.get_red_time()


def _set_times(light: carla.TrafficLight, times_s: tuple[float, float, float]) -> None:
    green_s, yellow_s, red_s = times_s
    light.set_green_time(green_s)
    light.set_yellow_time(yellow_s)
    light.set_red_time(red_s)


def colours(left_s: float) -> tuple[carla.TrafficLightState, carla.TrafficLightState]:
    """Of the ego's light and the crossing road's, `left_s` before the ego's turns green."""
    state = carla.TrafficLightState
    if left_s <= 0.0:
        return state.Green, state.Red
    if left_s > CLEARS_S or math.isinf(left_s):
        return state.Red, state.Green
    return state.Red, state.Yellow if left_s > CLEARS_S - YELLOW_S else state.Red
