"""What stands, or crawls, on the ego's lane and is to be driven round, not waited for.

Distances are metres along the route's path, offsets metres to its right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.expert.conflict import EgoBody
from agent.expert.lane_path import LanePath
from agent.expert.road_users import RoadUsers

F64 = NDArray[np.float64]

STANDING_MPS = 0.3
ON_LANE_M = 1.2
"""Whose middle is nearer than this to a lane's is in it."""
CYCLIST_HALF_WIDTH_M = 0.55
"""Two-wheelers are narrower than this, cars wider."""
SLOW_CYCLIST_MPS = 5.5
GROUP_GAP_M = 14.0
"""Obstacles nearer to each other than this are passed in one go."""
IN_THE_WAY_M = 0.3
"""An obstacle that leaves the ego less room than this beside it is in the way."""
QUEUES_MPS = 2.0
"""Who is slower than this behind an obstacle is about to stand there."""
BESIDE_M = 1.0
"""What leaves it less than this is passed along with one that is in the way."""


@dataclass(frozen=True)
class Obstacle:
    """Neighbouring boxes as one: where they begin and end along the path and across it."""

    actor_ids: tuple[int, ...]
    first_m: float
    last_m: float
    left_m: float
    right_m: float
    speed_mps: float


def is_slow_cyclist(half_width_m: float, speed_mps: float) -> bool:
    """Whether a vehicle is a two-wheeler that is not worth following."""
    return half_width_m < CYCLIST_HALF_WIDTH_M and speed_mps < SLOW_CYCLIST_MPS


def find_obstacle(
    path: LanePath,
    distance_m: float,
    reach_m: float,
    users: RoadUsers,
    passable: NDArray[np.bool_],
    body: EgoBody,
) -> Obstacle | None:
    """The nearest group on the path between the ego and `reach_m` ahead of it, or None.

    `passable` (n,) says of which boxes it is known that they are not just waiting. A box that is
    not in the ego's way itself belongs to the group if it stands beside one that is.
    """
    if not bool(passable.any()):
        return None
    rows = np.flatnonzero(passable)
    boxes = users.select(passable)
    along, lateral, path_yaw = path.frenet(
        boxes.centres_world_m, distance_m - 10.0, distance_m + reach_m + 30.0
    )
    relative = boxes.yaws_rad - path_yaw
    cosine, sine = np.abs(np.cos(relative)), np.abs(np.sin(relative))
    half_along = boxes.half_extents_m[:, 0] * cosine + boxes.half_extents_m[:, 1] * sine
    half_across = boxes.half_extents_m[:, 0] * sine + boxes.half_extents_m[:, 1] * cosine
    first, last = along - half_along, along + half_along
    room = np.abs(lateral) - half_across - body.half_width_m
    ahead = last > distance_m - body.rear_m
    in_the_way = ahead & (room < IN_THE_WAY_M)
    starts = in_the_way & (first < distance_m + body.front_m + reach_m)
    if not bool(starts.any()):
        return None
    end_m = float(first[starts].min())
    members: list[int] = []
    for row in np.argsort(first):
        if first[row] > end_m + GROUP_GAP_M:
            break
        if in_the_way[row] or (members and ahead[row] and room[row] < BESIDE_M):
            members.append(int(row))
            end_m = max(end_m, float(last[row]))
    group = np.array(members)
    speeds = boxes.speeds_mps[group] * np.cos(relative[group])
    return Obstacle(
        actor_ids=tuple(users.ids[int(rows[row])] for row in members),
        first_m=float(first[group].min()),
        last_m=float(last[group].max()),
        left_m=float((lateral - half_across)[group].min()),
        right_m=float((lateral + half_across)[group].max()),
        speed_mps=float(max(speeds.max(), 0.0)),
    )


def queue_begins_m(
    path: LanePath, distance_m: float, users: RoadUsers, obstacle: Obstacle, body: EgoBody
) -> float:
    """Where an obstacle begins for an ego at `distance_m`: at the back of who stands, or creeps,
    behind it in its lane and will have to be passed as well."""
    along, lateral, yaw = path.frenet(users.centres_world_m, distance_m, obstacle.last_m)
    front_m, rear_m = distance_m + body.front_m, along - users.half_extents_m[:, 0]
    queues = np.array([kind == "vehicle" for kind in users.kinds], dtype=bool)
    queues &= (np.abs(lateral) < ON_LANE_M) & (np.cos(users.yaws_rad - yaw) > 0.5)
    queues &= (rear_m > front_m) & (rear_m < obstacle.first_m) & (users.speeds_mps < QUEUES_MPS)
    return float(np.min(rear_m[queues], initial=obstacle.first_m))
