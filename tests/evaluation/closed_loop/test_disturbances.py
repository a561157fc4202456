"""Disturbed sensors and late controls, as Bench2Drive-Robust has them."""

from __future__ import annotations

from typing import Any

import carla
import numpy as np
import pytest

from evaluation.closed_loop.disturbances import (
    FREEZE_TICKS,
    DisturbanceError,
    Disturbances,
    Disturber,
    parse_disturbances,
    relative_drop,
)


def inputs(frame: int) -> dict[str, tuple[int, Any]]:
    image = np.random.default_rng(frame).integers(1, 255, (20, 40, 4), dtype=np.uint8)
    return {
        "rgb": (frame, image),
        "gnss": (frame, np.array([48.0, 8.0, 0.0])),
        "imu": (frame, np.arange(7.0)),
        "speed": (frame, {"speed": 10.0}),
    }


def same(one: dict[str, tuple[int, Any]], other: dict[str, tuple[int, Any]]) -> bool:
    return all(
        np.array_equal(value, other[name][1])
        if isinstance(value, np.ndarray)
        else value == other[name][1]
        for name, (_, value) in one.items()
    )


def test_an_undisturbed_drive_is_left_alone() -> None:
    disturber = Disturber(Disturbances(), 0)
    assert same(disturber.sense(inputs(1)), inputs(1))
    control = carla.VehicleControl(throttle=0.5)
    assert disturber.act(control, 400.0) is control
    assert disturber.mean_delay_ticks == 0.0


def acted(delay: int | str, took_ms: list[float]) -> list[float]:
    """The throttle that acts in each tick, where the agent's is the tick's number from 1."""
    disturber = Disturber(Disturbances(delay=delay), 0)
    controls = [carla.VehicleControl(throttle=k + 1) for k in range(len(took_ms))]
    pairs = zip(controls, took_ms, strict=True)
    return [float(disturber.act(control, ms).throttle) for control, ms in pairs]


@pytest.mark.parametrize(
    ("delay", "took_ms", "expected"),
    [
        (0, [1.0] * 4, [1, 2, 3, 4]),
        (2, [1.0] * 5, [0, 0, 1, 2, 3]),
        (10, [1.0] * 4, [0, 0, 0, 0]),
        ("measured", [0.0, 30.0, 50.0, 51.0, 30.0], [1, 1, 2, 3, 3]),
        # A slow answer is overtaken by quick ones, and never acts afterwards.
        ("measured", [0.0, 190.0, 0.0, 0.0, 0.0, 0.0], [1, 1, 3, 4, 5, 6]),
    ],
)
def test_controls_come_late(delay: int | str, took_ms: list[float], expected: list[float]) -> None:
    assert acted(delay, took_ms) == expected


def test_before_the_first_control_the_car_is_held() -> None:
    assert Disturber(Disturbances(delay=1), 0).act(carla.VehicleControl(), 0.0).brake == 1.0


def test_frozen_cameras_keep_their_image_for_a_third_of_a_second() -> None:
    disturber = Disturber(Disturbances(freeze=0.05), 3)
    seen = [disturber.sense(inputs(k))["rgb"] for k in range(400)]
    assert [frame for frame, _ in seen] == list(range(400))
    fresh = [np.array_equal(image, inputs(k)["rgb"][1]) for k, (_, image) in enumerate(seen)]
    lengths = [len(run) for run in "".join("x" if one else "f" for one in fresh).split("x") if run]
    assert FREEZE_TICKS == 7
    # The last one may go on.
    assert min(lengths[:-1]) == FREEZE_TICKS
    assert 0.1 < 1.0 - np.mean(fresh) < 0.6


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_covered_share(share: float) -> None:
    image = Disturber(Disturbances(occlusion=share), 1).sense(inputs(1))["rgb"][1]
    assert (image[..., :3] == 0).all(axis=-1).mean() == pytest.approx(share, abs=0.03)


def test_noise_has_the_strength_that_was_asked_for() -> None:
    disturber = Disturber(Disturbances(gnss=15.0, speed=0.5), 1)
    sensed = [disturber.sense(inputs(1)) for _ in range(2000)]
    fixes = np.array([one["gnss"][1][:2] for one in sensed])
    metres = (fixes - [48.0, 8.0]) * np.radians(6378137.0) * [1.0, np.cos(np.radians(48.0))]
    np.testing.assert_allclose(metres.std(axis=0), 15.0, rtol=0.06)
    np.testing.assert_allclose(metres.mean(axis=0), 0.0, atol=1.2)
    speeds = np.array([one["speed"][1]["speed"] for one in sensed])
    assert speeds.mean() == pytest.approx(5.0, abs=0.2)
    assert speeds.std() == pytest.approx(2.0, abs=0.15)
    np.testing.assert_array_equal(sensed[0]["imu"][1], np.arange(7.0))


def test_a_seed_is_a_drive() -> None:
    how = Disturbances(freeze=0.2, occlusion=0.5, gnss=5.0, speed=0.5)
    first, again, other = (Disturber(how, seed) for seed in (1, 1, 2))
    for k in range(20):
        one = first.sense(inputs(k))
        assert same(one, again.sense(inputs(k)))
    assert not same(one, other.sense(inputs(19)))


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        ([], ["clean"]),
        (["delay=0,2,4"], ["clean", "delay=2", "delay=4"]),
        (["delay=measured"], ["delay=measured"]),
        (["delay=0,2", "gnss=5"], ["gnss=5.0", "delay=2,gnss=5.0"]),
        (
            ["speed=0.5", "occlusion=0.5,0.8"],
            ["occlusion=0.5,speed=0.5", "occlusion=0.8,speed=0.5"],
        ),
    ],
)
def test_combinations(texts: list[str], names: list[str]) -> None:
    assert [one.name for one in parse_disturbances(texts)] == names


def test_the_benchmarks_own_are_each_alone() -> None:
    cells = parse_disturbances(["robust"])
    texts = [one.name for one in cells]
    assert [texts[0], len(texts)] == ["clean", 11]
    alone = [parse_disturbances([text]) for text in texts[1:]]
    assert alone == [(cell,) for cell in cells[1:]]
    with pytest.raises(DisturbanceError, match="robust"):
        parse_disturbances(["robust", "delay=2"])


@pytest.mark.parametrize(
    "text", ["delay", "delay=", "delay=2.5", "delay=-1", "delay=1e9", "gnss=nan", "gnss=measured",
             "occlusion=1.5", "rain=1", "speed=x"],
)  # fmt: skip
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(DisturbanceError, match=text.partition("=")[0]):
        parse_disturbances([text])
    with pytest.raises(DisturbanceError):
        parse_disturbances(["delay=1", "delay=2"])


def test_relative_drop() -> None:
    assert relative_drop(40.0, 80.0) == 0.5
    assert relative_drop(80.0, 80.0) == 0.0
    assert relative_drop(0.0, 0.0) is None
