"""How far the ego can go on and stand without being in anybody's way.

Rules that measure along the path, as `conflict.py` does, take a box for as long as it is across:
beside somebody who turns, that is metres off. Here the outlines themselves are laid over each
other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.expert.conflict import EgoBody
from agent.expert.lane_path import LanePath
from agent.expert.road_users import Forecast, RoadUsers

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEP_M = 0.25
SAME_WAY_RAD = 1.0
BESIDE_M = 1.5
FOLLOWED_M = 80.0
"""Who is as far as this behind the ego, no farther beside its path and looks along it, follows."""


def standing_room_m(
    path: LanePath,
    distance_m: float,
    reach_m: float,
    users: RoadUsers,
    ahead: Forecast,
    body: EgoBody,
    margin_m: float,
) -> float:
    """How far an ego at `distance_m` can go on, at most `reach_m`, so that wherever it stops no
    vehicle of the forecast comes nearer than `margin_m` to its outline; 0 where it is in the way
    already.

    Who follows the ego in its lane, and who walks, is left out.
    """
    matters = np.array([kind == "vehicle" for kind in users.kinds], dtype=np.bool_)
    matters &= ~_follows(path, distance_m, users)
    boxes = ahead.select(matters)
    half_m = np.repeat(users.half_extents_m[matters], len(ahead.times_s), axis=0)
    room_m = clear_room_m(
        path,
        distance_m,
        reach_m,
        boxes.centres_world_m.reshape(-1, 2),
        boxes.yaws_rad.reshape(-1),
        half_m + margin_m,
        body,
    )
    return room_m or 0.0


def clear_room_m(
    path: LanePath,
    distance_m: float,
    reach_m: float,
    centres_world_m: F64,
    yaws_rad: F64,
    half_extents_m: F64,
    body: EgoBody,
) -> float | None:
    """How far an ego at `distance_m` can go on, at most `reach_m`, without touching one of the
    boxes, given by middles (m, 2), directions (m,) and half extents (m, 2); None where it touches
    one already."""
    places_m = np.arange(0.0, reach_m + 1e-6, STEP_M)
    middle_m = 0.5 * (body.front_m - body.rear_m)
    own_yaw_rad = np.array([path.yaw_at_rad(distance_m + place_m) for place_m in places_m])
    own_world_m = path.point_world_m(distance_m + places_m) + middle_m * _directions(own_yaw_rad)
    own_half_m = np.array([0.5 * (body.front_m + body.rear_m), body.half_width_m])
    away_m = centres_world_m - own_world_m[len(places_m) // 2]
    near_m = np.hypot(*own_half_m) + np.hypot(half_extents_m[:, 0], half_extents_m[:, 1])
    near = np.hypot(away_m[:, 0], away_m[:, 1]) < 0.5 * reach_m + near_m
    touched = _overlap(
        own_world_m,
        own_yaw_rad,
        np.tile(own_half_m, (len(places_m), 1)),
        centres_world_m[near],
        yaws_rad[near],
        half_extents_m[near],
    ).any(axis=1)
    if not bool(touched.any()):
        return float(places_m[-1])
    first = int(np.argmax(touched))
    return float(places_m[first - 1]) if first else None


def _follows(path: LanePath, distance_m: float, users: RoadUsers) -> Mask:
    """Which of the users (n,) are behind the ego's middle in its lane and look along it."""
    along_m, right_m, yaw_rad = path.frenet(
        users.centres_world_m, distance_m - FOLLOWED_M, distance_m + 1.0
    )
    same_way = np.cos(users.yaws_rad - yaw_rad) > np.cos(SAME_WAY_RAD)
    follows: Mask = (along_m < distance_m) & (np.abs(right_m) < BESIDE_M) & same_way
    return follows


def _directions(yaws_rad: F64) -> F64:
    return np.stack([np.cos(yaws_rad), np.sin(yaws_rad)], axis=-1)


def _overlap(
    centres_m: F64,
    yaws_rad: F64,
    half_m: F64,
    others_m: F64,
    other_yaws_rad: F64,
    other_half_m: F64,
) -> Mask:
    """Which of the boxes (k,) and (m,) overlap, (k, m): none of their four axes parts those."""
    away = others_m[None, :, :] - centres_m[:, None, :]
    relative = other_yaws_rad[None, :] - yaws_rad[:, None]
    cosine, sine = np.abs(np.cos(relative)), np.abs(np.sin(relative))
    own_length, own_width = half_m[:, None, 0], half_m[:, None, 1]
    length, width = other_half_m[None, :, 0], other_half_m[None, :, 1]
    own, other = _directions(yaws_rad), _directions(other_yaws_rad)

    def along(axes: F64) -> F64:
        projected: F64 = np.abs(away[..., 0] * axes[..., 0] + away[..., 1] * axes[..., 1])
        return projected

    def across(axes: F64) -> F64:
        projected: F64 = np.abs(away[..., 1] * axes[..., 0] - away[..., 0] * axes[..., 1])
        return projected

    overlap: Mask = (
        (along(own[:, None]) < own_length + length * cosine + width * sine)
        & (across(own[:, None]) < own_width + length * sine + width * cosine)
        & (along(other[None, :]) < length + own_length * cosine + own_width * sine)
        & (across(other[None, :]) < width + own_length * sine + own_width * cosine)
    )
    return overlap
