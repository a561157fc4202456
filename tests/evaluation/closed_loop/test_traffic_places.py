"""Where background vehicles are put: by what the lane is to the route, with room, unseen."""

from __future__ import annotations

from functools import cache

import carla
import numpy as np
import pytest

from evaluation.closed_loop.background_traffic import speed_shares
from evaluation.closed_loop.traffic_places import (
    FARTHEST_M,
    GAPS_M,
    SHARES,
    UNSEEN_M,
    PlaceKind,
    Poses,
    TrafficPlaces,
    most_wanted,
    poses_of,
)
from evaluation.routes.dense_route import DenseRoute
from evaluation.routes.lane_graph import LaneGraph
from tests.evaluation.scoring.roads import crossing_map

EGO = Poses(np.array([[90.0, 1.75]]), np.array([0.0]))


@cache
def route() -> DenseRoute:
    """From the western arm straight through the crossing to the eastern one."""
    return LaneGraph(crossing_map()).route(np.array([[60.0, 1.75], [250.0, 1.75]]))


@cache
def places() -> TrafficPlaces:
    return TrafficPlaces(crossing_map(), route())


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (40.0, 1.75, PlaceKind.ALONG),
        (240.0, 1.75, PlaceKind.ALONG),
        (40.0, -1.75, PlaceKind.ONCOMING),
        (163.25, -40.0, PlaceKind.CROSSING),
        (166.75, -40.0, None),
        (166.75, -80.0, PlaceKind.GONE),
        (165.0, 0.0, None),
    ],
)
def test_a_place_is_known_by_what_it_is_to_the_route(
    x: float, y: float, expected: PlaceKind | None
) -> None:
    assert places().kind_at(crossing_map().get_waypoint(carla.Location(x, y, 0.0))) is expected


@pytest.mark.parametrize("kind", list(SHARES))
@pytest.mark.parametrize("seed", range(5))
def test_a_place_has_room_and_is_out_of_sight(kind: PlaceKind, seed: int) -> None:
    others = Poses(np.array([[60.0, 1.75], [130.0, -1.75]]), np.array([0.0, np.pi]))
    place = places().choose(kind, EGO, others, 30.0, np.random.default_rng(seed))
    assert place is not None
    found = poses_of([place.transform])
    offset_m = found.points_world_m[0] - EGO.points_world_m[0]
    distance_m = float(np.linalg.norm(offset_m))
    assert 30.0 <= distance_m <= FARTHEST_M
    assert offset_m[0] <= 0.5 * distance_m or distance_m >= UNSEEN_M
    same = np.cos(others.yaw_rad - found.yaw_rad) > 0.5
    apart_m = np.linalg.norm(others.points_world_m - found.points_world_m, axis=1)
    assert np.all(apart_m[same] >= GAPS_M[kind])


def test_who_has_no_room_gets_no_place() -> None:
    everywhere = poses_of(
        [waypoint.transform for waypoint in crossing_map().generate_waypoints(5.0)]
    )
    rng = np.random.default_rng(0)
    assert all(places().choose(one, EGO, everywhere, 15.0, rng) is None for one in SHARES)


def test_nobody_is_put_where_it_is_to_be_kept_clear() -> None:
    lane = np.stack([np.arange(0.0, 330.0), np.full(330, -1.75)], axis=1)
    clear = TrafficPlaces(crossing_map(), route(), lane)
    rng = np.random.default_rng(0)
    assert clear.choose(PlaceKind.ONCOMING, EGO, EGO, 15.0, rng, unseen=False) is None
    assert clear.choose(PlaceKind.CROSSING, EGO, EGO, 15.0, rng, unseen=False) is not None


def test_what_is_missed_most_comes_first() -> None:
    assert most_wanted([])[0] is PlaceKind.CROSSING
    present: list[PlaceKind] = []
    for _ in range(sum(SHARES.values())):
        present.append(most_wanted(present)[0])
    assert {kind: present.count(kind) for kind in SHARES} == SHARES


@pytest.mark.parametrize(
    ("offsets_m", "ego_mps", "expected"),
    [
        ([20.0], 0.0, [1.0]),
        ([37.5], 0.0, [0.5]),
        ([37.5], 10.0, [1.0]),
        ([60.0], 0.0, [0.0]),
        ([20.0, 35.0, 60.0], 0.0, [1.0, 2.0 / 3.0, 1.0]),
        ([-7.5], 0.0, [1.5]),
        ([-60.0], 0.0, [2.0]),
    ],
)
def test_who_is_before_the_ego_waits_and_who_is_behind_hurries(
    offsets_m: list[float], ego_mps: float, expected: list[float]
) -> None:
    offsets = np.array([[offset_m, 0.0] for offset_m in offsets_m])
    assert speed_shares(offsets, np.array([1.0, 0.0]), ego_mps) == pytest.approx(expected)
