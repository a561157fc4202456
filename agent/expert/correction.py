"""What the expert would do where another driver has brought the car.

The recorded positions of such a drive are no example. Instead the car is rolled out from where it
is: back to the path by the expert's own steering law, as fast as the expert would drive.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agent.expert.lane_path import LanePath
from agent.expert.steering import SteeringSettings, steer_to_path
from model.config import FRAME_INTERVAL_S
from planner.bicycle import BicycleConstants, predict
from planner.frames import ego_from_world
from planner.records import Control, EgoState, Plan

F64 = NDArray[np.float64]

STEP_S = 0.05
COMPARED_ROUTE_POINT = 10
"""The routes are compared about so many metres ahead: half of what a network sees of a bend."""
COMPARED_WAYPOINT = 3
"""The waypoints are compared a second ahead."""


def waypoints_back_ego_m(
    path: LanePath,
    along_m: F64,
    ego: EgoState,
    yaw_rate_radps: float,
    steering: SteeringSettings,
    constants: BicycleConstants | None = None,
) -> F64:
    """(n, 2) positions of the car, FRAME_INTERVAL_S apart, while it is steered back to the path.

    along_m: (1 + n,) distances along the path that the expert would have come to, the present one
    first; they tell its speeds.
    """
    known = constants or BicycleConstants()
    steps = round(FRAME_INTERVAL_S / STEP_S)
    state = np.array([*ego.position_world_m, ego.yaw_rad, 0.0])
    positions = []
    for frame, speed_mps in enumerate(np.diff(along_m) / FRAME_INTERVAL_S):
        state[3] = speed_mps
        for _ in range(steps):
            now = EgoState(state[:2], float(state[2]), float(speed_mps))
            steer = steer_to_path(path, float(along_m[frame]), now, yaw_rate_radps, steering)
            after = predict(state, Control(steer, 0.0, 0.0), STEP_S, known)
            yaw_rate_radps = float(after[2] - state[2]) / STEP_S
            state = after
        positions.append(state[:2].copy())
    return ego_from_world(np.array(positions), ego)


def disagreement_m(wanted: Plan, planned: Plan | None) -> float:
    """How far the driver's plan is from the expert's: the larger of the distances between their
    routes and between their waypoints; infinite where the driver has no plan."""
    if planned is None:
        return math.inf
    pairs = (
        (wanted.route_ego_m, planned.route_ego_m, COMPARED_ROUTE_POINT),
        (wanted.waypoints_ego_m, planned.waypoints_ego_m, COMPARED_WAYPOINT),
    )
    distances = [
        math.dist(first[index], second[index])
        for first, second, index in pairs
        if min(len(first), len(second)) > index
    ]
    return max(distances, default=math.inf)
