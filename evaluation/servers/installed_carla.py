"""A CARLA server of this machine, installed or in a container, started for one worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import carla

from evaluation.servers.embedded import SimulatorError
from evaluation.servers.gpus import pinned_gpu
from evaluation.servers.ports import LOOPBACK, PortInUseError, PortLease, wait_until_free

BINARY = "carla-binary:"
DOCKER = "carla-docker:"
SERVER_PORTS = 3
"""CARLA takes three neighbouring ports: requests, streams, and the one of its secondary servers."""
START_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 5.0
END_PATIENCE_S = 10.0
POLL_S = 1.0
SCRIPT_IN_CONTAINER = "./CarlaUE4.sh"


@dataclass(frozen=True)
class Launch:
    """start: the command that serves; end: one that ends what would survive it, empty if nothing
    does."""

    start: Sequence[str]
    end: Sequence[str] = ()


def is_installed(simulator: str) -> bool:
    """Whether `--simulator` names a server that is to be started here."""
    return simulator.startswith((BINARY, DOCKER))


def require_installed(simulator: str) -> None:
    """Raises SimulatorError unless the program that starts the server is there."""
    launch_of(simulator, 0)


def launch_of(simulator: str, port: int) -> Launch:
    """How to start the server behind `carla-binary:PATH` or `carla-docker:IMAGE` on a port.
    Raises SimulatorError if that cannot be."""
    if simulator.startswith(DOCKER):
        return _container(simulator.removeprefix(DOCKER), port)
    return Launch([str(binary_of(simulator)), *server_options(port)])


def server_options(port: int) -> list[str]:
    """What CARLA's own script is given; the GPU is the one that this process was given."""
    options = ["-RenderOffScreen", "-nosound", f"-carla-rpc-port={port}"]
    gpu = pinned_gpu()
    return options if gpu is None else [*options, f"-graphicsadapter={gpu}"]


def binary_of(simulator: str) -> Path:
    """The script behind `carla-binary:PATH`; PATH may be the folder that holds CarlaUE4.sh.

    Raises SimulatorError if there is no such program.
    """
    path = Path(simulator.removeprefix(BINARY)).expanduser()
    script = path / "CarlaUE4.sh" if path.is_dir() else path
    if not script.is_file() or not os.access(script, os.X_OK):
        raise SimulatorError(
            f"{simulator}: {script} is no program that can be started; give the folder of a CARLA "
            "installation or its CarlaUE4.sh"
        )
    return script.resolve()


def _container(image: str, port: int) -> Launch:
    docker = shutil.which("docker")
    if docker is None or not image:
        raise SimulatorError(
            f"{DOCKER}{image}: "
            + ("there is no program `docker` on the PATH" if image else "name an image")
            + f", for instance {DOCKER}carlasim/carla:0.9.16 on a machine with Docker"
        )
    name = f"carla_{os.getuid()}_{port}"
    command = [docker, "run", "--rm", "--name", name, "--net=host", "--gpus=all"]
    served = ["/bin/bash", SCRIPT_IN_CONTAINER, *server_options(port)]
    return Launch([*command, image, *served], [docker, "rm", "--force", name])


@contextmanager
def started_carla(simulator: str, lease: PortLease, log_path: Path) -> Iterator[None]:
    """Starts the server on the leased ports and waits until it answers; it is ended with the
    context, or when this process dies. Raises SimulatorError."""
    launch = launch_of(simulator, lease.port)
    guard = [sys.executable, "-m", "evaluation.servers.guard", str(os.getpid())]
    guard += [str(len(launch.end)), *launch.end, *launch.start]
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("wb") as log:
        # The server holds the lease too: its ports are taken for as long as it lives.
        process = subprocess.Popen(
            guard,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=lease.handles,
        )
    try:
        _wait_until_ready(process, lease.port, log_path)
        yield
    finally:
        # CARLA's script starts the server proper as its child.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if launch.end:
            subprocess.run(launch.end, capture_output=True, check=False)
        # Killed processes give their ports back a moment after the first of them is gone; who
        # leases next looks whether they are free.
        with suppress(PortInUseError):
            wait_until_free(lease.port, SERVER_PORTS, END_PATIENCE_S)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise SimulatorError(
                f"CARLA ended with exit code {process.returncode} at its start; see {log_path}"
            )
        client = carla.Client(LOOPBACK, port)
        client.set_timeout(ANSWER_TIMEOUT_S)
        try:
            client.get_server_version()
            return
        except RuntimeError:
            time.sleep(POLL_S)
    raise SimulatorError(f"CARLA was not ready within {START_TIMEOUT_S:.0f} s; see {log_path}")
