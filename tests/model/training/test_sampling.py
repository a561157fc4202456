"""Buckets, their weights, and the order of draws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import ConfigError
from model.training.buckets import Buckets, draw_weights, find_buckets
from model.training.drives import LIGHTS, OBSTACLES
from model.training.index import DatasetIndex
from model.training.sampler import BatchSampler, Draw, EveryFrame


def sampler(position: int = 0, **changes: object) -> BatchSampler:
    settings: dict[str, object] = {
        "batch_size": 4,
        "samples": 22,
        "shifted_share": 0.5,
        "seed": 7,
        "position": lambda: position,
    }
    chances = np.full(20, 0.05)
    return BatchSampler(chances, np.ones(20, dtype=np.bool_), **{**settings, **changes})  # type: ignore[arg-type]


def test_same_seed_same_draws_and_every_epoch_another() -> None:
    assert list(sampler()) == list(sampler())
    assert list(sampler()) != list(sampler(seed=8))
    assert list(sampler()) != list(sampler(position=5))
    assert len(list(sampler())) == len(sampler()) == 5


@pytest.mark.parametrize("position", [0, 1, 4, 5, 7, 10])
def test_goes_on_where_it_was(position: int) -> None:
    unbroken = [batch for epoch in range(3) for batch in sampler(position=5 * epoch)]
    resumed = list(sampler(position=position))
    assert resumed == unbroken[position : position // 5 * 5 + 5]


def test_ranks_share_an_epoch() -> None:
    parts = [list(sampler(rank=rank, ranks=2, batch_size=2)) for rank in range(2)]
    assert [len(part) for part in parts] == [5, 5]
    places = [draw.key[2] for part in parts for batch in part for draw in batch if draw.key]
    assert sorted(places) == list(range(20))


def test_even_chances_repeat_nothing() -> None:
    rows, _ = sampler(samples=20).epoch(3)
    assert sorted(rows) == list(range(20))


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=20), st.integers(1, 60))
def test_rows_are_drawn_as_often_as_expected(weights: list[float], samples: int) -> None:
    chances = np.array(weights) / sum(weights)
    augmented = np.zeros(len(weights), dtype=np.bool_)
    rows, shifted = BatchSampler(
        chances,
        augmented,
        batch_size=1,
        samples=samples,
        shifted_share=1.0,
        seed=0,
        position=lambda: 0,
    ).epoch(0)
    counts = np.bincount(rows, minlength=len(weights))
    assert counts.sum() == samples
    assert (np.abs(counts - samples * chances) < 1.0 + 1e-6).all()
    assert not shifted.any()


def test_validation_sees_every_frame_once() -> None:
    assert list(EveryFrame(3)) == [Draw(row, False, None) for row in range(3)]
    assert [len(EveryFrame(5, rank, 2)) for rank in range(2)] == [2, 2]


def test_weights_follow_the_buckets() -> None:
    member = np.zeros((100, 3), dtype=np.bool_)
    member[:, 0] = True
    member[:10, 1] = True
    chances = draw_weights(Buckets(("all", "rare", "empty"), member), (0.5, 0.5, 9.0), 100.0)
    np.testing.assert_allclose(chances.sum(), 1.0)
    np.testing.assert_allclose(chances[:10].sum(), 0.5 + 0.05)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=50),
    st.floats(0.01, 1.0),
    st.floats(1.0, 10.0),
)
def test_repeats_are_limited(members: list[tuple[bool, bool]], weight: float, most: float) -> None:
    member = np.array([(True, *row) for row in members])
    buckets = Buckets(("all", "one", "other"), member)
    chances = draw_weights(buckets, (0.2, weight, 1.0), most)
    np.testing.assert_allclose(chances.sum(), 1.0)
    assert (chances > 0.0).all()
    assert chances.max() <= most / len(members) + 1e-9


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((0.0, 0.0, 1.0), r"data\.buckets: .* \(all, other\)"),
        ((1.0, -0.1, 0.0), r"data\.buckets\.other: .* got -0\.1"),
        ((1.0, 0.0, -0.1), r"data\.buckets\.empty: "),
        ((float("nan"), 1.0, 0.0), r"data\.buckets\.all: "),
    ],
)
def test_senseless_weights(weights: tuple[float, ...], message: str) -> None:
    member = np.ones((3, 3), dtype=np.bool_)
    member[:, 2] = False
    buckets = Buckets(("all", "other", "empty"), member)
    with pytest.raises(ConfigError, match=message):
        draw_weights(buckets, weights, 5.0)


def test_buckets_by_what_happens(dataset_index: DatasetIndex) -> None:
    index = dataset_index.rows(np.arange(6))
    speeds, waypoints = index.speeds_mps.copy(), index.waypoints_ego_m.copy()
    speeds[1] = 0.0  # starts: the waypoints go on at 8 m/s
    speeds[2], waypoints[2] = 0.0, 0.0  # stands
    waypoints[3, 4:] = waypoints[3, 3]  # stops within a second
    speeds[4] = 0.0  # still waits, for a light that is about to change
    obstacle = np.array([0, 0, 3, 1, 3, 0], dtype=np.int8)
    light = np.array([0, 1, 3, 0, 3, 1], dtype=np.int8)
    index = dataclasses.replace(
        index, speeds_mps=speeds, waypoints_ego_m=waypoints, obstacle=obstacle, light=light
    )
    buckets = find_buckets(index)
    found = [
        {name for name, is_in in zip(buckets.names, row, strict=True) if is_in}
        for row in buckets.member
    ]
    assert OBSTACLES[1] == "vehicle"
    assert LIGHTS[1] == "green"
    assert found == [
        {"all", "gentle_curve"},
        {"all", "starting", "green_light"},
        {"standing"},
        {"all", "gentle_curve", "stopping", "changing_speed", "vehicle"},
        {"standing"},
        {"all", "gentle_curve", "green_light"},
    ]


def test_mistakes_are_a_bucket_but_for_waiting(dataset_index: DatasetIndex) -> None:
    corrected = np.zeros(len(dataset_index), dtype=np.bool_)
    corrected[[2, 5]] = True
    speeds = dataset_index.speeds_mps.copy()
    speeds[5] = 0.0
    obstacle = dataset_index.obstacle.copy()
    obstacle[5] = OBSTACLES.index("traffic_light")
    changed = dataclasses.replace(
        dataset_index, corrected=corrected, speeds_mps=speeds, obstacle=obstacle
    )
    buckets = find_buckets(changed)
    assert np.flatnonzero(buckets.member[:, buckets.names.index("corrected")]).tolist() == [2]
