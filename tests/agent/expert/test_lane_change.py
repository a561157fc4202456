"""The route's changes of lanes wait for gaps, and end before the last place for them."""

from __future__ import annotations

import numpy as np
import pytest

from agent.expert.conflict import EgoBody
from agent.expert.detour import DetourSettings
from agent.expert.lane_change import LaneChange, LaneChanges
from agent.expert.lane_entry import Neighbours, SpeedGains
from agent.expert.lane_path import LanePath, build_path
from agent.expert.path_shift import smooth_step
from agent.expert.road_users import RoadUsers

SIDE_M = -3.5
SPEED_MPS = 12.0
CHANGE = LaneChange(60.0, 84.0, SIDE_M, latest_m=250.0)


def planned() -> LanePath:
    """Along the x axis, one lane to the left between 60 and 84 m."""
    x_m = np.arange(0.0, 400.0, 0.5)
    return build_path(np.stack([x_m, SIDE_M * smooth_step((x_m - 60.0) / 24.0)], axis=1))


def column(*x_m: float) -> RoadUsers:
    """Cars in the left lane, as fast as the ego."""
    count = len(x_m)
    return RoadUsers(
        ids=tuple(range(count)),
        kinds=("vehicle",) * count,
        centres_world_m=np.array([(x, SIDE_M) for x in x_m]).reshape(-1, 2),
        yaws_rad=np.zeros(count),
        heights_m=np.zeros(count),
        half_extents_m=np.tile((2.3, 0.9), (count, 1)),
        velocities_world_mps=np.tile((SPEED_MPS, 0.0), (count, 1)),
        yaw_rates_radps=np.zeros(count),
    )


def drive(changes: LaneChanges, gone_m: float, beside_until_m: float) -> float:
    """Drive to `gone_m` with a car beside the ego until then; where the path leaves the lane."""
    for x_m in np.arange(0.0, gone_m, 0.6):
        users = column(x_m) if x_m < beside_until_m else column()
        path = changes.path
        others = Neighbours.of(path, float(x_m), float(x_m) + 60.0, users, SpeedGains())
        changes.step(others, float(x_m), SPEED_MPS)
    offset = changes.path.points_world_m[:, 1]
    return 0.5 * float(np.argmax(offset < 0.5 * SIDE_M))


def changes_of(change: LaneChange) -> LaneChanges:
    return LaneChanges(planned(), [change], EgoBody(), DetourSettings())


@pytest.mark.parametrize("beside_until_m", [0.0, 100.0, 160.0])
def test_a_change_is_put_off_until_there_is_a_gap(beside_until_m: float) -> None:
    changes = changes_of(CHANGE)
    crossed_m = drive(changes, 240.0, beside_until_m)
    begins_m = max(beside_until_m, CHANGE.end_m)
    assert begins_m < crossed_m < begins_m + 45.0
    y_m = changes.path.points_world_m[:, 1]
    assert np.abs(y_m[: int(2.0 * begins_m)]).max() < 0.15
    assert y_m[-1] == pytest.approx(SIDE_M, abs=0.02)
    assert np.abs(changes.path.curvature_per_m).max() < 0.03


def test_a_change_is_not_put_off_beyond_the_last_place_for_it() -> None:
    changes = changes_of(CHANGE)
    drive(changes, 245.0, 400.0)
    at_end = changes.path.point_world_m(CHANGE.latest_m)
    assert at_end[1] == pytest.approx(SIDE_M, abs=0.05)
    assert not changes.looks_back


def test_a_change_without_room_to_put_it_off_stays_as_planned() -> None:
    change = LaneChange(60.0, 84.0, SIDE_M, latest_m=90.0)
    changes = changes_of(change)
    drive(changes, 80.0, 400.0)
    np.testing.assert_array_equal(changes.path.points_world_m, planned().points_world_m)


def test_who_was_looked_at_is_not_looked_at_again() -> None:
    changes = changes_of(CHANGE)
    drive(changes, 80.0, 0.0)
    assert changes.looks_back
    drive(changes, 175.0, 0.0)
    assert not changes.looks_back


def test_two_changes_put_off_add_up() -> None:
    x_m = np.arange(0.0, 400.0, 0.5)
    both = smooth_step((x_m - 60.0) / 24.0) + smooth_step((x_m - 100.0) / 24.0)
    second = LaneChange(100.0, 124.0, SIDE_M, latest_m=350.0)
    path = build_path(np.stack([x_m, SIDE_M * both], axis=1))
    changes = LaneChanges(path, [CHANGE, second], EgoBody(), DetourSettings())
    drive(changes, 130.0, 400.0)
    y_m = changes.path.points_world_m[:, 1]
    assert np.abs(y_m[:260]).max() < 0.2
    assert y_m[-1] == pytest.approx(2.0 * SIDE_M, abs=0.05)


def test_of_two_changes_the_second_begins_when_the_first_has_ended() -> None:
    x_m = np.arange(0.0, 400.0, 0.5)
    both = smooth_step((x_m - 60.0) / 24.0) + smooth_step((x_m - 100.0) / 24.0)
    second = LaneChange(100.0, 124.0, SIDE_M, latest_m=350.0)
    path = build_path(np.stack([x_m, SIDE_M * both], axis=1))
    first = LaneChange(CHANGE.start_m, CHANGE.end_m, SIDE_M, latest_m=350.0)
    changes = LaneChanges(path, [first, second], EgoBody(), DetourSettings())
    drive(changes, 260.0, 150.0)
    assert np.abs(changes.path.curvature_per_m).max() < 0.03
    slope = np.abs(np.gradient(changes.path.points_world_m[:, 1], 0.5))
    between = np.flatnonzero(np.abs(changes.path.points_world_m[:, 1] - SIDE_M) < 0.1)
    assert slope[between].min() < 0.01
