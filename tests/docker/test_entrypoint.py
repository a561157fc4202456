"""What a container starts: the entry point, run as a program with stand-ins for what it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.servers.embedded import Server, ServerSettings
from evaluation.servers.ports import free_port
from tests.shapes import PROJECT

ENTRYPOINT = PROJECT / "docker" / "entrypoint.sh"
STAND_IN = '#!/bin/sh\necho "$(basename "$0")" "$@"\n'


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with programs that print how they were called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("simlingo-carla", "python"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    return folder


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ENTRYPOINT), *arguments],
        env={
            "PATH": f"{folder}:/usr/bin:/bin",
            "SIMLINGO_SERVED": str(folder / "served"),
            # No HOME: the entry point sets one, without which the carla package crashes.
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60.0,
    )


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (["drive", "--out", "a b"], "simlingo-carla drive --out a b"),
        (["evaluate", "--workers", "2"], "simlingo-carla evaluate --workers 2"),
        (["train", "experiment=nano"], "python -m model.training experiment=nano"),
        (["serve", "--port", "7000"], "simlingo-carla serve --host 0.0.0.0 --port 7000"),
        (["python", "-c", "pass"], "python -c pass"),
        (["/bin/echo", "as it is"], "as it is"),
    ],
)
def test_what_is_started(programs: Path, arguments: list[str], called: str) -> None:
    done = start(programs, *arguments)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, called, "")


@pytest.mark.parametrize(
    ("arguments", "port"),
    [([], "2000"), (["--port", "7000"], "7000"), (["--town", "demo", "--port=7002"], "7002")],
)
def test_serve_notes_its_port(programs: Path, arguments: list[str], port: str) -> None:
    start(programs, "serve", *arguments)
    assert (programs / "served").read_text().strip() == port


def test_a_submission_takes_the_variables_of_the_scripts(programs: Path) -> None:
    routes, agent = programs / "routes.xml", programs / "agent.py"
    for file in (routes, agent):
        file.touch()
    given = {"ROUTES": str(routes), "TEAM_AGENT": str(agent)}
    done = start(programs, "submission", **given)
    assert done.stdout.split()[:6] == [
        *("simlingo-carla", "leaderboard", "--routes", str(routes)),
        *("--agent", str(agent)),
    ]
    assert "--track SENSORS" in done.stdout
    assert "--resume" not in done.stdout
    more = {
        "TEAM_CONFIG": "device=cpu",
        "CHALLENGE_TRACK_CODENAME": "MAP",
        "CHECKPOINT_ENDPOINT": "/there/results.json",
        "REPETITIONS": "3",
        "ROUTES_SUBSET": "0,2-4",
        "TM_PORT": "8100",
        "RESUME": "True",
        "DEBUG_CHALLENGE": "1",
        "SIMULATOR": "carla://carla:2000",
    }
    done = start(programs, "submission", **given, **more)
    for words in (
        "--agent-config device=cpu --track MAP --checkpoint /there/results.json --repetitions 3",
        "--simulator carla://carla:2000 --routes-subset 0,2-4 --traffic-manager-port 8100",
        "--resume --debug 1",
    ):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        ([], {}, "say what to start"),
        (["submission"], {}, "set ROUTES"),
        (["submission"], {"ROUTES": "/none.xml"}, "ROUTES=/none.xml cannot be read; mount it"),
        (["submission"], {"ROUTES": str(ENTRYPOINT)}, "set TEAM_AGENT"),
        (
            ["submission"],
            {"ROUTES": str(ENTRYPOINT), "TEAM_AGENT": "/none.py"},
            "TEAM_AGENT=/none.py cannot be read",
        ),
    ],
)
def test_what_is_missing_is_named(
    programs: Path, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    done = start(programs, *arguments, **variables)
    assert done.returncode == 2
    assert message in done.stderr
    assert not done.stdout


def test_health(tmp_path: Path) -> None:
    """Whatever does not serve is healthy while it runs; a simulator has to answer."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(sys.executable)
    variables = {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert start(programs, "health", **variables).returncode == 0
    with Server(ServerSettings(), tmp_path / "log") as server:
        (programs / "served").write_text(str(server.port))
        assert start(programs, "health", **variables).stdout.startswith("0.9.")
    (programs / "served").write_text(str(free_port()))
    assert start(programs, "health", **variables).returncode != 0
