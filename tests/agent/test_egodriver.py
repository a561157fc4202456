"""AlpaSim's contract: frames, stamps, cameras, and a loop over real gRPC."""

from __future__ import annotations

import math
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
import torch

pytest.importorskip("carla_driver_interface", reason="needs the extra 'server'")

from carla_driver_interface.testing import FakeCamera, FakeLoop

from agent.egodriver import REAR_AXLE_M, ego_from_rig, trajectory_of
from agent.policy import Policy
from agent.policy_server import SharedPolicy, open_server
from model.checkpoint import save_checkpoint
from model.config import DEBUG
from model.driving import DrivingModel
from planner.records import Plan

NOW_US = 1_700_000_000_000_000
NO_ROUTE = np.empty((0, 2))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    save_checkpoint(DrivingModel(DEBUG), folder)
    policy = Policy(folder, "cpu")
    server, reached = open_server(SharedPolicy(policy, folder), "127.0.0.1:0")
    yield reached
    server.stop(0).wait()
    policy.close()


def cameras(names: tuple[str, ...] = ("front", "left", "right")) -> list[FakeCamera]:
    return [
        FakeCamera(
            logical_id=name,
            width=camera.width_px,
            height=camera.height_px,
            fov_deg=camera.fov_deg,
            x=camera.x_m + REAR_AXLE_M,
            y=-camera.y_m,
            z=camera.z_m,
            yaw_left_deg=-camera.yaw_deg,
        )
        for name, camera in zip(names, DEBUG.cameras, strict=True)
    ]


def test_a_loop_of_theirs_is_driven(target: str) -> None:
    with FakeLoop(target, cameras(), initial_speed_mps=5.0) as loop:
        first, second = loop.run(5), loop.run(5)
    assert first.steps == 5
    moved_m = np.linalg.norm(np.diff(first.ego.positions[:, :2], axis=0), axis=1)
    assert (moved_m > 0.0).any()
    assert np.isfinite(first.ego.positions).all()
    np.testing.assert_array_equal(first.ego.positions, second.ego.positions)


def test_a_rig_of_another_checkpoint_is_refused(target: str) -> None:
    with (
        FakeLoop(target, [FakeCamera()]) as loop,
        pytest.raises(grpc.RpcError, match="no camera of the session is this checkpoint's 'rgb'"),
    ):
        loop.run(1)


def test_left_is_left_and_the_origin_lies_at_the_rear_axle() -> None:
    straight = trajectory_of(Plan(NO_ROUTE, np.array([[2.0, 0.0], [4.0, 0.0]])), NOW_US)
    np.testing.assert_allclose(straight.positions, [[2.0, 0.0, 0.0], [4.0, 0.0, 0.0]], atol=1e-9)
    right = trajectory_of(Plan(NO_ROUTE, np.array([[0.0, 3.0]])), NOW_US)
    # The car has turned on the spot and gone 3 m to the right; its axle trails behind it.
    np.testing.assert_allclose(right.positions, [[REAR_AXLE_M, REAR_AXLE_M - 3.0, 0.0]], atol=1e-9)
    assert right.last_pose is not None
    assert right.last_pose.yaw == pytest.approx(-math.pi / 2)
    np.testing.assert_allclose(
        ego_from_rig(np.array([[REAR_AXLE_M, 2.0], [0.0, 0.0]])),
        np.array([[0.0, -2.0], [-REAR_AXLE_M, 0.0]]),
    )


def test_stamps_are_absolute_and_rise() -> None:
    plan = trajectory_of(Plan(NO_ROUTE, np.cumsum(np.ones((10, 2)), axis=0)), NOW_US)
    assert list(plan.timestamps_us) == [NOW_US + 250_000 * k for k in range(1, 11)]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_holds_the_vehicle(bad: float) -> None:
    assert len(trajectory_of(Plan(NO_ROUTE, np.array([[1.0, 0.0], [bad, 0.0]])), NOW_US)) == 0


def test_a_standing_plan_keeps_its_heading() -> None:
    plan = trajectory_of(Plan(NO_ROUTE, np.full((4, 2), [1e-3, 1e-3])), NOW_US)
    assert {round(pose.yaw, 6) for pose in plan.poses} == {0.0}
