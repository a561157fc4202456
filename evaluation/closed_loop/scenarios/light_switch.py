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


class LightSwitch:
    """Shows colours at one junction and keeps them; its lights are let go at the end."""

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
        self._own: list[carla.TrafficLight] = []
        self._crossing: list[carla.TrafficLight] = []
        for light in group:
            lines = known[light.id].lines if light.id in known else ()
            along = any(abs(float(line.direction @ direction)) > PARALLEL for line in lines)
            (self._own if along else self._crossing).append(light)
        self._near_since_s: float | None = None
        self._shown: tuple[carla.TrafficLightState, carla.TrafficLightState] | None = None

    @property
    def vehicle_ids(self) -> Sequence[int]:
        return []

    def step(self, moment: Moment) -> None:
        if self._near_since_s is None and moment.ego_m > self._spec.ego_m - NEAR_M:
            self._near_since_s = moment.time_s
        since = self._near_since_s
        left_s = self._spec.red_s - (0.0 if since is None else moment.time_s - since)
        # Not once and for all: a traffic manager that starts resets the lights of the town.
        loose = [light for light in (*self._own, *self._crossing) if not light.is_frozen()]
        for light in loose:
            light.freeze(True)
        if loose:
            self._shown = None
        self._show(*colours(left_s))

    def _show(self, own: carla.TrafficLightState, crossing: carla.TrafficLightState) -> None:
        if self._shown == (own, crossing):
            return
        self._shown = (own, crossing)
        for lights, colour in ((self._own, own), (self._crossing, crossing)):
            for light in lights:
                light.set_state(colour)

    def destroy(self) -> None:
        for light in (*self._own, *self._crossing):
            light.freeze(False)


def colours(left_s: float) -> tuple[carla.TrafficLightState, carla.TrafficLightState]:
    """Of the ego's light and the crossing road's, `left_s` before the ego's turns green."""
    state = carla.TrafficLightState
    if left_s <= 0.0:
        return state.Green, state.Red
    if left_s > CLEARS_S or math.isinf(left_s):
        return state.Red, state.Green
    return state.Red, state.Yellow if left_s > CLEARS_S - YELLOW_S else state.Red
