"""Runs an official evaluator, unchanged, against the embedded simulator or another one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from evaluation.official import bench2drive
from evaluation.official.before_start import (
    require_agent,
    require_official_scenarios,
    require_scenarios,
    require_towns_of_server,
    routes_of_subset,
    town_to_start,
)
from evaluation.official.checkouts import BENCH2DRIVE, Checkouts, Roots, find_checkouts
from evaluation.official.installation import PARSER_FOLDER, require_packages
from evaluation.official.results import OfficialResults, OfficialResultsError, read_results
from evaluation.routes.route import Route
from evaluation.routes.route_file import read_routes
from evaluation.servers.embedded import Server, ServerSettings, SimulatorError
from evaluation.servers.installed_carla import (
    BINARY,
    DOCKER,
    SERVER_PORTS,
    binary_of,
    is_installed,
    require_installed,
    started_carla,
)
from evaluation.servers.ports import LOOPBACK, lease_ports, require_free
from evaluation.servers.session import SimulatorAddressError, parse_address
from evaluation.servers.traffic_manager_watch import IDLE_S, IdleWatch

PROJECT = Path(__file__).parents[2]
EMBEDDED = "embedded"
ADDRESS = "carla://"
STOP_TIMEOUT_S = 20.0
POLL_S = 1.0
BENCH2DRIVE_WAIT_S = 30.0
"""Bench2Drive's evaluator sleeps that long after it has started its server."""


@dataclass(frozen=True)
class LeaderboardSettings:
    """How an official evaluator is run.

    Attributes:
        evaluator: one of checkouts.FITTING; None takes the one that is there.
        routes_subset: ids of routes to run, such as `0,3-5`; all if empty.
        simulator: `embedded`, `carla://HOST:PORT`, `carla-binary:PATH` or `carla-docker:IMAGE`.
        port: of a simulator that is started here; 0 takes a free one.
        traffic_manager_port: 0 takes a free one.
        passed_on: further arguments for the official evaluator, as it takes them.
    """

    routes: Path
    agent: Path
    agent_config: str = ""
    evaluator: str | None = None
    roots: Roots = field(default_factory=Roots)
    track: str = "SENSORS"
    repetitions: int = 1
    routes_subset: str = ""
    checkpoint: Path = Path("out/leaderboard/results.json")
    resume: bool = False
    town: str | None = None
    towns_folder: Path | None = None
    seed: int = 0
    simulator: str = EMBEDDED
    port: int = 0
    traffic_manager_port: int = 0
    passed_on: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Simulator:
    """What an evaluator is to use. server: the embedded one, to be watched; carla_root: where an
    evaluator that starts its server by itself finds it."""

    host: str
    port: int
    server: Server | None = None
    carla_root: Path | None = None


@dataclass(frozen=True)
class OfficialRun:
    """What came of a run. exit_code: the evaluator's; routes: those that it was to drive."""

    exit_code: int
    checkouts: Checkouts
    routes: Sequence[Route]
    results: OfficialResults


def evaluator_command(
    settings: LeaderboardSettings, checkouts: Checkouts, simulator: Simulator, manager_port: int
) -> list[str]:
    """The evaluator's command line; manager_port: for its traffic manager."""
    command = [sys.executable, "-m", "evaluation.official.launch"]
    command += [str(checkouts.root), str(checkouts.script)]
    command += ["--host", simulator.host, "--port", str(simulator.port)]
    command += ["--traffic-manager-port", str(manager_port)]
    command += ["--traffic-manager-seed", str(settings.seed)]
    command += ["--routes", str(settings.routes), "--repetitions", str(settings.repetitions)]
    command += ["--agent", str(settings.agent), f"--agent-config={settings.agent_config}"]
    command += ["--track", settings.track, "--checkpoint", str(settings.checkpoint)]
    live = settings.checkpoint.with_name("live_results.txt")
    command += ["--debug-checkpoint", str(live)]
    if settings.routes_subset:
        command += ["--routes-subset", settings.routes_subset]
    if settings.resume:
        # The official parser takes any text for true, so the option is only given when meant.
        command += ["--resume", "1"]
    return [*command, *settings.passed_on]


def evaluator_environment(checkouts: Checkouts, carla_root: Path | None = None) -> dict[str, str]:
    """What the evaluator's process has to find; carla_root: see `Simulator`."""
    paths = [PARSER_FOLDER, checkouts.leaderboard, checkouts.scenario_runner, checkouts.agents]
    inherited = [path for path in (os.environ.get("PYTHONPATH"),) if path]
    environment = {
        **os.environ,
        "LEADERBOARD_ROOT": str(checkouts.leaderboard),
        "SCENARIO_RUNNER_ROOT": str(checkouts.scenario_runner),
        "PYTHONPATH": os.pathsep.join([*map(str, [*paths, PROJECT]), *inherited]),
        # What the evaluator says shall stand in order with what its children say.
        "PYTHONUNBUFFERED": "1",
    }
    if carla_root is not None:
        environment["CARLA_ROOT"] = str(carla_root)
    return environment


@dataclass(frozen=True)
class Checked:
    """What an evaluator needs, found and fitting. routes: those that it is to drive."""

    checkouts: Checkouts
    routes: Sequence[Route]


def check_settings(settings: LeaderboardSettings) -> Checked:
    """Raises UserError for whatever is found wrong without a simulator."""
    checked = locate(settings)
    require_packages(checked.checkouts.evaluator)
    require_agent(settings.agent)
    return checked


def locate(settings: LeaderboardSettings) -> Checked:
    """As `check_settings`, without a look at packages and agent."""
    checkouts = find_checkouts(settings.roots, os.environ, settings.evaluator)
    routes = routes_of_subset(read_routes(settings.routes), settings.routes_subset)
    require_official_scenarios(routes)
    if checkouts.evaluator == BENCH2DRIVE:
        require_scenarios(routes)
        _require_fresh_server(settings.simulator)
    return Checked(checkouts, routes)


def _require_fresh_server(simulator: str) -> None:
    if simulator.startswith((ADDRESS, DOCKER)):
        raise SimulatorError(
            "Bench2Drive's evaluator starts its simulator by itself: use --simulator embedded, or "
            f"{BINARY}PATH for an installed CARLA"
        )


def run_leaderboard(settings: LeaderboardSettings, checked: Checked | None = None) -> OfficialRun:
    """Runs the evaluator as a child process. checked: None checks the settings first.

    Raises UserError for whatever is found wrong before the start, SimulatorError if the simulator
    ends before the evaluator, OfficialResultsError if the evaluator leaves no results.
    """
    checked = checked or check_settings(settings)
    checkouts, routes = checked.checkouts, checked.routes
    try:
        settings.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OfficialResultsError(
            f"--checkpoint {settings.checkpoint}: its folder cannot be made ({error.strerror})"
        ) from None
    if settings.resume and settings.checkpoint.exists():
        read_results(settings.checkpoint)
    with ExitStack() as stack:
        manager_port = stack.enter_context(lease_ports(1, settings.traffic_manager_port)).port
        simulator = stack.enter_context(_simulator(settings, checkouts.evaluator, routes))
        if not settings.resume:
            # The evaluator would start it anew; if it cannot, what is old shall not look like new.
            settings.checkpoint.unlink(missing_ok=True)
        process = subprocess.Popen(
            evaluator_command(settings, checkouts, simulator, manager_port),
            env=evaluator_environment(checkouts, simulator.carla_root),
        )
        stack.callback(_end, process)
        rest_s = IDLE_S + (BENCH2DRIVE_WAIT_S if checkouts.evaluator == BENCH2DRIVE else 0.0)
        watch = IdleWatch(process.pid, manager_port, rest_s)
        code = _wait(process, simulator, watch)
    if not settings.checkpoint.exists():
        raise OfficialResultsError(
            f"{checkouts.evaluator} ended with exit code {code} and wrote no results; what it said "
            "stands above"
        )
    return OfficialRun(code, checkouts, routes, read_results(settings.checkpoint))


@contextmanager
def _simulator(
    settings: LeaderboardSettings, evaluator: str, routes: Sequence[Route]
) -> Iterator[Simulator]:
    """The simulator that the settings ask for, running, or ready to be started by Bench2Drive."""
    log_path = settings.checkpoint.with_name("simulator.log")
    if settings.port:
        require_free(settings.port, neighbours=2)
    if settings.simulator == EMBEDDED:
        town = town_to_start(routes, settings.town, settings.towns_folder)
        if evaluator == BENCH2DRIVE:
            command = _embedded_command(settings, town)
            yield from _bench2drive(settings, command)
            return
        server_settings = ServerSettings(
            town=town, seed=settings.seed, port=settings.port, towns_folder=settings.towns_folder
        )
        with Server(server_settings, log_path) as server:
            yield Simulator(server.host, server.port, server)
    elif is_installed(settings.simulator):
        require_installed(settings.simulator)
        if evaluator == BENCH2DRIVE:
            yield from _bench2drive(settings, [str(binary_of(settings.simulator)), "{options}"])
            return
        with (
            lease_ports(SERVER_PORTS, settings.port) as lease,
            started_carla(settings.simulator, lease, log_path),
        ):
            require_towns_of_server(LOOPBACK, lease.port, routes)
            yield Simulator(LOOPBACK, lease.port)
    elif not settings.simulator.startswith(ADDRESS):
        raise SimulatorAddressError(
            f"--simulator {settings.simulator}: expected {EMBEDDED}, {ADDRESS}HOST:PORT, "
            f"{BINARY}PATH or {DOCKER}IMAGE"
        )
    else:
        host, port = parse_address(settings.simulator)
        require_towns_of_server(host, port, routes)
        yield Simulator(host, port)


def _bench2drive(settings: LeaderboardSettings, command: Sequence[str]) -> Iterator[Simulator]:
    with (
        lease_ports(SERVER_PORTS, settings.port) as lease,
        bench2drive.carla_root(command) as folder,
    ):
        yield Simulator(LOOPBACK, lease.port, carla_root=folder)


def _embedded_command(settings: LeaderboardSettings, town: str) -> list[str]:
    command = [sys.executable, "-m", "evaluation.simulator", "--port", "{port}", "--town", town]
    command += ["--seed", str(settings.seed), "--client-version", version("carla")]
    # Evaluators may be killed so that they cannot end what they have started.
    command += ["--parent-pid", str(os.getpid())]
    if settings.towns_folder is not None:
        command += ["--towns", str(settings.towns_folder)]
    return command


def _wait(process: subprocess.Popen[bytes], simulator: Simulator, watch: IdleWatch) -> int:
    """Exit code of the evaluator; SimulatorError if its simulator ends before it, because it would
    only notice after its own long time-out."""
    without_server_s = 0.0
    while True:
        try:
            return process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            watch.check()
        if simulator.server is not None:
            simulator.server.require_running()
        if simulator.carla_root is not None and bench2drive.has_ended(simulator.carla_root):
            # An evaluator that has come to its end kills its server just before it goes.
            without_server_s += POLL_S
            if without_server_s > STOP_TIMEOUT_S:
                raise SimulatorError(
                    "the simulator that Bench2Drive's evaluator has started is gone; what it said "
                    "stands above"
                )


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
