"""Which routes a run drives, how often, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.closed_loop.observers.trace import trace_path
from evaluation.closed_loop.saved_drive import open_saved_drive
from evaluation.official.before_start import require_towns_of_server, town_to_start
from evaluation.official.leaderboard import EMBEDDED, LeaderboardSettings
from evaluation.routes.random_routes import one_route
from evaluation.routes.route import Route, RouteFileError
from evaluation.routes.route_file import read_routes
from evaluation.routes.scenario import scenario_of
from evaluation.routes.towns import TownSpecError, name_of, open_map, spec_of
from evaluation.runs.conditions import route_conditions, town_conditions
from evaluation.runs.job import Job, Json
from evaluation.runs.settings import DriveError, DriveSettings
from evaluation.servers.embedded import ServerSettings
from evaluation.servers.session import SessionSettings, addresses_of, parse_address

DEMO_ROUTES = Path(__file__).parents[1] / "data" / "demo_route.xml"
RANDOM_ROUTE_M = 600.0
OFFICIAL_FOLDER = "official"


@dataclass(frozen=True)
class Plan:
    """jobs: one for each repetition of each route; conditions: of each job, by its name; unknown:
    why the town of a job is not to be had, by the job's name."""

    jobs: tuple[Job, ...]
    conditions: Mapping[str, Json]
    unknown: Mapping[str, str]


def not_acted_out(plan: Plan) -> str:
    """A warning where routes have scenarios that our own loop passes over, else ""."""
    routes = {
        job.route.route_id
        for job in plan.jobs
        if job.official is None and job.route.scenarios and scenario_of(job.route) is None
    }
    if not routes:
        return ""
    return (
        f"{len(routes)} routes have scenarios that only an official evaluator acts out "
        "(--evaluator official): they are driven without"
    )


def routes_to_drive(settings: DriveSettings) -> tuple[Route, ...]:
    """The routes of the file or folder, or the demo route, or a random one in the town that was
    named."""
    if settings.routes is not None:
        return read_routes(settings.routes, settings.route_ids)
    if settings.town is None or settings.town == "demo":
        return read_routes(DEMO_ROUTES, settings.route_ids)
    world_map, name = open_map(settings.town)
    return (one_route(world_map, name, RANDOM_ROUTE_M, settings.seed),)


def make_plan(settings: DriveSettings) -> Plan:
    """Raises UserError for routes that cannot be read and, where the settings are strict, for towns
    that are not to be had and simulators that do not answer."""
    if settings.from_state is not None:
        return _from_state(settings, settings.from_state)
    return _plan(settings, routes_to_drive(settings))


def _from_state(settings: DriveSettings, path: Path) -> Plan:
    """The one route of a saved drive, in its world."""
    with open_saved_drive(path) as saved:
        town = settings.town or saved.town
        if name_of(town) != saved.route.town:
            raise DriveError(
                f"--town {settings.town}: {path} was saved in {saved.town}; leave out --town"
            )
        plan = _plan(replace(settings, town=town, seed=saved.seed), (saved.route,))
        jobs = tuple(
            replace(job, saved=path, session=replace(job.session, world=saved.world))
            for job in plan.jobs
        )
        return replace(plan, jobs=jobs)


def _plan(settings: DriveSettings, routes: Sequence[Route]) -> Plan:
    if settings.debug.saves:
        _require_savable(routes)
    if settings.strict:
        _require_towns(settings, routes)
    jobs: list[Job] = []
    conditions: dict[str, Json] = {}
    unknown: dict[str, str] = {}
    towns = {name: _town(settings, name) for name in dict.fromkeys(one.town for one in routes)}
    for job in _jobs(settings, routes, {name: town.spec for name, town in towns.items()}):
        town = towns[job.route.town]
        own = route_conditions(job.route, town.conditions, job.repetition)
        conditions[job.name] = own if settings.repetitions == 1 else {**own, "seed": job.seed}
        if town.unknown:
            unknown[job.name] = town.unknown
        jobs.append(job)
    return Plan(tuple(jobs), conditions, unknown)


def _require_savable(routes: Sequence[Route]) -> None:
    for route in routes:
        if scenario_of(route) is not None:
            raise DriveError(
                f"--save-state-at: route {route.route_id} has a scenario, whose road users cannot "
                "be saved yet; choose a route without one"
            )


@dataclass(frozen=True)
class _Town:
    """spec: None where the simulator brings it; unknown: why it is not to be had, or ""."""

    spec: str | None
    conditions: Json
    unknown: str = ""


def _town(settings: DriveSettings, name: str) -> _Town:
    if settings.simulator is not None:
        return _Town(None, {})
    try:
        spec = spec_of(name, settings.town, settings.towns_folder)
        return _Town(spec, town_conditions(spec))
    except TownSpecError as error:
        return _Town(None, {}, str(error))


def _require_towns(settings: DriveSettings, routes: Sequence[Route]) -> None:
    if settings.simulator is None:
        names = sorted({route.town for route in routes})
        unknown = [found.unknown for found in (_town(settings, name) for name in names)]
        if any(unknown):
            raise RouteFileError("; ".join(filter(None, unknown)))
        town_to_start(routes, settings.town, settings.towns_folder)
    for address in addresses_of(settings.simulator)[: settings.workers]:
        require_towns_of_server(*parse_address(address), routes)


def _jobs(
    settings: DriveSettings, routes: Sequence[Route], specs: Mapping[str, str | None]
) -> Iterator[Job]:
    """All routes once, then all of them again with the next seed."""
    many = len(routes) > 1
    for repetition in range(settings.repetitions):
        for number, route in enumerate(routes):
            seed = settings.seed + repetition
            server = ServerSettings(
                town=specs[route.town] or "demo",
                seed=seed,
                port=settings.port,
                towns_folder=settings.towns_folder,
            )
            job = Job(
                name=route.name_of(repetition),
                index=repetition * len(routes) + number,
                route=route,
                agent=settings.agent,
                agent_config=settings.agent_config,
                session=SessionSettings(server, settings.simulator, settings.timeout_s),
                traffic=settings.traffic,
                seed=seed,
                rules=settings.rules,
                blackout=settings.blackout,
                disturbances=settings.disturbances,
                video_fps=settings.video_fps,
                trace=trace_path(settings.out, route.name_of(repetition)),
                repetition=repetition,
                debug=settings.debug.of_route(route.route_id) if many else settings.debug,
            )
            yield replace(
                job,
                video=_video(settings, job, len(routes)) if settings.video else None,
                official=_official(settings, job),
            )


def _video(settings: DriveSettings, job: Job, routes: int) -> Path:
    name = f"_{job.route.route_id}" if routes > 1 else ""
    again = f"_rep{job.repetition}" if job.repetition else ""
    return settings.out / f"drive{name}{again}.mp4"


def _official(settings: DriveSettings, job: Job) -> LeaderboardSettings | None:
    """The evaluator for one repetition of one route, with results of its own."""
    if settings.official is None:
        return None
    return replace(
        settings.official,
        routes=job.route.source,
        routes_subset=job.route.route_id,
        agent=settings.agent,
        agent_config=settings.agent_config,
        checkpoint=settings.out / OFFICIAL_FOLDER / job.name / "results.json",
        town=job.session.server.town if settings.simulator is None else None,
        towns_folder=settings.towns_folder,
        seed=job.seed,
        simulator=settings.simulator or EMBEDDED,
    )
