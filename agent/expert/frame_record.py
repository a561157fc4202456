"""The content of a recorded frame: measurement and boxes, as the training reads them.

Keys as in the public dataset RenzKa/simlingo. Points are (x, y) in the ego frame, metres; angles in
radians; speeds in m/s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import carla
import numpy as np
from numpy.typing import NDArray

from agent.expert.decision import Decision
from agent.expert.privileged_world import WorldView
from agent.expert.road_users import RoadUsers
from planner.frames import ego_from_world, wrap_angle_rad
from planner.records import EgoState, Target

F64 = NDArray[np.float64]

ROUTE_POINTS = 40
"""Points of `route`, one metre apart: twice what the model is taught, for augmentation's sake."""
BOX_RADIUS_M = 60.0
MOST_DISAGREEMENT_M = 100.0
"""Stands for infinity, which JSON does not know."""


@dataclass(frozen=True)
class Corrected:
    """What the expert would do while another drives: waypoints (n, 2) of the way back in the ego
    frame, and how far the driver's plan is from it, infinite where it has none."""

    waypoints_ego_m: F64
    disagreement_m: float


def measurement(
    view: WorldView,
    decision: Decision,
    targets: Sequence[Target],
    route_world_m: F64,
    original_world_m: F64,
    hesitates: bool = False,
    corrected: Corrected | None = None,
) -> dict[str, Any]:
    """What goes into `measurements/*.json.gz`, but for the augmentation's two numbers.

    `route_world_m` is the path that is driven from the ego on, one metre apart, and
    `original_world_m` the route's own, which differs where something is passed; `hesitates` says
    that the car brakes for no reason, and that its future positions are no example until that is
    over; `corrected` is given where another drives, whose positions never are.
    """
    route = _rounded(ego_from_world(route_world_m, view.ego))
    points = [_rounded(ego_from_world(t.position_world_m, view.ego))[0] for t in targets]
    reason = decision.reason
    told: dict[str, Any] = {}
    if corrected is not None:
        told = {
            "waypoints": _rounded(corrected.waypoints_ego_m),
            "disagreement": min(corrected.disagreement_m, MOST_DISAGREEMENT_M),
        }
    return {
        **told,
        "pos_global": _rounded(view.ego.position_world_m[None])[0],
        "theta": view.ego.yaw_rad,
        "speed": view.ego.speed_mps,
        "target_speed": decision.target_speed_mps,
        "speed_limit": decision.limit_mps,
        "target_point": points[0],
        "target_point_next": points[1],
        "command": int(targets[0].command),
        "next_command": int(targets[1].command),
        "route": route,
        "route_original": _rounded(ego_from_world(original_world_m, view.ego)),
        "changed_route": not np.array_equal(route_world_m, original_world_m),
        "ego_matrix": ego_matrix(view.ego_transform),
        "steer": decision.control.steer,
        "throttle": decision.control.throttle,
        "brake": decision.control.brake > 0.0,
        "hesitates": hesitates,
        "light_state": decision.light,
        "light_hazard": reason == "light",
        "stop_sign_hazard": reason == "stop_sign",
        "vehicle_hazard": _hazard(decision, "vehicle"),
        "walker_hazard": _hazard(decision, "walker"),
        "speed_reduced_by_obj_type": _reducing_kind(decision),
        "speed_reduced_by_obj_distance": decision.lead.gap_m if decision.lead else None,
        "lateral_offset": decision.lateral_m,
        "frame": view.frame,
        "timestamp": view.timestamp_s,
    }


def ego_matrix(transform: carla.Transform) -> list[list[float]]:
    """World from ego, 4x4, rows first."""
    return [[float(value) for value in row] for row in transform.get_matrix()]


def boxes(
    users: RoadUsers, ego: EgoState, body_of: Callable[[int], tuple[str, float, float]]
) -> list[dict[str, Any]]:
    """What goes into `boxes/*.json.gz`: one entry per road user near the ego.

    `body_of(id)` gives type, height of the box centre above the actor, and half the height.
    """
    if len(users) == 0:
        return []
    positions = ego_from_world(users.centres_world_m, ego)
    entries: list[dict[str, Any]] = []
    for row, (actor_id, kind) in enumerate(zip(users.ids, users.kinds, strict=True)):
        distance_m = float(np.linalg.norm(positions[row]))
        if distance_m > BOX_RADIUS_M:
            continue
        type_id, _, half_height_m = body_of(actor_id)
        entries.append(
            {
                "class": "car" if kind == "vehicle" else kind,
                "type_id": type_id,
                "id": actor_id,
                "position": [*_rounded(positions[row : row + 1])[0]],
                "height": float(users.heights_m[row]),
                "extent": [*(float(v) for v in users.half_extents_m[row]), half_height_m],
                "yaw": wrap_angle_rad(float(users.yaws_rad[row]) - ego.yaw_rad),
                "speed": float(users.speeds_mps[row]),
                "distance": distance_m,
            }
        )
    return entries


def _hazard(decision: Decision, kind: str) -> bool:
    by_lead = decision.reason == "lead" and decision.lead is not None and decision.lead.kind == kind
    other = decision.yielding_to
    by_wait = decision.reason == "wait" and decision.waiting_for == kind
    return (
        by_lead
        or by_wait
        or (decision.reason == "yield" and other is not None and other.kind == kind)
    )


def _reducing_kind(decision: Decision) -> str | None:
    if decision.reason == "light":
        return "traffic_light"
    if decision.reason == "stop_sign":
        return "traffic.stop"
    if decision.reason == "lead" and decision.lead is not None:
        return decision.lead.kind
    if decision.reason == "wait":
        return decision.waiting_for
    if decision.reason == "yield" and decision.yielding_to is not None:
        return decision.yielding_to.kind
    return None


def _rounded(points: F64) -> list[list[float]]:
    """Millimetres are enough and keep the files small."""
    return [[round(float(x), 3), round(float(y), 3)] for x, y in points]
