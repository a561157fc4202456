"""Whose fault it was: the agent's, the simulator's, the machine's, the route's or ours."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evaluation.closed_loop.failure import (
    AGENT_CRASHED,
    AGENT_NOT_SET_UP,
    AgentError,
    Blame,
    Failure,
    failure_of,
)
from evaluation.closed_loop.pulse import Pulse
from evaluation.closed_loop.sensor_interface import NO_RENDERER, SensorInterface, SensorSpecError
from evaluation.errors import MachineError
from evaluation.routes.route import RouteFileError
from evaluation.runs.worker import RouteWorker
from evaluation.servers.embedded import SimulatorError
from evaluation.servers.ports import PortInUseError
from tests.evaluation.runs.stand_in import jobs_of

CAMERA = {"type": "sensor.camera.rgb", "id": "rgb", "width": 64, "height": 32, "fov": 65}


def of_agent(cause: BaseException, status: str = AGENT_CRASHED) -> AgentError:
    error = AgentError(status)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "blame", "status", "what"),
    [
        (of_agent(KeyError("rgb")), Blame.AGENT, AGENT_CRASHED, "KeyError: 'rgb'"),
        (of_agent(SystemExit(0), AGENT_NOT_SET_UP), Blame.AGENT, AGENT_NOT_SET_UP, "SystemExit: 0"),
        (of_agent(OSError(errno.ENOENT, "No")), Blame.AGENT, AGENT_CRASHED, "FileNotFoundError"),
        (
            of_agent(OSError(errno.ENOSPC, "No space left")),
            Blame.MACHINE,
            "Machine failed",
            "OSError: [Errno 28] No space left",
        ),
        (SimulatorError("gone\nits log"), Blame.SIMULATOR, "Simulation crashed", "gone"),
        (OSError(errno.EROFS, "Read-only"), Blame.MACHINE, "Machine failed", "Read-only"),
        (MemoryError(), Blame.MACHINE, "Machine failed", "MemoryError"),
        (MachineError("no graphics"), Blame.MACHINE, "Machine failed", "no graphics"),
        (PortInUseError("port 7"), Blame.MACHINE, "Machine failed", "port 7"),
        (RouteFileError("route 3: off"), Blame.ROUTE, "Route cannot be driven", "route 3: off"),
        (RuntimeError("distance > 0.0"), Blame.EVALUATION, "Evaluation failed", "distance > 0.0"),
        (ZeroDivisionError("x"), Blame.EVALUATION, "Evaluation failed", "ZeroDivisionError: x"),
        (OSError(errno.ENOENT, "No"), Blame.EVALUATION, "Evaluation failed", "FileNotFoundError"),
    ],
)
def test_whose_fault_an_exception_is(
    error: BaseException, blame: Blame, status: str, what: str
) -> None:
    failure = failure_of(error)
    assert (failure.blame, failure.status) == (blame, status)
    assert what in failure.what
    assert "\n" not in failure.what
    assert failure.is_infrastructure is (blame in (Blame.SIMULATOR, Blame.MACHINE))
    assert Failure.from_json(failure.to_json()) == failure


def session(renderer: str, spawn: Any) -> Any:
    blueprint = SimpleNamespace(has_attribute=lambda _: True, set_attribute=lambda *_: None)
    library = SimpleNamespace(find=lambda _: blueprint)
    world = SimpleNamespace(get_blueprint_library=lambda: library, spawn_actor=spawn)
    return SimpleNamespace(world=world, server=SimpleNamespace(renderer=renderer))


@pytest.mark.parametrize("renderer", ["", "llvmpipe"])
def test_a_machine_without_graphics_is_not_the_agents_fault(renderer: str) -> None:
    """Neither where they are missing from the start nor where they are lost in mid-run."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError(f"cameras {NO_RENDERER}: no EGL")

    with pytest.raises(MachineError):
        SensorInterface(session(renderer, refuse), SimpleNamespace(), [CAMERA])


def test_a_camera_that_the_simulator_refuses_is_the_agents_fault() -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("fov: expected an angle")

    with pytest.raises(SensorSpecError, match="'rgb' cannot be placed: fov"):
        SensorInterface(session("llvmpipe", refuse), SimpleNamespace(), [CAMERA])


@pytest.mark.parametrize(
    ("error", "blame"),
    [
        (ZeroDivisionError("in a criterion"), Blame.EVALUATION),
        (RuntimeError("in the map"), Blame.EVALUATION),
        (SimulatorError("time-out"), Blame.SIMULATOR),
        (RouteFileError("no lane"), Blame.ROUTE),
    ],
)
def test_a_worker_tells_what_broke_a_route_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, blame: Blame
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("evaluation.runs.worker.load_agent_class", lambda _: object)
    monkeypatch.setattr(RouteWorker, "_session_for", broken)
    result = RouteWorker(0, tmp_path, Pulse(), lambda *_: None).drive(jobs_of("0")[0])
    assert result.failure is not None
    assert result.failure.blame is blame
    assert result.status == f"Failed - {result.failure.status}"
    assert type(error).__name__ in result.failure.trace or blame is Blame.ROUTE
