"""A policy behind a socket: the same plans to the last bit, and a safe stop when it is gone."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch

from agent.plan_source import Planned, PolicyUnavailableError, open_plan_source
from agent.plan_stream import Deadline
from agent.policy import Policy
from agent.policy_server import AddressError, SharedPolicy, main, open_server
from agent.policy_wire import (
    PLANS,
    SERVICE,
    PlanRequest,
    WireError,
    pack_planned,
    pack_request,
    parse_address,
    unpack_planned,
    unpack_request,
)
from agent.remote_policy import RemotePolicy
from agent.settings import AgentSettings
from agent.simlingo_agent import SimLingoAgent
from model.checkpoint import save_checkpoint
from model.config import DEBUG
from model.driving import DrivingModel
from planner.records import Command, EgoState, Plan, Target
from tests.agent.sample_inputs import sensor_data, straight_plan

pytest.importorskip("carla_driver_interface", reason="needs the extra 'server'")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(DrivingModel(DEBUG), directory)
    return directory


@pytest.fixture(scope="module")
def shared(checkpoint: Path) -> Iterator[SharedPolicy]:
    policy = Policy(checkpoint, "cpu")
    yield SharedPolicy(policy, checkpoint)
    policy.close()


@pytest.fixture
def address(shared: SharedPolicy, tmp_path: Path) -> Iterator[str]:
    server, reached = open_server(shared, f"unix:{tmp_path}/p.sock")
    yield reached
    server.stop(0).wait()


def drive(config: str, ticks: int = 8) -> list[float]:
    agent = SimLingoAgent("localhost", 2000)
    agent.set_global_plan(*straight_plan())
    agent.setup(f"{config},start_brake_ticks=2")
    seen: list[float] = []
    for k in range(ticks):
        control = agent.run_step(sensor_data(agent.cameras, k, x_m=0.25 * k), 0.05 * k)
        assert agent.last_step is not None
        assert agent.last_step.plan is not None
        seen += [control.steer, control.throttle, control.brake]
        seen += agent.last_step.plan.route_ego_m.ravel().tolist()
        seen += agent.last_step.plan.waypoints_ego_m.ravel().tolist()
    agent.destroy()
    return seen


def test_it_drives_to_the_bit_as_in_the_process(checkpoint: Path, address: str) -> None:
    assert drive(f"policy={address}") == drive(f"checkpoint={checkpoint},device=cpu")


FAR_AGENT = """
import sys
sys.path.insert(0, "agent")
from simlingo_agent import SimLingoAgent
from tests.agent.sample_inputs import sensor_data, straight_plan
agent = SimLingoAgent("localhost", 2000)
agent.set_global_plan(*straight_plan())
agent.setup("policy=" + sys.argv[1])
agent.run_step(sensor_data(agent.cameras, 1), 0.05)
assert agent.last_step.plan is not None
agent.destroy()
print(sorted({"torch", "transformers", "lightning"} & sys.modules.keys()))
"""


def test_the_agents_process_never_imports_the_models_stack(address: str) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FAR_AGENT, address],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_server_that_dies_stops_the_car_and_is_found_again(
    shared: SharedPolicy, tmp_path: Path
) -> None:
    place = f"unix:{tmp_path}/p.sock"
    server, _ = open_server(shared, place)
    agent = SimLingoAgent("localhost", 2000)
    agent.set_global_plan(*straight_plan())
    agent.setup(f"policy={place},start_brake_ticks=0,policy_timeout_s=30")

    def plans(k: int) -> bool:
        control = agent.run_step(sensor_data(agent.cameras, k, x_m=0.25 * k), 0.05 * k)
        assert agent.last_step is not None
        if agent.last_step.plan is None:
            assert (control.throttle, control.brake) == (0.0, 1.0)
            assert "is not there" in agent.last_step.notes["fault"]
        return agent.last_step.plan is not None

    assert plans(1)
    server.stop(0).wait()
    assert not plans(2)
    assert not plans(3)
    server, _ = open_server(shared, place)
    assert any(plans(k) for k in range(4, 4000))
    assert agent.last_step is not None
    assert agent.last_step.warnings["plan not to be had"] >= 2
    agent.destroy()
    server.stop(0).wait()


def test_a_late_answer_is_none(shared: SharedPolicy, address: str) -> None:
    remote = RemotePolicy(address, 1e-6)
    with pytest.raises(PolicyUnavailableError, match="not answered within 1e-06 s"):
        remote.plan(*arguments())
    remote.close()


def test_nobody_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnavailableError, match=r"start it|not answered"):
        RemotePolicy(f"unix:{tmp_path}/none.sock", 1.0, first_answer_s=0.2)


def test_without_grpc_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "agent.remote_policy")
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(PolicyUnavailableError, match=r"simlingo-carla\[server\]"):
        open_plan_source(AgentSettings(policy="50051"))


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_second_server_is_refused(shared: SharedPolicy, tmp_path: Path, kind: str) -> None:
    place = f"unix:{tmp_path}/p.sock" if kind == "unix" else "127.0.0.1:0"
    server, reached = open_server(shared, place)
    with pytest.raises(AddressError, match="serves there already"):
        open_server(shared, reached)
    server.stop(0).wait()


def test_a_socket_file_left_behind_is_no_obstacle(shared: SharedPolicy, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{tmp_path}/p.sock")
    server, _ = open_server(shared, f"unix:{tmp_path}/p.sock")
    server.stop(0).wait()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--address", "nowhere"], "expected unix:PATH, HOST:PORT or PORT"),
        (["--address", "unix:"], "expected a path"),
        (["--address", "unix:/none/such/p.sock"], "there is no folder"),
        (["--address", "127.0.0.1:70000"], "0 to 65535"),
        (["--address", "127.0.0.1:0", "--checkpoint", "/none"], "config.json"),
    ],
)
def test_what_cannot_begin_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_port_alone_is_for_this_machine() -> None:
    assert parse_address("50051") == "127.0.0.1:50051"
    assert parse_address("0.0.0.0:1") == "0.0.0.0:1"


def arguments() -> tuple[np.ndarray, np.ndarray, EgoState, tuple[Target, ...], np.ndarray]:
    camera = DEBUG.cameras[0]
    images = np.zeros((1, 3, camera.height_px, camera.width_px, 3), dtype=np.uint8)
    target = Target(np.array([20.0, 1.0]), Command.LEFT)
    ego = EgoState(np.array([1.5, -2.5]), 0.1, 3.0)
    return images, np.array([3.0]), ego, (target, target), np.ones((5, 2))


def test_messages_come_back_as_they_were() -> None:
    request = PlanRequest(*arguments(), "abc")
    again = unpack_request(pack_request(request))
    np.testing.assert_array_equal(again.images, request.images)
    np.testing.assert_array_equal(again.route_world_m, request.route_world_m)
    assert again.targets[1].command is Command.LEFT
    assert again.ego.yaw_rad == request.ego.yaw_rad
    plan = Plan(np.array([[math.pi, math.nan]]), np.array([[1e-300, -0.0]]), 0.25)
    back = unpack_planned(pack_planned(Planned(plan, {"model": 1.5})))
    assert back.plan.route_ego_m.tobytes() == plan.route_ego_m.tobytes()
    assert back.stage_ms == {"model": 1.5}


HOSTILE = [b"", b"\xc1", b"\x81" * 5000, b"\x91" * 5000, b"\xc0", b"\x80", b"\xdd\xff\xff\xff\xff"]


@pytest.mark.parametrize("data", HOSTILE)
def test_hostile_messages_are_refused_by_name(data: bytes) -> None:
    for unpack in (unpack_request, unpack_planned):
        with pytest.raises(WireError):
            unpack(data)


def test_the_server_outlives_malformed_requests(shared: SharedPolicy, address: str) -> None:
    images, speeds, ego, targets, route = arguments()
    digest = shared.description.checkpoint
    nowhere = EgoState(np.array([np.nan, 0.0]), 0.0, 0.0)
    bad = [
        *HOSTILE,
        pack_request(PlanRequest(images[:, :1], speeds, ego, targets, route, digest)),
        pack_request(PlanRequest(images[:0], speeds, ego, targets, route, digest)),
        pack_request(PlanRequest(images, speeds, nowhere, targets, route, digest)),
        pack_request(PlanRequest(images, speeds, ego, (), route, digest)),
        pack_request(PlanRequest(images, speeds * np.nan, ego, targets, route, digest)),
        pack_request(PlanRequest(images, speeds, ego, targets, route, "another")),
    ]
    with grpc.insecure_channel(address) as channel:
        ask = channel.stream_stream(f"/{SERVICE}/{PLANS}")
        for data in bad:
            with pytest.raises(grpc.RpcError) as caught:
                next(ask(iter([data]), timeout=30.0))
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        good = pack_request(PlanRequest(images, speeds, ego, targets, route, digest))
        answers = list(ask(iter([good, good]), timeout=30.0))
        assert len(answers) == 2
        assert unpack_planned(answers[1]).plan.route_ego_m.shape == (20, 2)


def test_a_refused_request_is_told_and_the_next_one_answered(address: str) -> None:
    remote = RemotePolicy(address, 30.0)
    images, speeds, ego, targets, route = arguments()
    for _ in range(2):
        with pytest.raises(PolicyUnavailableError, match="images of 1 moments, got 0"):
            remote.plan(images[:0], speeds, ego, targets, route)
        plan = remote.plan(images, speeds, ego, targets, route).plan
        assert plan.route_ego_m.shape == (20, 2)
    remote.close()


def test_many_agents_are_served_at_a_time(address: str) -> None:
    remotes = [RemotePolicy(address, 30.0) for _ in range(12)]
    for _ in range(2):
        assert all(remote.plan(*arguments()).plan is not None for remote in remotes)
    for remote in remotes:
        remote.close()


def test_a_slow_server_is_late_once_and_then_in_time(
    shared: SharedPolicy, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = RemotePolicy(address, 3.0)
    remote.plan(*arguments())
    done, plan = threading.Event(), shared.plan

    def slowly(request: PlanRequest) -> Planned:
        done.wait(60.0)
        return plan(request)

    monkeypatch.setattr(shared, "plan", slowly)
    with pytest.raises(PolicyUnavailableError, match="not answered within 3 s"):
        remote.plan(*arguments())
    done.set()
    monkeypatch.setattr(shared, "plan", plan)
    assert remote.plan(*arguments()).plan.route_ego_m.shape == (20, 2)
    remote.close()


def test_only_what_does_not_end_in_time_is_late() -> None:
    deadline, called, late = Deadline(0.1), [0], threading.Event()
    for _ in range(100):
        deadline.begin(lambda: called.append(1))
        deadline.end()
    time.sleep(0.3)
    assert called == [0]
    deadline.begin(late.set)
    assert late.wait(60.0)
    assert deadline.end()
    deadline.close()
