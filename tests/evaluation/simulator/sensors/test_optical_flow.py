"""Optical flow: scenes that can be computed by hand, and CARLA's units and signs."""

from __future__ import annotations

import math
import queue
from typing import Any

import carla
import numpy as np
import pytest

from tests.evaluation.simulator.client_session import ClientSession, pose
from tests.evaluation.simulator.server_process import RunningSimulator

CAR = "vehicle.lincoln.mkz_2020"
WIDTH_PX, HEIGHT_PX = 96, 64
ROW, COLUMN = HEIGHT_PX // 2, WIDTH_PX // 2


@pytest.fixture(autouse=True)
def _needs_renderer(tiny_simulator: RunningSimulator) -> None:
    if tiny_simulator.renderer is None:
        pytest.skip("no OpenGL on this machine")


def start(session: ClientSession, place: carla.Transform) -> tuple[Any, queue.Queue[Any]]:
    """Return a camera that has taken its first images, and the queue of them."""
    camera = session.spawn(
        "sensor.camera.optical_flow", place, None, image_size_x=WIDTH_PX, image_size_y=HEIGHT_PX
    )
    images = session.listen(camera)
    session.read(images, session.ticks(3))
    return camera, images


def flow(image: Any) -> np.ndarray:
    """Return x and y (height, width, 2)."""
    assert (image.width, image.height) == (WIDTH_PX, HEIGHT_PX)
    vectors: np.ndarray = np.frombuffer(image.raw_data, np.float32)
    return vectors.reshape(HEIGHT_PX, WIDTH_PX, 2)


def from_above(x: float) -> carla.Transform:
    return carla.Transform(carla.Location(x, 0.0, 6.0), carla.Rotation(pitch=-90.0))


def test_a_camera_that_moves(session: ClientSession) -> None:
    camera, images = start(session, from_above(200.0))
    assert np.abs(flow(session.read(images, session.ticks(1)))).max() < 1e-6
    camera.set_transform(from_above(200.5))
    image = session.read(images, session.ticks(1))
    # 6 m below, half the width is 6 m and half the height 4 m: the road moves down by 0.5 m.
    assert flow(image)[ROW, COLUMN] == pytest.approx([0.0, -0.5 / 4.0], abs=1e-3)
    assert image[ROW * WIDTH_PX + COLUMN].y == pytest.approx(-0.125, abs=1e-3)
    assert image.get_color_coded_flow().width == WIDTH_PX
    assert np.abs(flow(session.read(images, session.ticks(1)))).max() < 1e-6


def test_a_camera_that_turns_right_sees_the_sky_move_left(session: ClientSession) -> None:
    camera, images = start(session, pose(200.0, 0.0, 1.5))
    camera.set_transform(pose(200.0, 0.0, 1.5, 2.0))
    x, y = flow(session.read(images, session.ticks(1)))[2, COLUMN]
    assert x == pytest.approx(-math.tan(math.radians(2.0)), rel=0.5)
    assert x < -0.03
    assert abs(y) < 0.01


def test_a_car_that_moves_before_a_still_camera(session: ClientSession) -> None:
    car = session.spawn(CAR, pose(200.0, 1.75))
    session.ticks(20)
    car.set_simulate_physics(False)
    _, images = start(session, from_above(200.0))
    place = car.get_transform()
    place.location.x += 0.5
    car.set_transform(place)
    seen = flow(session.read(images, session.ticks(1)))
    # Its roof is 4.5 m below: half the height of the image is 3 m there.
    assert seen[ROW, COLUMN + 18] == pytest.approx([0.0, 0.5 / 3.0], abs=0.02)
    assert np.abs(seen[ROW, COLUMN - 14]).max() < 1e-6
