"""The learned agent on synthetic sensor data, with a tiny checkpoint of random weights."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import carla
import numpy as np
import pytest
import torch

from agent.agent_contract import Track
from agent.policy import Policy
from agent.settings import SettingsError
from agent.simlingo_agent import SimLingoAgent, get_entry_point
from model.checkpoint import CheckpointError, save_checkpoint
from model.config import DEBUG
from model.driving import DrivingModel
from model.runtime import STAGES, Prediction
from tests.agent.sample_inputs import sensor_data, straight_plan
from tests.rerun_files import rows_of

START_TICKS = 3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(DrivingModel(DEBUG), directory)
    return directory


@pytest.fixture
def driver(checkpoint: Path) -> Iterator[SimLingoAgent]:
    agent = SimLingoAgent("localhost", 2000)
    agent.set_global_plan(*straight_plan())
    agent.setup(f"checkpoint={checkpoint},device=cpu,start_brake_ticks={START_TICKS}")
    yield agent
    agent.destroy()


def drive(agent: SimLingoAgent, ticks: int, start: int = 0) -> list[carla.VehicleControl]:
    return [
        agent.run_step(sensor_data(agent.cameras, k, x_m=0.25 * k), 0.05 * k)
        for k in range(start, start + ticks)
    ]


def test_entry_point_and_track() -> None:
    assert get_entry_point() == "SimLingoAgent"
    assert SimLingoAgent("localhost", 2000).track is Track.SENSORS


def test_mounts_the_rig_of_the_checkpoint(driver: SimLingoAgent) -> None:
    specs = {spec["id"]: spec for spec in driver.sensors()}
    assert [c.name for c in driver.cameras] == ["rgb", "rgb_left", "rgb_right"]
    assert specs["rgb"]["width"] == DEBUG.cameras[0].width_px
    assert {"gnss", "imu", "speed"} < specs.keys()


def test_drives_and_tells_what_it_did(driver: SimLingoAgent) -> None:
    controls = drive(driver, 10)
    assert all(control.brake == 1.0 for control in controls[:START_TICKS])
    for control in controls:
        assert -1.0 <= control.steer <= 1.0
        assert control.throttle == 0.0 or control.brake == 0.0
    step = driver.last_step
    assert step is not None
    assert step.plan is not None
    assert step.plan.route_ego_m.shape == (20, 2)
    assert step.plan.waypoints_ego_m.shape == (10, 2)
    assert step.images.shape == (3, DEBUG.cameras[0].height_px, DEBUG.cameras[0].width_px, 3)
    assert step.ego.position_world_m[0] == pytest.approx(2.25, abs=0.6)
    assert step.targets[0].position_world_m[0] > 100.0  # thinned to about 200 m
    assert {"observe", "locate", "plan", "control", "model"} <= step.stage_ms.keys()


class Listening:
    """Keeps what the runtime of an agent's policy is asked."""

    def __init__(self, agent: SimLingoAgent) -> None:
        assert isinstance(agent._policy, Policy)
        assert agent._policy._runtime is not None
        self.asked: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._predict = agent._policy._runtime.predict
        agent._policy._runtime.predict = self  # type: ignore[method-assign,assignment]

    def __call__(self, images: np.ndarray, speeds: np.ndarray, points: np.ndarray) -> Prediction:
        self.asked.append((images.copy(), speeds.copy(), points.copy()))
        return self._predict(images, speeds, points)


@pytest.mark.parametrize("route_as", ["coords", "image"])
def test_networks_that_look_back_and_read_the_route(
    route_as: Literal["coords", "image"], tmp_path: Path
) -> None:
    config = dataclasses.replace(DEBUG, hist_len=2, speed_history=3, route_as=route_as)
    save_checkpoint(DrivingModel(config), tmp_path)
    agent = SimLingoAgent("localhost", 2000)
    agent.set_global_plan(*straight_plan())
    agent.setup(str(tmp_path))
    heard = Listening(agent)
    for k in range(20):
        data = sensor_data(agent.cameras, k, x_m=0.25 * k, speed_mps=1.0 + 0.1 * k)
        agent.run_step(data, 0.05 * k)
    assert agent.last_step is not None
    assert agent.last_step.plan is not None
    images, speeds, points = heard.asked[-1]
    np.testing.assert_array_equal(images[1], agent.last_step.images)
    np.testing.assert_array_equal(images[0], heard.asked[-6][0][1])
    assert speeds[-1] == agent.last_step.ego.speed_mps
    np.testing.assert_array_equal(speeds[:2], [heard.asked[-11][1][-1], heard.asked[-6][1][-1]])
    np.testing.assert_allclose(points, [[k, 0.0] for k in range(20)], atol=0.3)
    agent.destroy()


def test_same_input_same_control(checkpoint: Path) -> None:
    def trace(speed_mps: float) -> list[float]:
        agent = SimLingoAgent("localhost", 2000)
        agent.set_global_plan(*straight_plan())
        agent.setup(f"{checkpoint}")
        seen: list[float] = []
        for k in range(6):
            data = sensor_data(agent.cameras, k, x_m=0.25 * k, speed_mps=speed_mps)
            control = agent.run_step(data, 0.05 * k)
            assert agent.last_step is not None
            assert agent.last_step.plan is not None
            seen += [control.steer, control.throttle, control.brake]
            seen += agent.last_step.plan.route_ego_m.ravel().tolist()
        agent.destroy()
        return seen

    first = trace(5.0)
    assert trace(5.0) == first
    assert trace(5.1) != first


def test_a_lost_camera_is_bridged_and_then_stops_the_car(driver: SimLingoAgent) -> None:
    drive(driver, 6)
    for k in range(6, 30):
        data = sensor_data(driver.cameras, k, x_m=0.25 * k)
        del data["rgb_left"]
        control = driver.run_step(data, 0.05 * k)
        if k == 10:
            assert driver.last_step is not None
            assert driver.last_step.plan is not None
    assert control.brake == 1.0
    assert control.throttle == 0.0
    assert driver.last_step is not None
    assert "rgb_left" in driver.last_step.notes["fault"]
    again = drive(driver, 1, start=30)
    assert driver.last_step.plan is not None
    assert math.isfinite(again[0].steer)


def test_nan_readings_never_reach_the_control(driver: SimLingoAgent) -> None:
    drive(driver, 5)
    for k in range(5, 70):
        data = sensor_data(driver.cameras, k)
        data["gnss"] = (k, np.array([math.nan, math.nan, math.nan]))
        data["imu"] = (k, np.full(7, math.nan))
        control = driver.run_step(data, 0.05 * k)
        assert math.isfinite(control.steer)
    assert control.brake == 1.0


def test_no_state_at_all_is_a_stop(driver: SimLingoAgent) -> None:
    for k in range(8):
        control = driver.run_step({}, 0.05 * k)
    assert (control.throttle, control.brake) == (0.0, 1.0)


def test_destroy_may_be_repeated_and_frees_the_model(driver: SimLingoAgent) -> None:
    drive(driver, 1)
    driver.destroy()
    driver.destroy()
    assert driver.last_step is None
    with pytest.raises(RuntimeError, match="setup"):
        drive(driver, 1)


@pytest.mark.parametrize(("threads", "expected"), [("0", 2), ("1", 1)])
def test_threads_of_torch(threads: str, expected: int, checkpoint: Path) -> None:
    before = torch.get_num_threads()
    agent = SimLingoAgent("localhost", 2000)
    try:
        torch.set_num_threads(2)
        agent.setup(f"checkpoint={checkpoint},device=cpu,threads={threads}")
        assert torch.get_num_threads() == expected
    finally:
        agent.destroy()
        torch.set_num_threads(before)


def test_extra_arguments_of_forks_are_ignored(checkpoint: Path) -> None:
    agent = SimLingoAgent("localhost", 2000)
    agent.setup(str(checkpoint), 3, "more")
    agent.destroy()


def test_a_session_is_recorded(checkpoint: Path, tmp_path: Path) -> None:
    agent = SimLingoAgent("localhost", 2000)
    agent.set_global_plan(*straight_plan())
    agent.setup(f"checkpoint={checkpoint},record={tmp_path}+first+second")
    drive(agent, 4)
    agent.destroy()
    lines = (tmp_path / "second" / "steps.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert len(json.loads(lines[-1])["route_ego_m"]) == 20
    assert (tmp_path / "second" / "video.mp4").stat().st_size > 0
    latency = json.loads((tmp_path / "second" / "latency.json").read_text())
    assert latency.keys() == {*STAGES, "total"}
    assert latency["total"]["max_ms"] >= latency["total"]["p95_ms"] >= latency["vision"]["p50_ms"]


def test_a_session_is_recorded_on_reruns_timeline(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="needs rerun: pip install 'simlingo-carla[debug]'")
    for _ in range(2):
        agent = SimLingoAgent("localhost", 2000)
        agent.set_global_plan(*straight_plan())
        agent.setup(f"checkpoint={checkpoint},record={tmp_path}/drive.rrd+route_7")
        drive(agent, 3)
        agent.destroy()
    names = ["drive_route_7.rrd", "drive_route_7_2.rrd"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    rows = rows_of(tmp_path / names[0])
    assert len([row for row in rows["/world/plan"] if "LineStrips3D:strips" in row]) == 3
    assert len(rows[f"/camera/{DEBUG.cameras[0].name}"]) == 3


@pytest.mark.parametrize("damage", ["missing", "truncated", "no folder"])
def test_a_bad_checkpoint_is_named(damage: str, checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    if damage != "no folder":
        folder.mkdir()
        (folder / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    if damage == "truncated":
        weights = (checkpoint / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    agent = SimLingoAgent("localhost", 2000)
    with pytest.raises((CheckpointError, SettingsError), match="copy"):
        agent.setup(str(folder))
    agent.destroy()
