"""The event camera: events that can be computed by hand, and what a client receives."""

from __future__ import annotations

import math
import time

import carla
import numpy as np
import pytest

from evaluation.simulator.sensors.event_camera import EVENT, EventCamera
from evaluation.simulator.wire.actor_records import AttributeValue, Description
from tests.evaluation.simulator.client_session import DELTA_S, ClientSession, pose
from tests.evaluation.simulator.server_process import RunningSimulator

WIDTH_PX, HEIGHT_PX = 96, 64


def event_camera(**attributes: float) -> EventCamera:
    values = tuple(AttributeValue(name, 2, str(value)) for name, value in attributes.items())
    return EventCamera(Description(1, "sensor.camera.dvs", values), np.random.default_rng(0))


def grey(*levels: int) -> np.ndarray:
    """An image of one row."""
    return np.repeat(np.array([levels], np.uint8)[..., None], 4, axis=2)


def test_events_fall_where_the_brightness_has_changed_by_a_threshold() -> None:
    camera = event_camera(positive_threshold=0.5, negative_threshold=0.3)
    assert len(camera.events(grey(50, 50, 50), 1.0)) == 0
    events = camera.events(grey(50, 180, 30), 1.05)
    # The logarithm rises by 1.276 (two thresholds) and falls by 0.508 (one).
    up = math.log((0.001 + 180 / 255 * 0.9999) / (0.001 + 50 / 255 * 0.9999))
    down = math.log((0.001 + 50 / 255 * 0.9999) / (0.001 + 30 / 255 * 0.9999))
    shares = [(1, 0.5 / up, 1), (2, 0.3 / down, 0), (1, 1.0 / up, 1)]
    assert events["x"].tolist() == [x for x, _, _ in shares]
    assert events["is_brighter"].tolist() == [brighter for _, _, brighter in shares]
    assert events["y"].tolist() == [0, 0, 0]
    expected = [(1.0 + 0.05 * share) * 1e9 for _, share, _ in shares]
    assert events["t_ns"] == pytest.approx(expected, abs=2000)
    # What is left of a change counts for the next one.
    assert len(camera.events(grey(50, 210, 26), 1.10)) == 1


def test_a_pixel_is_silent_for_its_refractory_period() -> None:
    camera = event_camera(positive_threshold=0.1, refractory_period_ns=30e6)
    camera.events(grey(20), 1.0)
    times_s = camera.events(grey(250), 1.1)["t_ns"] / 1e9
    assert len(times_s) in (3, 4)
    assert np.diff(times_s).min() >= 0.03


def test_thresholds_of_nothing_end() -> None:
    camera = event_camera(positive_threshold=0.0, log_eps=0.0, sigma_positive_threshold=1.0)
    camera.events(grey(0, 0), 1.0)
    assert 0 < len(camera.events(grey(255, 255), 1.05)) < 4000


def test_a_client_receives_events_where_it_grows_dark(
    session: ClientSession, tiny_simulator: RunningSimulator
) -> None:
    if tiny_simulator.renderer is None:
        pytest.skip("no OpenGL on this machine")
    camera = session.spawn(
        "sensor.camera.dvs", pose(200.0, 0.0, 1.5), None,
        image_size_x=WIDTH_PX, image_size_y=HEIGHT_PX,
    )  # fmt: skip
    events = session.listen(camera)
    session.ticks(5)
    time.sleep(0.3)
    # Where nothing changes there is no message.
    assert events.empty()
    session.world.set_weather(carla.WeatherParameters.ClearNight)
    frame = session.ticks(1)
    found = session.read(events, frame)
    assert (found.width, found.height, found.frame) == (WIDTH_PX, HEIGHT_PX, frame)
    array = np.frombuffer(found.raw_data, EVENT)
    assert len(array) == len(found) > WIDTH_PX * HEIGHT_PX / 2
    assert array["x"].max() < WIDTH_PX
    assert array["y"].max() < HEIGHT_PX
    assert 0.0 <= found.timestamp - found[0].t / 1e9 <= DELTA_S + 1e-6
    assert not found[0].pol
    assert not array["is_brighter"].any()
