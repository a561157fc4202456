"""Where background vehicles may stand: lane places around a route, and which is needed next.

The official evaluator keeps its background vehicles in three places (scenario_runner 2.1,
`BackgroundBehavior`): on the ego's road before and behind it, 15 m apart and two each; in the lanes
of the other direction, 40 m apart up to 80 m ahead; and in the lanes that lead to the next
junction, up to six in each, 15 m apart. Who has left a junction by another road waits there.
`SHARES`, `GAPS_M` and `EXIT_M` say the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.routes.dense_route import DenseRoute

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEP_M = 5.0
"""Between two places in a lane, as the official sources step."""
NEAR_ROUTE_M = 60.0
JUNCTION_REACH_M = 45.0
"""The official sources stand up to 40 m before a junction."""
EXIT_M = 45.0
"""Who has left a junction by another road than the route's stands still so far behind it."""
FARTHEST_M = 90.0
CLEAR_M = 6.0
"""Between a place and a vehicle that goes another way: they do not touch."""
VIEW_COSINE = 0.5
"""Half a field of view of 120 degrees."""
UNSEEN_M = 50.0
"""Nobody appears in front of the ego nearer than this, after the start."""


class PlaceKind(Enum):
    """What a place is to the ego."""

    ALONG = "on its road, in its direction"
    ONCOMING = "on its road, in the other direction"
    CROSSING = "in a lane that leads to a junction of the route"
    GONE = "away from the route, where it meets the ego no more"


SHARES = {PlaceKind.ALONG: 4, PlaceKind.ONCOMING: 3, PlaceKind.CROSSING: 6}
"""Vehicles of each kind around an ego on a street with one lane per direction that nears a
junction: the official evaluator's two before and two behind, two or three oncoming, and what its
sources before the junction have let out by the time that the ego is there."""
GAPS_M = {PlaceKind.ALONG: 15.0, PlaceKind.ONCOMING: 40.0, PlaceKind.CROSSING: 15.0}


@dataclass(frozen=True)
class Poses:
    """Positions (n, 2) and directions (n,) of road users, world frame."""

    points_world_m: F64
    yaw_rad: F64


@dataclass(frozen=True)
class Place:
    """Where a vehicle may be put."""

    transform: carla.Transform
    kind: PlaceKind


class TrafficPlaces:
    """The places along one route. keep_clear_world_m: (k, 2) points near which nobody is put."""

    def __init__(
        self, world_map: carla.Map, route: DenseRoute, keep_clear_world_m: F64 | None = None
    ) -> None:
        self._route_m = route.points_world_m[:, :2]
        self._route_lanes = {(road, lane) for road, _, lane in route.lane_ids}
        self._junctions_m = _junction_centres(route)
        clear_m = np.empty((0, 2)) if keep_clear_world_m is None else keep_clear_world_m
        kept: list[Place] = []
        for waypoint in world_map.generate_waypoints(STEP_M):
            kind = self.kind_at(waypoint)
            if kind not in SHARES or not _is_near(waypoint.transform, self._route_m, NEAR_ROUTE_M):
                continue
            if not _is_near(waypoint.transform, clear_m, CLEAR_M):
                kept.append(Place(waypoint.transform, kind))
        self._places: Sequence[Place] = kept
        self._poses = poses_of([place.transform for place in kept])
        self._kinds = np.array([list(PlaceKind).index(place.kind) for place in kept], dtype=int)

    def __len__(self) -> int:
        return len(self._places)

    def kind_at(self, waypoint: carla.Waypoint) -> PlaceKind | None:
        """What a vehicle at a waypoint is to the ego; None in and just behind a junction."""
        if waypoint.is_junction:
            return None
        road, lane = waypoint.road_id, waypoint.lane_id
        beside = [its_lane for its_road, its_lane in self._route_lanes if its_road == road]
        if beside:
            along = any(lane * other > 0 for other in beside)
            return PlaceKind.ALONG if along else PlaceKind.ONCOMING
        if self._leads_to_junction(waypoint.transform):
            return PlaceKind.CROSSING
        return None if _is_near(waypoint.transform, self._junctions_m, EXIT_M) else PlaceKind.GONE

    def choose(
        self,
        kind: PlaceKind,
        ego: Poses,
        others: Poses,
        nearest_m: float,
        generator: np.random.Generator,
        unseen: bool = True,
    ) -> Place | None:
        """A free place of a kind, `nearest_m` or more from the ego (one pose) and, if `unseen`,
        not where it would see the vehicle appear; None where there is none."""
        if not self._places:
            return None
        offsets_m = self._poses.points_world_m - ego.points_world_m
        distance_m = np.linalg.norm(offsets_m, axis=1)
        free = (self._kinds == list(PlaceKind).index(kind)) & (distance_m <= FARTHEST_M)
        free &= distance_m >= nearest_m
        if unseen:
            forward = np.array([np.cos(ego.yaw_rad[0]), np.sin(ego.yaw_rad[0])])
            ahead = offsets_m @ forward > VIEW_COSINE * distance_m
            free &= ~ahead | (distance_m >= UNSEEN_M)
        free &= ~self._taken(others, GAPS_M[kind])
        found = np.flatnonzero(free)
        return self._places[int(generator.choice(found))] if len(found) else None

    def _taken(self, others: Poses, gap_m: float) -> Mask:
        """Which places have somebody of their direction within the gap, or anybody upon them."""
        offsets_m = self._poses.points_world_m[:, None, :] - others.points_world_m[None, :, :]
        distance_m = np.linalg.norm(offsets_m, axis=2)
        same = np.cos(self._poses.yaw_rad[:, None] - others.yaw_rad[None, :]) > VIEW_COSINE
        taken: Mask = np.any(distance_m < np.where(same, gap_m, CLEAR_M), axis=1)
        return taken

    def _leads_to_junction(self, transform: carla.Transform) -> bool:
        place = np.array([transform.location.x, transform.location.y])
        offsets_m = self._junctions_m - place
        forward = transform.get_forward_vector()
        distance_m = np.linalg.norm(offsets_m, axis=1)
        towards = offsets_m @ np.array([forward.x, forward.y]) > VIEW_COSINE * distance_m
        return bool(np.any(towards & (distance_m < JUNCTION_REACH_M)))


def most_wanted(present: Collection[PlaceKind]) -> list[PlaceKind]:
    """All kinds, the one first of which there is least in proportion to its share."""
    counts = {kind: sum(one is kind for one in present) for kind in SHARES}
    return sorted(SHARES, key=lambda kind: (counts[kind] + 1) / SHARES[kind])


def poses_of(transforms: Sequence[carla.Transform]) -> Poses:
    points = [(one.location.x, one.location.y) for one in transforms]
    yaw_deg = [one.rotation.yaw for one in transforms]
    return Poses(np.array(points, dtype=np.float64).reshape(-1, 2), np.radians(yaw_deg))


def _is_near(transform: carla.Transform, points_m: F64, limit_m: float) -> bool:
    offsets_m = points_m - np.array([transform.location.x, transform.location.y])
    return bool(np.any(np.einsum("ij,ij->i", offsets_m, offsets_m) < limit_m**2))


def _junction_centres(route: DenseRoute) -> F64:
    """(k, 2) middle of each stretch of the route inside a junction."""
    changes = np.flatnonzero(np.diff(route.junction.astype(int))) + 1
    ends = [0, *changes.tolist(), len(route.junction)]
    centres = [
        route.points_world_m[(first + last) // 2, :2]
        for first, last in itertools.pairwise(ends)
        if route.junction[first]
    ]
    return np.array(centres).reshape(-1, 2)
