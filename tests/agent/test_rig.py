"""Camera rigs: what the leaderboard is told, and where points appear."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import carla
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rig import (
    RigError,
    camera_specs,
    check_rig,
    load_rig,
    project,
    rig_to_plain,
    shifted_pose,
    state_specs,
)
from model.config import BASE, NANO, CameraConfig
from tests.agent.sample_inputs import FRONT

angles = st.floats(-80.0, 80.0)
metres = st.floats(-1.5, 1.5)


@pytest.mark.parametrize("rig", [BASE.cameras, NANO.cameras])
def test_the_presets_can_be_mounted(rig: tuple[CameraConfig, ...]) -> None:
    check_rig(rig)
    specs = camera_specs(rig) + state_specs()
    assert len({spec["id"] for spec in specs}) == len(specs) == 6
    assert specs[0]["type"] == "sensor.camera.rgb"
    assert (specs[1]["yaw"], specs[1]["width"]) == (rig[1].yaw_deg, rig[1].width_px)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z_m": 3.1}, "other: mounted 3"),
        ({"width_px": 32}, "other: 32x32 px"),
        ({"name": "rgb"}, "'rgb' is already in use"),
        ({"name": "gnss"}, "'gnss' is already in use"),
    ],
)
def test_what_the_leaderboard_rejects_is_named(change: dict[str, Any], message: str) -> None:
    other = dataclasses.replace(FRONT, **{"name": "other", **change})
    with pytest.raises(RigError, match=message):
        check_rig([FRONT, other])


def test_no_cameras_is_no_rig() -> None:
    with pytest.raises(RigError, match="1 to 6"):
        check_rig([])


def test_projection_of_known_points() -> None:
    level = dataclasses.replace(FRONT, x_m=0.0, z_m=0.0)  # focal length 32 px
    points = np.array([[10.0, 0.0, 0.0], [10.0, 5.0, 0.0], [10.0, 0.0, 2.5], [-5.0, 0.0, 0.0]])
    pixels, visible = project(points, level)
    np.testing.assert_allclose(pixels[:3], [[32, 16], [48, 16], [32, 8]])
    assert visible.tolist() == [True, True, True, False]
    assert np.isnan(pixels[3]).all()


def test_points_on_the_ground_need_no_height() -> None:
    flat = project(np.array([[8.0, 1.0]]), FRONT)[0]
    np.testing.assert_allclose(flat, project(np.array([[8.0, 1.0, 0.0]]), FRONT)[0])


@given(x=metres, y=metres, z=metres, roll=angles, pitch=angles, yaw=st.floats(-180.0, 180.0))
def test_projection_agrees_with_carlas_own_transforms(
    x: float, y: float, z: float, roll: float, pitch: float, yaw: float
) -> None:
    camera = CameraConfig("c", x, y, z, roll, pitch, yaw, 200, 100, 70.0)
    pose = carla.Transform(carla.Location(x, y, z), carla.Rotation(pitch=pitch, yaw=yaw, roll=roll))
    seen = pose.transform(carla.Location(12.0, 2.0, -1.5))
    focal = 100.0 / math.tan(math.radians(35.0))
    pixels, _ = project(np.array([[seen.x, seen.y, seen.z]]), camera)
    expected = [100.0 + focal * 2.0 / 12.0, 50.0 + focal * 1.5 / 12.0]
    np.testing.assert_allclose(pixels[0], expected, atol=0.01)


@given(shift=st.floats(-1.0, 1.0), turn=st.floats(-15.0, 15.0))
def test_a_shifted_rig_sees_what_a_shifted_car_would_see(shift: float, turn: float) -> None:
    points = np.array([[9.0, 1.0], [15.0, -4.0], [6.0, 0.5]])
    angle = math.radians(turn)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    seen_by_shifted_car = (points - [0.0, shift]) @ rotation
    for camera in NANO.cameras[:1]:
        moved = project(points, shifted_pose(camera, shift, turn))[0]
        np.testing.assert_allclose(moved, project(seen_by_shifted_car, camera)[0], atol=0.05)


def test_a_rig_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "rig.json"
    path.write_text(json.dumps(rig_to_plain(NANO.cameras)))
    assert load_rig(str(path)) == load_rig("nano") == NANO.cameras


@pytest.mark.parametrize("content", ["{", "[{}]", "[]"])
def test_a_bad_rig_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "rig.json"
    path.write_text(content)
    with pytest.raises(RigError):
        load_rig(str(path))
