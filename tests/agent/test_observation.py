"""Sensor data in, checked observations out."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest

from agent.observation import Observer, ObserverSettings
from tests.agent.sample_inputs import FRONT, sensor_data

RAW = ObserverSettings(jpeg_quality=0, max_stale_ticks=2, max_blind_ticks=3)


def test_images_become_rgb() -> None:
    data = sensor_data([FRONT], 0)
    observed = Observer([FRONT], RAW).observe(data, 1.5)
    np.testing.assert_array_equal(observed.images[0], data["rgb"][1][:, :, 2::-1])
    assert observed.timestamp_s == 1.5
    assert observed.fault == ""


def test_images_go_through_jpeg() -> None:
    data = sensor_data([FRONT], 0)
    observed = Observer([FRONT], ObserverSettings(jpeg_quality=60)).observe(data, 0.0)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 60]
    encoded = cv2.imencode(".jpg", data["rgb"][1][:, :, :3], quality)[1]
    np.testing.assert_array_equal(observed.images[0][:, :, ::-1], cv2.imdecode(encoded, 1))


@pytest.mark.parametrize(
    ("compass", "yaw"), [(math.pi / 2, 0.0), (0.0, -math.pi / 2), (3.0, 3.0 - math.pi / 2)]
)
def test_yaw_from_the_compass(compass: float, yaw: float) -> None:
    data = sensor_data([FRONT], 0)
    data["imu"][1][-1] = compass
    assert Observer([FRONT], RAW).observe(data, 0.0).yaw_rad == pytest.approx(yaw)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        (0, np.zeros((8, 8, 4), dtype=np.uint8)),
        (0, np.zeros((32, 64, 4), dtype=np.float32)),
        (0, np.zeros((32, 64), dtype=np.uint8)),
        (0, None),
        (0,),
    ],
)
def test_a_broken_image_is_replaced_for_a_short_while(broken: Any) -> None:
    observer = Observer([FRONT], RAW)
    good = observer.observe(sensor_data([FRONT], 0), 0.0)
    faults = []
    for k in range(1, 5):
        data = {**sensor_data([FRONT], k), "rgb": broken}
        observed = observer.observe(data, 0.05 * k)
        np.testing.assert_array_equal(observed.images, good.images)
        faults.append(observed.fault)
    assert faults[:2] == ["", ""]
    assert all("rgb" in fault for fault in faults[2:])
    assert observer.warnings["rgb missing or unusable"] == 4
    assert observer.observe(sensor_data([FRONT], 9), 1.0).fault == ""


def test_without_a_first_image_there_is_nothing_to_drive_by() -> None:
    data = sensor_data([FRONT], 0)
    del data["rgb"]
    observed = Observer([FRONT], RAW).observe(data, 0.0)
    assert observed.images.shape == (1, 32, 64, 3)
    assert "no image yet" in observed.fault


@pytest.mark.parametrize(
    ("sensor", "value"),
    [
        ("gnss", (0, np.array([math.nan, 1.0, 0.0]))),
        ("gnss", (0, np.array([1.0]))),
        ("imu", (0, np.full(7, math.nan))),
        ("imu", (0, "text")),
        ("speed", (0, {})),
        ("speed", (0, {"speed": math.inf})),
    ],
)
def test_bad_readings_become_nan_and_a_fault_in_the_end(sensor: str, value: Any) -> None:
    observer = Observer([FRONT], RAW)
    faults = []
    for k in range(5):
        observed = observer.observe({**sensor_data([FRONT], k), sensor: value}, 0.05 * k)
        faults.append(bool(observed.fault))
    assert faults == [False, False, False, True, True]
    readings = [*observed.gps_deg, observed.yaw_rad, observed.speed_mps]
    assert any(math.isnan(reading) for reading in readings)
