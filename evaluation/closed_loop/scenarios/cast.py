"""All road users of a route's scenario, from the start of the route to its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import carla
import numpy as np

from evaluation.closed_loop.scenarios.light_switch import LightSwitch
from evaluation.closed_loop.scenarios.moment import Moment
from evaluation.closed_loop.scenarios.road_users import (
    CrossingWalker,
    CuttingIn,
    LeadingCar,
    ParkedCar,
    RoadUser,
    StreamOfCars,
)
from evaluation.closed_loop.scenarios.scripted_car import Line
from evaluation.routes.dense_route import DenseRoute
from evaluation.routes.lane_graph import LaneRouteError
from evaluation.routes.route import RouteFileError
from evaluation.routes.scenario import (
    CutIn,
    Leader,
    Lights,
    Parked,
    Scenario,
    Stream,
    Walker,
)
from evaluation.scoring.route_progress import RouteProgress
from evaluation.scoring.tick import Tick
from evaluation.servers.session import Session

WINDOW = 4
PASSING_M = 60.0
"""So far before and behind a car that stands in the lane, the other lane may be used."""
IN_LANE_M = 1.2
CLEAR_ROUTE_M = 45.0
"""Nobody of the background is put on the route's first metres, nor where a scenario's car goes."""


class Cast:
    """The road users of one scenario. Raises RouteFileError for a path off the map, or for lights
    that are not there, SimulatorError where one of them has no room."""

    def __init__(self, session: Session, scenario: Scenario, route: DenseRoute) -> None:
        self._session = session
        self._progress = RouteProgress(route, WINDOW)
        self._users: list[RoadUser] = []
        self._wrong_way_m = [
            (one.at_m - PASSING_M, one.at_m + PASSING_M)
            for one in scenario.road_users
            if isinstance(one, Parked) and abs(one.offset_m) < IN_LANE_M
        ]
        self._route = Line(route.points_world_m)
        self._lines = {
            one: _line_of(session, one) for one in scenario.road_users if isinstance(one, Stream)
        }
        try:
            for one in scenario.road_users:
                self._users.append(self._made(one, route))
        except BaseException:
            self.destroy()
            raise

    def _made(
        self, spec: Stream | Leader | CutIn | Parked | Walker | Lights, route: DenseRoute
    ) -> RoadUser:
        match spec:
            case Stream():
                return StreamOfCars(self._session, spec, self._lines[spec])
            case Leader():
                return LeadingCar(self._session, spec, self._route)
            case CutIn():
                return CuttingIn(self._session, spec, self._route)
            case Parked():
                return ParkedCar(self._session, spec, self._route)
            case Walker():
                place_m = self._route.points_m[self._route.index(spec.ego_m)]
                return CrossingWalker(self._session, spec, place_m)
            case Lights():
                return LightSwitch(self._session, spec, route)

    @property
    def keep_clear_world_m(self) -> np.ndarray:
        """(k, 2) points that are the scenario's own."""
        first = self._route.points_m[self._route.distance_m < CLEAR_ROUTE_M]
        return np.concatenate([first, *(line.points_m for line in self._lines.values())])

    @property
    def vehicle_ids(self) -> Sequence[int]:
        return [one for user in self._users for one in user.vehicle_ids]

    def allows_wrong_way(self) -> bool:
        """Whether the ego is where a car stands in its lane, so that it has to use the other one
        (scenario_runner switches the test off there, SwitchWrongDirectionTest)."""
        return any(begin <= self._progress.driven_m <= end for begin, end in self._wrong_way_m)

    def step(
        self, snapshot: carla.WorldSnapshot, tick: Tick, ego_id: int, traffic_ids: Sequence[int]
    ) -> None:
        self._progress.step(tick.place_world_m)
        moment = Moment(
            snapshot,
            tick.time_s,
            ego_id,
            self._progress.driven_m,
            tick.speed_mps,
            (ego_id, *self.vehicle_ids, *traffic_ids),
        )
        for user in self._users:
            user.step(moment)

    def destroy(self) -> None:
        for user in self._users:
            # Where the simulator is gone, its actors are gone with it.
            with suppress(RuntimeError):
                user.destroy()
        self._users.clear()


def _line_of(session: Session, stream: Stream) -> Line:
    try:
        return Line(session.graph.route(np.array(stream.path)).points_world_m)
    except LaneRouteError as error:
        raise RouteFileError(f"the path of a <stream>: {error}") from None
