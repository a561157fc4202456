"""A CARLA that is installed here, or in a container: started, given its ports, and ended.

What stands for CARLA is the embedded simulator behind a CarlaUE4.sh, for Docker a script of that
name.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from evaluation.official.before_start import require_towns_of_server
from evaluation.official.bench2drive import carla_root
from evaluation.routes.route import Route
from evaluation.servers.embedded import SimulatorError
from evaluation.servers.installed_carla import launch_of, server_options, started_carla
from evaluation.servers.ports import PortInUseError, is_free, lease_ports, require_free

PROJECT = Path(__file__).parents[3]
SERVER = [sys.executable, "-m", "evaluation.simulator", "--port", "{port}", "--town", "demo"]
SERVER += ["--client-version", version("carla")]
WAIT_S = 30.0


def test_it_is_started_on_its_ports_and_ended(tmp_path: Path) -> None:
    with carla_root(SERVER) as folder, lease_ports(3) as lease:
        with started_carla(f"carla-binary:{folder}", lease, tmp_path / "log"):
            require_towns_of_server("127.0.0.1", lease.port, [Route("0", "Demo", ())])
        require_free(lease.port, neighbours=2)


def test_one_that_does_not_start(tmp_path: Path) -> None:
    script = tmp_path / "CarlaUE4.sh"
    script.write_text("#!/bin/sh\nexit 9\n")
    script.chmod(0o755)
    with (
        lease_ports(3) as lease,
        pytest.raises(SimulatorError, match="ended with exit code 9 at its start"),
        started_carla(f"carla-binary:{script}", lease, tmp_path / "log"),
    ):
        pytest.fail("it runs")


def test_a_container_is_removed_whatever_becomes_of_its_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {told}\nexit 0\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with (
        lease_ports(3) as lease,
        pytest.raises(SimulatorError, match="ended with exit code 0"),
        started_carla("carla-docker:carlasim/carla:0.9.16", lease, tmp_path / "log"),
    ):
        pytest.fail("it runs")
    started, ended = told.read_text().splitlines()
    name = f"carla_{os.getuid()}_{lease.port}"
    assert started.startswith(f"run --rm --name {name} --net=host")
    assert started.endswith(
        f"carlasim/carla:0.9.16 /bin/bash ./CarlaUE4.sh -RenderOffScreen -nosound "
        f"-carla-rpc-port={lease.port} -graphicsadapter=3"
    )
    assert ended == f"rm --force {name}"


@pytest.mark.parametrize(
    ("simulator", "message"),
    [
        ("carla-docker:carlasim/carla:0.9.16", "there is no program `docker` on the PATH"),
        ("carla-docker:", "name an image, for instance carla-docker:carlasim"),
        ("carla-binary:/nowhere", "is no program that can be started"),
    ],
)
def test_what_cannot_be_started_is_told(
    simulator: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SimulatorError, match=message):
        launch_of(simulator, 2000)


def test_a_gpu_is_named_to_the_server_only_where_one_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for visible, named in (("1", True), ("0,1", False), ("", False), ("GPU-5f", False)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        options = server_options(2000)
        assert [one for one in options if one.startswith("-graphicsadapter")] == (
            ["-graphicsadapter=1"] if named else []
        )


HOLDER = """
import os, subprocess, sys, time
from evaluation.servers.ports import lease_ports
lease = lease_ports(3)
guard = [sys.executable, "-m", "evaluation.servers.guard", str(os.getpid())]
guard += ["2", "touch", sys.argv[1]]
subprocess.Popen([*guard, "sleep", "600"], start_new_session=True, pass_fds=lease.handles)
print(lease.port, flush=True)
time.sleep(600)
"""


def test_ports_stay_leased_until_the_server_of_a_dead_worker_is_gone(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(ended)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        port = int(holder.stdout.readline())
        with pytest.raises(PortInUseError, match=f"port {port} is another run's"):
            lease_ports(3, port)
        holder.send_signal(signal.SIGKILL)
    deadline_s = time.monotonic() + WAIT_S
    while True:
        assert time.monotonic() < deadline_s, "the lease is held for ever"
        try:
            lease_ports(3, port).close()
        except PortInUseError:
            time.sleep(0.05)
        else:
            break
    assert ended.exists()
    assert is_free(port)
