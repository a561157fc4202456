"""Drives routes with an agent: jobs for the workers, the ledger, the results file, a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation.closed_loop.agent_loader import check_agent_file
from evaluation.closed_loop.debug_session import DebugSession
from evaluation.closed_loop.disturbances import Disturbances
from evaluation.closed_loop.failure import ROUTE_INVALID, Blame, Failure
from evaluation.closed_loop.observers.trace import trace_path
from evaluation.closed_loop.pulse import TimeLimits
from evaluation.closed_loop.saved_drive import open_saved_drive
from evaluation.errors import UserError
from evaluation.routes.random_routes import one_route
from evaluation.routes.route import Route
from evaluation.routes.route_file import read_routes
from evaluation.routes.scenario import scenario_of
from evaluation.routes.towns import TownSpecError, name_of, open_map, spec_of
from evaluation.runs.conditions import (
    require_same,
    route_conditions,
    run_conditions,
    town_conditions,
)
from evaluation.runs.job import Job, JobResult, Json, plain
from evaluation.runs.leaderboard_file import Results, RouteRecord, mean_of, read_foreign
from evaluation.runs.ledger import Ledger, open_ledger
from evaluation.runs.route_progress import ProgressBars
from evaluation.runs.worker import LEARNED_AGENT, unscored
from evaluation.runs.workers import Ready, WorkerSettings, next_log_number, run_jobs
from evaluation.scoring.penalty import Rules
from evaluation.servers.embedded import ServerSettings
from evaluation.servers.ports import require_free
from evaluation.servers.session import SessionSettings, parse_address

DEMO_ROUTES = Path(__file__).parents[1] / "data" / "demo_route.xml"
DEFAULT_AGENT = LEARNED_AGENT
RANDOM_ROUTE_M = 600.0
RESULTS_FILE = "results.json"
LOGS_FOLDER = "logs"


class DriveError(UserError, ValueError):
    """Settings that do not fit each other; the message says which."""


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
    again: tuple[str, ...] = ()
    rules: Rules = Rules.V2_0
    video: bool = True
    video_fps: int = 10
    blackout: bool = False
    disturbances: Disturbances = field(default_factory=Disturbances)
    timeout_s: float = 30.0
    workers: int = 1
    limits: TimeLimits = field(default_factory=TimeLimits)
    debug: DebugSession = field(default_factory=DebugSession)
    from_state: Path | None = None

    def check(self) -> None:
        """Raises UserError for what shows before anything is started."""
        check_agent_file(self.agent)
        if self.simulator is not None:
            parse_address(self.simulator)
        elif self.port:
            require_free(self.port, neighbours=2)
        if self.workers > 1 and (self.simulator is not None or self.port):
            asked = "--simulator" if self.simulator is not None else "--port"
            raise DriveError(
                f"--workers {self.workers}: {asked} names one simulator, and each worker needs its "
                "own"
            )
        self._check_debug()
        if self.again and not self.resume:
            raise DriveError("--again names routes of a run that goes on: add --resume")

    def _check_debug(self) -> None:
        saves = self.debug.saves or self.from_state is not None
        if saves and self.simulator is not None:
            raise DriveError(
                "--save-state-at and --from-state: no CARLA server can save its world; leave out "
                "--simulator"
            )
        if self.debug.hands is not None and self.workers > 1:
            raise DriveError("--manual and --step: one person drives one car; leave out --workers")
        asked = {"--routes": self.routes, "--route-ids": self.route_ids, "--resume": self.resume}
        more = ", ".join(name for name, value in asked.items() if value)
        if self.from_state is not None and more:
            raise DriveError(f"--from-state: the route is in the file; leave out {more}")


def routes_to_drive(settings: DriveSettings) -> tuple[Route, ...]:
    """The routes of the file, or the demo route, or a random one in the town that was named."""
    if settings.routes is not None:
        return read_routes(settings.routes, settings.route_ids)
    if settings.town is None or settings.town == "demo":
        return read_routes(DEMO_ROUTES, settings.route_ids)
    world_map, name = open_map(settings.town)
    return (one_route(world_map, name, RANDOM_ROUTE_M, settings.seed),)


@dataclass(frozen=True)
class _Plan:
    """jobs: one for each route; conditions: of each route, by its name; unknown: why the town of a
    route is not to be had, by the route's name."""

    jobs: tuple[Job, ...]
    conditions: Mapping[str, Json]
    unknown: Mapping[str, str]


def _plan(settings: DriveSettings, routes: Sequence[Route]) -> _Plan:
    jobs: list[Job] = []
    conditions: dict[str, Json] = {}
    unknown: dict[str, str] = {}
    towns: dict[str, tuple[str | None, Json]] = {}
    for index, route in enumerate(routes):
        if route.town not in towns:
            try:
                spec = _town_spec(settings, route)
                towns[route.town] = spec, town_conditions(spec)
            except TownSpecError as error:
                towns[route.town] = None, {}
                unknown[route.name] = str(error)
        spec, town = towns[route.town]
        if spec is None and settings.simulator is None:
            unknown.setdefault(route.name, f"town {route.town!r} is not to be had")
        if settings.debug.saves and scenario_of(route) is not None:
            raise DriveError(
                f"--save-state-at: route {route.route_id} has a scenario, whose road users cannot "
                "be saved yet; choose a route without one"
            )
        conditions[route.name] = route_conditions(route, town)
        jobs.append(_job(settings, index, route, spec, many=len(routes) > 1))
    return _Plan(tuple(jobs), conditions, unknown)


def _plan_from_state(settings: DriveSettings) -> _Plan | None:
    """The one route of a saved drive, in its world; None where the run does not begin with one."""
    if settings.from_state is None:
        return None
    with open_saved_drive(settings.from_state) as saved:
        town = settings.town or saved.town
        if name_of(town) != saved.route.town:
            raise DriveError(
                f"--town {settings.town}: {settings.from_state} was saved in {saved.town}; leave "
                "out --town"
            )
        plan = _plan(replace(settings, town=town, seed=saved.seed), (saved.route,))
        jobs = tuple(
            replace(
                job,
                saved=settings.from_state,
                session=replace(job.session, world=saved.world),
            )
            for job in plan.jobs
        )
        return replace(plan, jobs=jobs)


def _town_spec(settings: DriveSettings, route: Route) -> str | None:
    if settings.simulator is not None:
        return None
    return spec_of(route.town, settings.town, settings.towns_folder)


def _job(settings: DriveSettings, index: int, route: Route, spec: str | None, many: bool) -> Job:
    server = ServerSettings(
        town=spec or "demo",
        seed=settings.seed,
        port=settings.port,
        towns_folder=settings.towns_folder,
    )
    video = f"drive_{route.route_id}.mp4" if many else "drive.mp4"
    return Job(
        name=route.name,
        index=index,
        route=route,
        agent=settings.agent,
        agent_config=settings.agent_config,
        session=SessionSettings(server, settings.simulator, settings.timeout_s),
        traffic=settings.traffic,
        seed=settings.seed,
        rules=settings.rules,
        blackout=settings.blackout,
        disturbances=settings.disturbances,
        video=settings.out / video if settings.video else None,
        video_fps=settings.video_fps,
        trace=trace_path(settings.out, route.name),
        debug=settings.debug.of_route(route.route_id) if many else settings.debug,
    )


def drive(settings: DriveSettings, console: Console) -> int:
    """Drives all routes that are not finished yet; returns the exit code, 0 if none failed.

    Raises UserError when it cannot begin; nothing that the folder held is changed then. On Ctrl-C
    the finished routes are in the ledger and in the results file already.
    """
    settings.check()
    plan = _plan_from_state(settings) or _plan(settings, routes_to_drive(settings))
    conditions = run_conditions(plan.jobs[0])
    with open_ledger(settings.out) as ledger:
        foreign: list[JobResult] = []
        if settings.resume:
            if not ledger.path.exists():
                foreign = read_foreign(settings.out / RESULTS_FILE)
            _require_known(foreign, plan, settings)
            require_same(ledger, conditions, dict(plan.conditions))
        run = _Run(settings, console, plan, ledger, conditions, foreign)
        return run.drive()


def _require_known(foreign: Sequence[JobResult], plan: _Plan, settings: DriveSettings) -> None:
    strangers = [one.name for one in foreign if one.name not in plan.conditions]
    if strangers:
        raise DriveError(
            f"{settings.out / RESULTS_FILE} has results of {strangers[0]}, which is not among the "
            "routes to drive; resume with the same routes, or choose another --out"
        )


@dataclass
class _Run:
    """One call of `drive`. foreign: results that are taken over from a file of another program."""

    settings: DriveSettings
    console: Console
    plan: _Plan
    ledger: Ledger
    conditions: Json
    foreign: Sequence[JobResult]
    begun: bool = False

    def drive(self) -> int:
        again = {f"RouteScenario_{route_id}_rep0" for route_id in self.settings.again}
        kept = {} if not self.settings.resume else dict(self.ledger.finished)
        taken_over = [one.name for one in self.foreign if one.is_finished]
        done = {name for name in (*kept, *taken_over) if name not in again}
        self._tell_what_is_kept(kept, done)
        invalid = [job for job in self.plan.jobs if job.name in self.plan.unknown]
        left = [job for job in self.plan.jobs if job.name not in done and job not in invalid]
        jobs = {job.name: job for job in self.plan.jobs}
        if not left or invalid:
            self._begin(again)
        for job in invalid:
            if job.name not in done:
                self._take(_unknown_town(job, self.plan.unknown[job.name]))
        workers = WorkerSettings(
            min(self.settings.workers, max(len(left), 1)),
            self.settings.out / LOGS_FOLDER,
            self.settings.limits,
            number=next_log_number(self.settings.out / LOGS_FOLDER),
        )
        last = ""
        with (
            ProgressBars(self.console, len(jobs), len(jobs) - len(left)) as bars,
            closing(run_jobs(left, workers, bars.begin, bars.show)) as events,
        ):
            for event in events:
                if not self.begun:
                    self._begin(again)
                if isinstance(event, Ready):
                    drawn = f", drawn by {event.renderer}" if event.renderer else ""
                    said = f"Town {event.town}{drawn}"
                    if said != last:
                        self.console.print(said, highlight=False)
                    last = said
                    continue
                bars.end(jobs[event.name])
                self._take(event)
        results = self._results()
        print_table(self.console, results)
        if not results.finished:
            self.console.print("[red]Too many failures in a row: given up.[/red]")
        return int(any(record.failed for record in results.records) or not results.finished)

    def _tell_what_is_kept(self, kept: Mapping[str, object], done: set[str]) -> None:
        if done:
            self.console.print(f"{len(done)} of {len(self.plan.jobs)} routes are finished already")
        if self.foreign:
            self.console.print(
                f"{len(self.foreign)} of them are taken from {RESULTS_FILE}, which does not tell "
                "under which conditions they were driven"
            )
        ours = [
            entry.result
            for entry in self.ledger.finished.values()
            if entry.result.name in kept
            and entry.result.name in done
            and entry.result.failure is not None
            and entry.result.failure.blame is Blame.EVALUATION
        ]
        for result in ours:
            self.console.print(
                f"{result.name} failed by an error of the evaluation and is not driven again; "
                f"--again {result.record['route_id'].split('_')[1]} does it",
                style="yellow",
                highlight=False,
            )

    def _begin(self, again: set[str]) -> None:
        """From here on the folder is this run's."""
        if self.begun:
            return
        self.begun = True
        if not self.settings.resume:
            self.ledger.set_aside()
        self.ledger.begin(
            plain(
                {
                    "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                    "conditions": self.conditions,
                    "limits_s": vars(self.settings.limits),
                    "routes": self.settings.routes or DEMO_ROUTES,
                    "total": len(self.plan.jobs),
                }
            )
        )
        self.ledger.release(again)
        for result in self.foreign:
            if result.name not in again:
                self.ledger.add(result)
        self._write()

    def _take(self, result: JobResult) -> None:
        self.ledger.add(result, self.plan.conditions[result.name])
        self._write()
        failure = result.failure
        if failure is None:
            return
        retried = "" if result.is_last else ", it is tried again"
        said = f"{result.name}: {result.status} ({failure.blame.value}){retried}: {failure.what}"
        self.console.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
        if failure.trace:
            self.console.print(failure.trace, markup=False, highlight=False, soft_wrap=True)

    def _results(self) -> Results:
        results = Results(
            self.settings.out / RESULTS_FILE,
            len(self.plan.jobs),
            {**self.ledger.runs[-1], "rules": self.settings.rules.value},
        )
        for name, entry in self.ledger.latest.items():
            if name in self.plan.conditions:
                results.add(entry.result)
        return results

    def _write(self) -> None:
        self._results().write()


def _unknown_town(job: Job, problem: str) -> JobResult:
    return unscored(job, Failure(Blame.ROUTE, ROUTE_INVALID, problem))


def print_table(console: Console, results: Results) -> None:
    """The routes' scores, and their means over all routes of the run. Lateral is the 95th
    percentile of the distance from the lane's centre."""
    table = Table(title=f"Driving score by rules {results.run['rules']}")
    table.add_column("Route")
    for heading in ("Score", "Done", "Penalty", "Lateral", "Ticks/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Status")
    for row in _rows(results):
        table.add_row(*row)
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
    console.print(f"Results: {results.path}", highlight=False, soft_wrap=True)


def _rows(results: Results) -> Iterator[Sequence[str]]:
    for record in results.records:
        extra = results.extras.get(record.route_id, {})
        lateral_m, ticks_per_s = extra.get("lateral_p95_m"), extra.get("ticks_per_s")
        yield (
            record.route_id.split("_")[1],
            f"{record.scores['score_composed']:.2f}",
            f"{record.scores['score_route']:.1f} %",
            f"{record.scores['score_penalty']:.3f}",
            "-" if lateral_m is None else f"{lateral_m:.2f} m",
            "-" if ticks_per_s is None else f"{ticks_per_s:.0f}",
            _status_text(record, extra),
        )


def _status_text(record: RouteRecord, extra: Json) -> str:
    found = [
        f"{len(one)} {kind.replace('_', ' ')}" for kind, one in record.infractions.items() if one
    ]
    invalid = extra.get("invalid_controls", 0)
    if extra.get("person_ticks"):
        found.append(f"a person drove {extra['person_ticks']} of {extra['ticks']} ticks")
    braked = [f"{invalid} ticks with a control that is not finite"] if invalid else []
    return ", ".join([record.status, *found, *braked])
