"""Vehicles and walkers around the ego, as they are now."""

from __future__ import annotations

import math

import carla
import numpy as np

from evaluation.closed_loop.observers.birds_eye import Body
from evaluation.closed_loop.route_scenario import RouteScenario

REFRESH_TICKS = 20
"""How often the list of road users is asked for anew."""


class RoadUsers:
    """Reads the road users of a route scenario, tick by tick."""

    def __init__(self, scenario: RouteScenario) -> None:
        self._scenario = scenario
        self._actors: list[carla.Actor] = []
        self._extents: dict[int, tuple[float, float]] = {}
        self._ticks = 0

    def near(self, reach_m: float) -> list[Body]:
        """Those within reach of the ego; call it once a tick."""
        ego = self._scenario.ego
        place = ego.get_location()
        if self._ticks % REFRESH_TICKS == 0:
            actors = self._scenario.session.world.get_actors()
            self._actors = [*actors.filter("vehicle.*"), *actors.filter("walker.*")]
        self._ticks += 1
        bodies = []
        for actor in self._actors:
            if actor.id == ego.id or not actor.is_alive:
                continue
            transform = actor.get_transform()
            if transform.location.distance(place) <= reach_m:
                bodies.append(self._body(actor, transform))
        return bodies

    def _body(self, actor: carla.Actor, transform: carla.Transform) -> Body:
        if actor.id not in self._extents:
            extent = actor.bounding_box.extent
            self._extents[actor.id] = (extent.x, extent.y)
        return Body(
            centre_world_m=np.array([transform.location.x, transform.location.y]),
            yaw_rad=math.radians(transform.rotation.yaw),
            half_extent_m=self._extents[actor.id],
            walks=actor.type_id.startswith("walker."),
        )
