"""A CARLA server that is installed on this machine, started for one run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import carla

from evaluation.servers.embedded import SimulatorError
from evaluation.servers.ports import LOOPBACK

SCHEME = "carla-binary:"
START_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 5.0
POLL_S = 1.0


def binary_of(simulator: str) -> Path:
    """The script behind `carla-binary:PATH`; PATH may be the folder that holds CarlaUE4.sh.

    Raises SimulatorError if there is no such program.
    """
    path = Path(simulator.removeprefix(SCHEME)).expanduser()
    script = path / "CarlaUE4.sh" if path.is_dir() else path
    if not script.is_file() or not os.access(script, os.X_OK):
        raise SimulatorError(
            f"{simulator}: {script} is no program that can be started; give the folder of a CARLA "
            "installation or its CarlaUE4.sh"
        )
    return script.resolve()


def binary_command(script: Path, port: int) -> list[str]:
    return [str(script), "-RenderOffScreen", "-nosound", f"-carla-rpc-port={port}"]


@contextmanager
def carla_binary(script: Path, port: int, log_path: Path) -> Iterator[None]:
    """Starts CARLA on the port and waits until it answers; it is ended with the context."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            binary_command(script, port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, port, log_path)
        yield
    finally:
        # The script starts the server proper as its child.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
