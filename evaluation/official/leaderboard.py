"""Runs the official leaderboard evaluator, unchanged, against the embedded simulator."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evaluation.errors import UserError
from evaluation.routes.route import RouteFileError
from evaluation.routes.route_file import read_routes
from evaluation.routes.towns import spec_of
from evaluation.servers.embedded import Server, ServerSettings
from evaluation.servers.ports import free_port
from evaluation.servers.session import parse_address
from evaluation.servers.traffic_manager_watch import IdleWatch

PACKAGES = (
    "py_trees",
    "dictor",
    "tabulate",
    "simple_watchdog_timer",
    "xmlschema",
    "ephem",
    "psutil",
)
"""Some of what the official code imports beyond our own packages, by module name."""
PARSER_VERSION = "4.10"
"""Of antlr4, that scenario_runner's parsers were generated for. Hydra pins an older one, and the
two cannot share an environment; the evaluator's process gets its own from PARSER_FOLDER."""
PARSER_FOLDER = Path(sys.prefix) / "leaderboard"
EVALUATOR = Path("leaderboard") / "leaderboard_evaluator.py"
PROJECT = Path(__file__).parents[2]
STOP_TIMEOUT_S = 20.0
POLL_S = 1.0


class LeaderboardMissingError(UserError, RuntimeError):
    """A part of the official evaluator is not installed; the message says how to get it."""


@dataclass(frozen=True)
class LeaderboardSettings:
    """passed_on: further arguments for the official evaluator, as it takes them."""

    routes: Path
    agent: Path
    agent_config: str = ""
    track: str = "SENSORS"
    repetitions: int = 1
    checkpoint: Path = Path("out/leaderboard/results.json")
    resume: bool = False
    town: str | None = None
    towns_folder: Path | None = None
    seed: int = 0
    simulator: str | None = None
    passed_on: Sequence[str] = field(default_factory=tuple)


def find_official_code(environment: Mapping[str, str]) -> tuple[Path, Path, Path]:
    """Folders of the leaderboard, of scenario_runner and of CARLA's `agents` package."""
    leaderboard = _root(
        environment,
        "LEADERBOARD_ROOT",
        EVALUATOR,
        "git clone https://github.com/carla-simulator/leaderboard",
    )
    scenario_runner = _root(
        environment,
        "SCENARIO_RUNNER_ROOT",
        Path("srunner"),
        "git clone https://github.com/carla-simulator/scenario_runner",
    )
    if "CARLA_AGENTS_ROOT" in environment or "CARLA_ROOT" not in environment:
        agents = _root(
            environment,
            "CARLA_AGENTS_ROOT",
            Path("agents") / "navigation",
            "it is PythonAPI/carla of a CARLA installation or of its repository "
            "https://github.com/carla-simulator/carla; set CARLA_AGENTS_ROOT to that folder, "
            "or CARLA_ROOT to the installation",
        )
    else:
        agents = Path(environment["CARLA_ROOT"]) / "PythonAPI" / "carla"
        if not (agents / "agents" / "navigation").is_dir():
            raise LeaderboardMissingError(f"CARLA_ROOT: {agents}/agents does not exist")
    return leaderboard, scenario_runner, agents


def _root(environment: Mapping[str, str], variable: str, proof: Path, advice: str) -> Path:
    value = environment.get(variable, "")
    if not value:
        raise LeaderboardMissingError(
            f"{variable} is not set; it names the folder that holds {proof}: {advice}"
        )
    if not (Path(value) / proof).exists():
        raise LeaderboardMissingError(f"{variable}={value} holds no {proof}: {advice}")
    return Path(value).resolve()


def require_packages(folder: Path = PARSER_FOLDER) -> None:
    """Raises LeaderboardMissingError with the command that installs what is missing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise LeaderboardMissingError(
            f"the official code needs the package {missing[0]}: "
            "python -m pip install -e '.[leaderboard]'"
        )
    try:
        parser = version("antlr4-python3-runtime")
    except PackageNotFoundError:
        parser = "none"
    if not parser.startswith(PARSER_VERSION) and not (folder / "antlr4").is_dir():
        raise LeaderboardMissingError(
            f"scenario_runner needs antlr4 {PARSER_VERSION}, but {parser} is installed, as Hydra "
            f"wants it; put the other one beside it: python -m pip install --target {folder} "
            f"antlr4-python3-runtime=={PARSER_VERSION}"
        )


def evaluator_command(
    settings: LeaderboardSettings, evaluator: Path, host: str, port: int, manager_port: int
) -> list[str]:
    """The official command line; manager_port: for its traffic manager."""
    command = [sys.executable, str(evaluator)]
    command += ["--host", host, "--port", str(port)]
    command += ["--traffic-manager-port", str(manager_port)]
    command += ["--traffic-manager-seed", str(settings.seed)]
    command += ["--routes", str(settings.routes), "--repetitions", str(settings.repetitions)]
    command += ["--agent", str(settings.agent), "--agent-config", settings.agent_config]
    command += ["--track", settings.track, "--checkpoint", str(settings.checkpoint)]
    live = settings.checkpoint.with_name("live_results.txt")
    command += ["--debug-checkpoint", str(live)]
    if settings.resume:
        # The official parser takes any text for true, so the option is only given when meant.
        command += ["--resume", "1"]
    return [*command, *settings.passed_on]


def run_leaderboard(settings: LeaderboardSettings) -> int:
    """Starts a simulator for the routes' town and the evaluator as a child; returns its exit code.

    Raises LeaderboardMissingError, RouteFileError, TownSpecError or SimulatorError.
    """
    leaderboard, scenario_runner, agents = find_official_code(os.environ)
    require_packages()
    routes = read_routes(settings.routes)
    settings.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    towns = sorted({route.town for route in routes})
    paths = [PARSER_FOLDER, leaderboard, scenario_runner, agents, PROJECT]
    inherited = [path for path in (os.environ.get("PYTHONPATH"),) if path]
    environment = {
        **os.environ,
        "LEADERBOARD_ROOT": str(leaderboard),
        "SCENARIO_RUNNER_ROOT": str(scenario_runner),
        "PYTHONPATH": os.pathsep.join([*map(str, paths), *inherited]),
    }
    server: Server | None = None
    with ExitStack() as stack:
        if settings.simulator is not None:
            host, port = parse_address(settings.simulator)
        else:
            town = settings.town or spec_of(towns[0], None, settings.towns_folder)
            spec = spec_of(towns[0], town, settings.towns_folder)
            if len(towns) > 1 and settings.towns_folder is None:
                raise RouteFileError(
                    f"{settings.routes} needs the towns {', '.join(towns)}: give the folder of "
                    "their .xodr files with --towns"
                )
            server = Server(
                ServerSettings(town=spec, seed=settings.seed, towns_folder=settings.towns_folder),
                settings.checkpoint.with_name("simulator.log"),
            )
            stack.enter_context(server)
            host, port = server.host, server.port
        manager_port = free_port()
        command = evaluator_command(settings, leaderboard / EVALUATOR, host, port, manager_port)
        process = subprocess.Popen(command, env=environment)
        stack.callback(_end, process)
        return _wait(process, server, manager_port)


def _wait(process: subprocess.Popen[bytes], server: Server | None, manager_port: int) -> int:
    """Exit code of the evaluator; SimulatorError if its simulator ends before it, because it would
    only notice after its own long time-out."""
    watch = IdleWatch(process.pid, manager_port)
    while True:
        try:
            return process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            if server is not None:
                server.require_running()
            watch.check()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the evaluator if it still runs, before its simulator goes."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
