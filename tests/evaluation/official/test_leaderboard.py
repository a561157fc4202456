"""Running an evaluator: what it is given, what is taken from it, and what is left over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from evaluation.official.bench2drive import carla_root
from evaluation.official.carla_server import server_command
from evaluation.official.checkouts import Roots
from evaluation.official.leaderboard import LeaderboardSettings, run_leaderboard
from evaluation.official.results import OfficialResultsError
from evaluation.servers.embedded import SimulatorError
from tests.evaluation.official.fake_checkouts import (
    write_agents,
    write_bench2drive,
    write_files,
)
from tests.evaluation.official.test_results import record, results

PROJECT = Path(__file__).parents[3]
ROUTES = Path(__file__).with_name("routes.xml")
WAIT_S = 20.0

EVALUATOR = """
import json, os, subprocess, sys, time
told = {"arguments": sys.argv[1:], "environment": dict(os.environ), "cwd": os.getcwd()}
open(os.environ["TOLD"], "w").write(json.dumps(told))
option = sys.argv.index("--checkpoint")
exec(os.environ.get("AND_THEN", ""))
open(sys.argv[option + 1], "w").write(os.environ["RESULTS"])
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LeaderboardSettings:
    monkeypatch.setattr("evaluation.official.installation.missing_packages", list)
    for variable in ("LEADERBOARD_ROOT", "SCENARIO_RUNNER_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TOLD", str(tmp_path / "told.json"))
    monkeypatch.setenv("RESULTS", json.dumps(results([record(0)])))
    bench2drive = write_bench2drive(tmp_path / "b", EVALUATOR)
    return LeaderboardSettings(
        routes=ROUTES,
        agent=PROJECT / "agent" / "expert_agent.py",
        agent_config="-x=1+y",
        roots=Roots(bench2drive=bench2drive, agents=write_agents(tmp_path / "carla")),
        checkpoint=tmp_path / "out" / "results.json",
        passed_on=["--timeout", "9"],
    )


def told(settings: LeaderboardSettings) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((settings.checkpoint.parents[1] / "told.json").read_text())
    return data


def test_what_an_evaluator_is_given(settings: LeaderboardSettings, tmp_path: Path) -> None:
    done = run_leaderboard(replace(settings, resume=True, repetitions=3, seed=5, routes_subset="0"))
    assert (done.exit_code, len(done.results.records)) == (0, 1)
    assert [route.route_id for route in done.routes] == ["0"]
    arguments = told(settings)["arguments"]
    pairs = dict(pairwise(arguments))
    assert "--agent-config=-x=1+y" in arguments
    assert arguments[-2:] == ["--timeout", "9"]
    assert pairs["--resume"] == "1"
    assert (pairs["--repetitions"], pairs["--traffic-manager-seed"]) == ("3", "5")
    assert (pairs["--routes"], pairs["--routes-subset"]) == (str(ROUTES), "0")
    environment = told(settings)["environment"]
    assert environment["SCENARIO_RUNNER_ROOT"] == str(tmp_path / "b" / "scenario_runner")
    assert str(tmp_path / "carla") in environment["PYTHONPATH"].split(os.pathsep)
    # Paths in an agent's configuration are the user's.
    assert told(settings)["cwd"] == os.getcwd()
    # What the evaluator would start is gone again.
    assert not Path(environment["CARLA_ROOT"]).exists()


def test_the_traffic_manager_is_watched(
    settings: LeaderboardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watch:
        def __init__(self, pid: int, port: int, idle_s: float) -> None:
            made.append((port, idle_s))

        def check(self) -> None: ...

    made: list[tuple[int, float]] = []
    monkeypatch.setattr("evaluation.official.leaderboard.IdleWatch", Watch)
    run_leaderboard(settings)
    ((port, idle_s),) = made
    arguments = told(settings)["arguments"]
    assert dict(pairwise(arguments))["--traffic-manager-port"] == str(port)
    # Bench2Drive's evaluator sleeps for 30 s when it has started its server.
    assert idle_s > 30.0


def test_old_results_are_not_taken_for_new_ones(
    settings: LeaderboardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.checkpoint.parent.mkdir()
    settings.checkpoint.write_text(json.dumps(results([record(0)])))
    monkeypatch.setenv("AND_THEN", "sys.exit(3)")
    with pytest.raises(OfficialResultsError, match="exit code 3 and wrote no results"):
        run_leaderboard(settings)


def test_a_server_that_does_not_start_ends_the_run(
    settings: LeaderboardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bench2Drive's own evaluator would try for half an hour to reach it."""
    monkeypatch.setattr("evaluation.official.leaderboard.POLL_S", 0.05)
    monkeypatch.setattr("evaluation.official.leaderboard.STOP_TIMEOUT_S", 0.2)
    failing = [sys.executable, "-c", "raise SystemExit('no graphics')"]
    monkeypatch.setattr(
        "evaluation.official.leaderboard._embedded_command", lambda settings, town: failing
    )
    start = "subprocess.Popen(os.environ['CARLA_ROOT'] + '/CarlaUE4.sh', shell=True, "
    monkeypatch.setenv("AND_THEN", start + "preexec_fn=os.setsid); time.sleep(600)")
    with pytest.raises(SimulatorError, match="evaluator has started is gone"):
        run_leaderboard(settings)


def test_damaged_results_are_named(
    settings: LeaderboardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESULTS", "{")
    with pytest.raises(OfficialResultsError, match=r"results\.json is truncated"):
        run_leaderboard(settings)


def test_the_exit_code_is_the_evaluators(
    settings: LeaderboardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = "open(sys.argv[option + 1], 'w').write(os.environ['RESULTS']); sys.exit(-1)"
    monkeypatch.setenv("AND_THEN", then)
    assert run_leaderboard(settings).exit_code == 255
    # Evaluators take any text after the option for true.
    assert "--resume" not in told(settings)["arguments"]


@pytest.mark.parametrize(
    ("options", "port"),
    [
        (["-RenderOffScreen", "-nosound", "-carla-rpc-port=4000", "-graphicsadapter=1"], "4000"),
        (["--carla-rpc-port=4000"], "4000"),
        (["-world-port=4002"], "4002"),
        (["-quality-level=Low"], "2000"),
        ([], "2000"),
    ],
)
def test_options_of_carlas_script(options: list[str], port: str) -> None:
    assert server_command(["serve", "--port", "{port}"], options) == ["serve", "--port", port]
    assert server_command(["serve", "{options}"], options) == ["serve", *options]


SLEEPER = """
import os, sys, time
open(sys.argv[1], "w").write(f"{os.getpid()} {sys.argv[2]}")
time.sleep(600)
"""


@pytest.mark.parametrize("killed", [True, False])
def test_no_server_outlives_the_run(killed: bool, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with carla_root([sys.executable, "-c", SLEEPER, str(pid_file), "{port}"]) as folder:
        # As Bench2Drive's evaluator does it.
        started = subprocess.Popen(
            f"{folder}/CarlaUE4.sh -RenderOffScreen -carla-rpc-port=4321",
            shell=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        wait_for(lambda: pid_file.exists() and len(pid_file.read_text().split()) == 2)
        pid, port = map(int, pid_file.read_text().split())
        assert port == 4321
        if killed:
            os.killpg(started.pid, 9)
        else:
            assert is_running(pid)
    started.wait(WAIT_S)
    wait_for(lambda: not is_running(pid))


def test_an_evaluator_whose_starter_was_killed_ends(tmp_path: Path) -> None:
    write_files(tmp_path, {"evaluator.py": SLEEPER})
    pid_file = tmp_path / "pid"
    starter = (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-m', "
        "'evaluation.official.launch', *sys.argv[1:]]); time.sleep(600)"
    )
    arguments = [str(tmp_path), str(tmp_path / "evaluator.py"), str(pid_file), "0"]
    started = subprocess.Popen(
        [sys.executable, "-c", starter, *arguments],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    wait_for(lambda: pid_file.exists() and len(pid_file.read_text().split()) == 2)
    pid = int(pid_file.read_text().split()[0])
    assert is_running(pid)
    started.kill()
    started.wait(WAIT_S)
    wait_for(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_for(condition: Any) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
