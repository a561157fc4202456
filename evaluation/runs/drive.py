"""Drives routes one after the other: sessions, agent, results and a table at the end."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation.closed_loop.agent_loader import load_agent_class
from evaluation.closed_loop.episode import (
    SIMULATION_CRASHED,
    Driver,
    Observer,
    Outcome,
    run_episode,
)
from evaluation.closed_loop.observers.progress_bar import ProgressBar
from evaluation.closed_loop.observers.timing import Timing
from evaluation.closed_loop.observers.video import Video
from evaluation.closed_loop.route_scenario import open_route_scenario
from evaluation.routes.random_routes import one_route
from evaluation.routes.route import Route
from evaluation.routes.route_file import read_routes
from evaluation.routes.towns import open_map, spec_of
from evaluation.runs.leaderboard_file import Results, RouteRecord, mean_of, record_of, resume
from evaluation.scoring.penalty import Rules
from evaluation.servers.embedded import ServerSettings
from evaluation.servers.session import Session, SessionSettings, open_session

DEMO_ROUTES = Path(__file__).parents[1] / "data" / "demo_route.xml"
DEFAULT_AGENT = Path(__file__).parents[2] / "agent" / "simlingo_agent.py"
RANDOM_ROUTE_M = 600.0
MAX_CRASHES_IN_A_ROW = 2
"""Routes on which the simulator may fail one after the other before the run is given up."""


@dataclass(frozen=True)
class DriveSettings:
    """What `drive` was asked to do; see its --help for the meaning of each."""

    agent: Path = DEFAULT_AGENT
    agent_config: str = ""
    routes: Path | None = None
    route_ids: tuple[str, ...] = ()
    town: str | None = None
    towns_folder: Path | None = None
    traffic: int = 0
    seed: int = 0
    simulator: str | None = None
    port: int = 0
    out: Path = Path("out/drive")
    resume: bool = False
    rules: Rules = Rules.V2_0
    video: bool = True
    video_fps: int = 10
    blackout: bool = False
    timeout_s: float = 30.0

    def describe(self) -> Mapping[str, object]:
        """The run's circumstances, for the results file."""
        return {
            "agent": str(self.agent),
            "agent_config": self.agent_config,
            "routes": str(self.routes or DEMO_ROUTES),
            "traffic": self.traffic,
            "seed": self.seed,
            "simulator": self.simulator or "embedded",
            "rules": self.rules.value,
            "blackout": self.blackout,
            "carla": version("carla"),
            "python": platform.python_version(),
        }


def routes_to_drive(settings: DriveSettings) -> tuple[Route, ...]:
    """The routes of the file, or the demo route, or a random one in the town that was named."""
    if settings.routes is not None:
        return read_routes(settings.routes, settings.route_ids)
    if settings.town is None or settings.town == "demo":
        return read_routes(DEMO_ROUTES, settings.route_ids)
    world_map, name = open_map(settings.town)
    return (one_route(world_map, name, RANDOM_ROUTE_M, settings.seed),)


@dataclass
class _Run:
    """One call of `drive`: what all routes share."""

    settings: DriveSettings
    driver: Driver
    results: Results
    names: Sequence[str]
    console: Console
    timing: Timing = field(default_factory=Timing)

    def observers(self, route: Route, bar: ProgressBar, many: bool) -> list[Observer]:
        observers: list[Observer] = [bar, self.timing]
        if self.settings.video:
            name = f"drive_{route.route_id}.mp4" if many else "drive.mp4"
            observers.append(
                Video(self.settings.out / name, self.settings.video_fps, self.settings.rules)
            )
        return observers

    def drive(self, session: Session, route: Route, observers: Sequence[Observer]) -> Outcome:
        settings = self.settings
        try:
            with open_route_scenario(session, route, settings.traffic, settings.seed) as scenario:
                return run_episode(scenario, self.driver, observers)
        except RuntimeError as error:
            return Outcome(failure=SIMULATION_CRASHED, trace=str(session.failure(error)))

    def record(self, route: Route, outcome: Outcome) -> RouteRecord:
        index = self.names.index(route.name)
        record = record_of(index, route.name, outcome, self.settings.rules)
        extra = {"town": route.town, **(self.timing.summary() if outcome.ticks else {})}
        self.results.add(record, outcome, extra)
        if outcome.trace:
            self.console.print(f"[red]{record.route_id}: {record.status}[/red]")
            self.console.print(outcome.trace, markup=False, highlight=False, soft_wrap=True)
        return record


def drive(settings: DriveSettings, console: Console) -> int:
    """Drives all routes that are not finished yet; returns the exit code, 0 if none failed.

    Raises RouteFileError, ResultsFileError, AgentLoadError, SimulatorError or PortInUseError when
    it cannot begin. On Ctrl-C the finished routes are in the results file already.
    """
    routes = routes_to_drive(settings)
    agent_class = load_agent_class(settings.agent)
    names = [route.name for route in routes]
    path = settings.out / "results.json"
    described = settings.describe()
    results = (
        resume(path, names, described) if settings.resume else Results(path, len(names), described)
    )
    done = {record.route_id for record in results.records}
    left = [route for route in routes if route.name not in done]
    driver = Driver(agent_class, settings.agent_config, settings.blackout)
    run = _Run(settings, driver, results, names, console)
    results.write()
    with ProgressBar(console, len(routes), len(done), settings.rules) as bar:
        _drive_all(run, left, bar, many=len(routes) > 1)
    print_table(console, results)
    return int(any(record.failed for record in results.records) or not results.finished)


def _drive_all(run: _Run, routes: Sequence[Route], bar: ProgressBar, many: bool) -> None:
    """One session per town; a session whose simulator failed is replaced by a new one."""
    crashes = 0
    with ExitStack() as stack:
        session: Session | None = None
        for route in routes:
            if session is None or session.town != route.town:
                stack.close()
                session = stack.enter_context(_session_for(run.settings, route))
                drawn_by = f", drawn by {session.server.renderer}" if session.server else ""
                run.console.print(f"Town {session.town}{drawn_by}", highlight=False)
            outcome = run.drive(session, route, run.observers(route, bar, many))
            run.record(route, outcome)
            crashes = crashes + 1 if outcome.failure == SIMULATION_CRASHED else 0
            if crashes:
                session = None
            if crashes >= MAX_CRASHES_IN_A_ROW:
                run.console.print("[red]The simulator keeps failing: giving up.[/red]")
                return


def _session_for(settings: DriveSettings, route: Route) -> AbstractContextManager[Session]:
    """A session whose map is the route's town."""
    server = ServerSettings()
    if settings.simulator is None:
        server = ServerSettings(
            town=spec_of(route.town, settings.town, settings.towns_folder),
            seed=settings.seed,
            port=settings.port,
            towns_folder=settings.towns_folder,
        )
    session = SessionSettings(server, settings.simulator, settings.timeout_s)
    return open_session(session, settings.out / "simulator.log", route.town)


def print_table(console: Console, results: Results) -> None:
    """The routes' scores, and their means over all routes of the run. Lateral is the 95th
    percentile of the distance from the lane's centre."""
    table = Table(title=f"Driving score by rules {results.run['rules']}")
    table.add_column("Route")
    for heading in ("Score", "Done", "Penalty", "Lateral", "Ticks/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Status")
    for record in results.records:
        extra = results.extras.get(record.route_id, {})
        lateral_m = extra.get("lateral_p95_m")
        table.add_row(
            record.route_id.split("_")[1],
            f"{record.scores['score_composed']:.2f}",
            f"{record.scores['score_route']:.1f} %",
            f"{record.scores['score_penalty']:.3f}",
            "-" if lateral_m is None else f"{lateral_m:.2f} m",
            f"{extra.get('ticks_per_s', 0.0):.0f}",
            _status_text(record),
        )
    if len(results.records) > 1:
        table.add_section()
        table.add_row(
            f"{len(results.records)} of {results.total}",
            f"{mean_of(results.records, 'score_composed'):.2f}",
            f"{mean_of(results.records, 'score_route'):.1f} %",
            f"{mean_of(results.records, 'score_penalty'):.3f}",
            "",
            "",
            results.entry_status,
        )
    console.print(table)
    console.print(f"Results: {results.path}", highlight=False)


def _status_text(record: RouteRecord) -> str:
    found = [
        f"{len(one)} {kind.replace('_', ' ')}" for kind, one in record.infractions.items() if one
    ]
    return ", ".join([record.status, *found])
