"""One route: sparse positions on a town, its weather and its scenarios."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evaluation.errors import UserError
from evaluation.routes.dense_route import DenseRoute
from evaluation.routes.lane_graph import LaneGraph, LaneRouteError


class RouteFileError(UserError, ValueError):
    """A route file that cannot be used; the message names the file and the route."""


@dataclass(frozen=True)
class WeatherPoint:
    """Weather from a point of the route on: parameters as named by carla.WeatherParameters."""

    route_percent: float
    parameters: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Route:
    """One route of a file. positions_world_m: the sparse positions (x, y, z); scenarios: their XML,
    kept as it was read."""

    route_id: str
    town: str
    positions_world_m: tuple[tuple[float, float, float], ...]
    weathers: tuple[WeatherPoint, ...] = ()
    scenarios: tuple[str, ...] = ()
    source: Path = field(default=Path(), compare=False)

    def name_of(self, repetition: int = 0) -> str:
        """Under which the leaderboard records a repetition of the route."""
        return f"RouteScenario_{self.route_id}_rep{repetition}"

    @property
    def scenario_type(self) -> str:
        """Of the first scenario, "" without any."""
        return ET.fromstring(self.scenarios[0]).get("type", "") if self.scenarios else ""

    def dense(self, graph: LaneGraph) -> DenseRoute:
        """Points along the lanes; RouteFileError names the route if it leaves the map."""
        try:
            return graph.route(np.array(self.positions_world_m))
        except LaneRouteError as error:
            raise RouteFileError(f"{self.source}, route {self.route_id}: {error}") from None
