"""Who has halted in a queue a moment ago is expected to drive off."""

from __future__ import annotations

import numpy as np
import pytest

from agent.expert.queue_start import QueueStarts, starting_way_m
from agent.expert.road_users import RoadUsers

FAR = np.array([500.0, 500.0])


def car(
    x_m: float, speed_mps: float, kind: str = "vehicle", one: int = 1
) -> tuple[int, str, float, float]:
    return one, kind, x_m, speed_mps


def row_of(*boxes: tuple[int, str, float, float]) -> RoadUsers:
    """Boxes of 4.6 by 1.8 m one behind another along x, heading along it."""
    count = len(boxes)
    ids, kinds, x_m, speeds = zip(*boxes, strict=True)
    return RoadUsers(
        ids=ids,
        kinds=kinds,
        centres_world_m=np.stack([np.array(x_m), np.zeros(count)], axis=1),
        yaws_rad=np.zeros(count),
        heights_m=np.zeros(count),
        half_extents_m=np.tile([2.3, 0.9], (count, 1)),
        velocities_world_mps=np.stack([np.array(speeds), np.zeros(count)], axis=1),
        yaw_rates_radps=np.zeros(count),
    )


def starts_after(halted_s: float, ego: np.ndarray = FAR, kind: str = "vehicle") -> bool:
    queues = QueueStarts()
    queues.note(row_of(car(0.0, 1.0, kind)), 10.0)
    standing = row_of(car(0.0, 0.0, kind))
    queues.note(standing, 10.0 + halted_s)
    return bool(queues.of(standing, ego)[0])


def test_who_halted_a_moment_ago_is_about_to_start_and_who_stands_for_long_is_not() -> None:
    assert starts_after(1.0)
    assert not starts_after(3.5)
    queues = QueueStarts()
    parked = row_of(car(0.0, 0.0))
    queues.note(parked, 10.0)
    assert not queues.of(parked, FAR)[0]


def test_walkers_do_not_queue() -> None:
    assert not starts_after(1.0, kind="walker")


@pytest.mark.parametrize(("ego_m", "starts"), [((7.0, 0.0), False), ((7.0, 3.5), True)])
def test_nobody_starts_into_the_ego(ego_m: tuple[float, float], starts: bool) -> None:
    assert starts_after(1.0, np.array(ego_m)) is starts


def test_only_the_first_of_a_queue_starts_until_it_has_gone_ahead() -> None:
    queues = QueueStarts()
    close = row_of(car(0.0, 1.0), car(7.0, 1.0, one=2))
    queues.note(close, 1.0)
    assert queues.of(close, FAR).tolist() == [False, True]
    apart = row_of(car(0.0, 1.0), car(12.0, 3.0, one=2))
    queues.note(apart, 2.0)
    assert queues.of(apart, FAR).tolist() == [True, False]


def test_the_way_of_who_starts() -> None:
    """0.25 s of nothing, 3 m/s2 to 8 m/s in 2 2/3 s, which takes 10 2/3 m, then 8 m a second."""
    times_s = np.array([0.0, 0.25, 1.25, 0.25 + 8.0 / 3.0, 1.25 + 8.0 / 3.0])
    way_m = starting_way_m(0.0, times_s)
    np.testing.assert_allclose(way_m, [0.0, 0.0, 1.5, 32.0 / 3.0, 32.0 / 3.0 + 8.0], atol=1e-9)
    np.testing.assert_allclose(starting_way_m(8.0, np.array([0.0, 2.0])), [0.0, 16.0])
