"""What late controls cost on the demo route, with and without a controller that knows the delay.

    python -m tests.benchmarks.delay --delays 0 2 4 10

The expert plans (route and waypoints, no network), the planner's controller drives, and the
embedded simulator's vehicle answers, on an empty road without lights: what is left is the
controller's doing. Lateral figures are distances of the vehicle's middle from the planned line.
The score is the leaderboard's rule for what can go wrong here: the share of the route that was
driven, less the share of it in which the body left a 3.5 m lane.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import carla
import numpy as np

from agent.expert.decision import ActorFacts, RoutePlaces
from agent.expert.driver import ExpertDriver
from agent.expert.expert_loop import plan_of
from agent.expert.lane_forecast import LaneForecaster
from agent.expert.lane_room import LaneRoom
from agent.expert.privileged_world import WorldView
from agent.expert.road_users import NOBODY
from agent.expert.route_to_path import plan_path
from agent.plan_follower import PlanFollower
from evaluation.closed_loop.disturbances import Disturbances, Disturber
from evaluation.routes.dense_route import DenseRoute
from evaluation.routes.lane_graph import LaneGraph
from evaluation.routes.route_file import read_routes
from evaluation.routes.towns import open_map
from evaluation.runs.plan import DEMO_ROUTES
from evaluation.simulator.physics.vehicle import VehicleFleet, VehicleSpec
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D, VehicleControl
from planner.controller import ControllerSettings
from planner.frames import wrap_angle_rad
from planner.records import EgoState

TICK_S = 0.05
MOST_TICKS = 6000
LIMIT_MPS = 50.0 / 3.6
LANE_M, HALF_WIDTH_M = 3.5, 0.92
LOST_M = 10.0
CAR = VehicleSpec.for_class("car", (2.445, HALF_WIDTH_M, 0.745))


@dataclass(frozen=True)
class Driven:
    """One drive: laterals in metres by tick, the driven share of the route, seconds."""

    laterals_m: np.ndarray
    share: float
    time_s: float

    @property
    def score(self) -> float:
        """0 to 100; see the module."""
        out = np.abs(self.laterals_m) > LANE_M / 2 - HALF_WIDTH_M
        return 100.0 * self.share * (1.0 - float(out.mean()))


def drive(dense: DenseRoute, world_map: carla.Map, delay: int, known: bool) -> Driven:
    """Drive the route once; `known`: the follower makes up for the delay."""
    path = plan_path(dense.points_world_m, dense.yaw_rad, world_map).path
    facts = ActorFacts(
        light_state=lambda _: "Green",
        room_at=lambda *_: LaneRoom(-1.75, 1.75, -1.75, 1.75, False, False),
        has_handbrake=lambda _: False,
        is_emergency=lambda _: False,
    )
    driver = ExpertDriver(path, RoutePlaces(), LaneForecaster(world_map, lambda _: False), facts)
    follower = PlanFollower(ControllerSettings(), delay if known else 0)
    late = Disturber(Disturbances(delay=delay), 0)
    fleet, laterals_m, place_m = VehicleFleet(), [], 0.0
    x, y, z = (float(value) for value in dense.points_world_m[0])
    yaw_deg = float(np.degrees(dense.yaw_rad[0]))
    fleet.add(1, CAR, Transform(Vector3D(x, y, z), Rotation(yaw=yaw_deg)))
    end_m = dense.length_m - 3.0
    for tick in range(MOST_TICKS):
        body = fleet.state[0]
        yaw_rad = wrap_angle_rad(float(body["yaw_rad"]))
        heading = np.array([np.cos(yaw_rad), np.sin(yaw_rad)])
        speed_mps = float(body["velocity_mps"][:2] @ heading)
        ego = EgoState(body["position_m"][:2].astype(float), yaw_rad, speed_mps)
        view = WorldView(tick, TICK_S * tick, ego, carla.Transform(), 0.0, NOBODY)
        decision = driver.step(view, LIMIT_MPS, TICK_S)
        place_m = max(place_m, decision.distance_m)
        laterals_m.append(decision.lateral_m)
        if place_m >= end_m or abs(decision.lateral_m) > LOST_M:
            break
        control = follower.step(plan_of(driver, decision, ego), ego)
        asked = carla.VehicleControl(control.throttle, control.steer, control.brake)
        acting = late.act(asked, 0.0)
        fleet.set_control(1, VehicleControl(acting.throttle, acting.steer, acting.brake))
        fleet.step(TICK_S, lambda points, _: np.zeros(len(points)))
    return Driven(np.array(laterals_m), min(place_m / end_m, 1.0), TICK_S * len(laterals_m))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delays", type=int, nargs="+", default=[0, 2, 4, 10], metavar="TICKS")
    arguments = parser.parse_args()
    (route,) = read_routes(DEMO_ROUTES)
    world_map, _ = open_map("demo")
    dense = route.dense(LaneGraph(world_map))
    print(f"{'delay':>5} {'known':>6} {'score':>7} {'driven':>7} {'lateral p95':>12} {'time':>7}")
    for delay in arguments.delays:
        for known in (False, True) if delay else (False,):
            driven = drive(dense, world_map, delay, known)
            p95_m = float(np.percentile(np.abs(driven.laterals_m), 95))
            print(
                f"{delay:5} {'yes' if known else 'no':>6} {driven.score:7.1f} "
                f"{driven.share:7.1%} {p95_m:10.2f} m {driven.time_s:5.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
