"""Records training data: the expert on many routes and towns, several simulators at a time.

A drive is finished when its folder holds the real `results.json.gz`; a run that is started again
skips those and drives the rest, so that nothing is lost when it is stopped. Beside it lies under
which conditions it was driven: a run that asks for others is turned down.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.expert.recording import write_json_gz
from evaluation.collection.settings import CollectSettings, number_of
from evaluation.collection.summary import (
    CONDITIONS_FILE,
    RESULTS_FILE,
    CollectionReport,
    completed_set,
    write_json,
)
from evaluation.routes.random_routes import generate
from evaluation.routes.route import Route, WeatherPoint
from evaluation.routes.route_file import read_routes
from evaluation.routes.towns import name_of, open_map, spec_of
from evaluation.runs.cluster import Cluster, run_anywhere
from evaluation.runs.job import Job, JobResult, Json, plain
from evaluation.runs.ledger import Ledger, open_ledger
from evaluation.runs.worker import RouteWorker, WorkerFactory
from evaluation.runs.worker_process import WorkerSettings
from evaluation.runs.workers import Ready, next_log_number
from evaluation.servers.embedded import ServerSettings
from evaluation.servers.session import SessionSettings
from model.conditions import text_digest

EXPERT = Path(__file__).parents[2] / "agent" / "expert_agent.py"
GREEN_S = (4.0, 10.0)
ALL_RED_S = (0.5, 2.0)
"""Ranges of the phases of varied lights; the usual ones are 10 and 2 s. Shorter ones show more of
the moments in which a light changes, and less waiting for it."""


def collect(
    settings: CollectSettings, console: Console, factory: WorkerFactory = RouteWorker
) -> int:
    """Drive and record every route that is not finished; returns the exit code, 0 when all of them
    were scored, well or badly.

    Raises CollectError, RouteFileError, RandomRouteError, TownSpecError or LedgerError when it
    cannot begin.
    """
    settings.check()
    wanted = list(_routes_by_town(settings))
    every = [route for _, routes in wanted for route in routes]
    with open_ledger(settings.out) as ledger:
        completed = completed_set(settings, every)
        console.print(
            f"{len(every)} routes, {len(every) - len(completed.left)} of them finished before"
        )
        if completed.unlabelled:
            console.print(
                f"{completed.unlabelled} of those do not tell with which settings they were "
                "recorded; they are taken as they are"
            )
        if not completed.left:
            return 0
        jobs = {job.name: job for job in _jobs(settings, wanted, set(completed.left))}
        report = CollectionReport(settings.out, ledger, len(jobs))
        _begin(settings, ledger, jobs)
        _drive(settings, ledger, jobs, report, console, factory, len(every))
    for line in report.lines():
        console.print(line, highlight=False)
    if report.failures:
        console.print(f"{report.failures} drives failed; see {ledger.path} and {settings.logs}")
    if report.left:
        console.print(f"[red]Too many failures in a row: {report.left} routes were left out.[/red]")
    return int(report.failures > 0 or report.left > 0)


def _begin(settings: CollectSettings, ledger: Ledger, jobs: Mapping[str, Job]) -> None:
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    ledger.begin(plain({"started": started, "asked": asdict(settings)}))
    # What is finished is told by the dataset's folders: drives may have been taken away.
    ledger.release(jobs)


def _drive(
    settings: CollectSettings,
    ledger: Ledger,
    jobs: Mapping[str, Job],
    report: CollectionReport,
    console: Console,
    factory: WorkerFactory,
    total: int,
) -> None:
    """Drives the jobs; every drive is in the ledger and in the report as soon as it is over."""
    workers = WorkerSettings(
        min(settings.jobs, len(jobs)),
        settings.logs,
        number=next_log_number(settings.logs),
        factory=factory,
        clear=partial(clear_drive, settings),
    )
    began_s = time.monotonic()

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeRemainingColumn(), console=console) as progress,
        closing(run_anywhere(list(jobs.values()), workers, _cluster(settings, jobs))) as events,
    ):
        bar = progress.add_task("Collecting", total=total, completed=total - len(jobs))
        for event in events:
            if isinstance(event, Ready):
                continue
            job = jobs[event.name]
            result = _recorded(settings, job, event, time.monotonic() - began_s)
            conditions = settings.conditions(job.route)
            if result.is_finished:
                _finish(settings, job, result, conditions)
            ledger.add(result, conditions)
            report.write()
            _tell(console, result)
            progress.update(
                bar,
                advance=int(result.is_last),
                description=f"{report.frames_per_s:.1f} frames/s",
            )


def clear_drive(settings: CollectSettings, job: Job) -> None:
    """What a broken-off try left has no end and would only be mistaken for a drive."""
    shutil.rmtree(settings.drive_folder(job.route), ignore_errors=True)


def _cluster(settings: CollectSettings, jobs: Mapping[str, Job]) -> Cluster | None:
    if settings.cluster is None:
        return None
    keys = {name: text_digest(repr(settings.conditions(job.route))) for name, job in jobs.items()}
    return Cluster(settings.cluster, keys, settings.out)


def _routes_by_town(settings: CollectSettings) -> Iterator[tuple[str, Sequence[Route]]]:
    """Town specification and routes: those of the file, or random ones in every town."""
    if settings.routes is not None:
        routes = read_routes(settings.routes)
        for name in dict.fromkeys(route.town for route in routes):
            spec = _spec(settings, name)
            yield spec, [route for route in routes if route.town == name]
        return
    for number, spec in enumerate(settings.towns):
        world_map, name = open_map(spec)
        seed = settings.seed + number
        yield (
            spec,
            generate(
                world_map, name, settings.length_m, settings.count, seed, settings.varied_routes
            ),
        )


def _spec(settings: CollectSettings, name: str) -> str:
    asked = next((spec for spec in settings.towns if name_of(spec) == name), None)
    return spec_of(name, asked, settings.towns_folder)


def _jobs(
    settings: CollectSettings, wanted: Sequence[tuple[str, Sequence[Route]]], left: set[Route]
) -> Iterator[Job]:
    for town, routes in wanted:
        server = ServerSettings(town, settings.seed, towns_folder=settings.towns_folder)
        session = SessionSettings(server, timeout_s=settings.timeout_s)
        for index, route in enumerate(routes):
            if route not in left:
                continue
            seed = settings.seed + number_of(route)
            weathers = route.weathers
            if settings.varied_weather:
                weathers = (WeatherPoint(0.0, random_weather(seed)),)
            yield Job(
                name=settings.drive_name(route),
                index=index,
                route=replace(route, weathers=weathers),
                agent=EXPERT,
                agent_config=settings.expert_config(route),
                session=session,
                traffic=settings.traffic,
                seed=seed,
                light_times_s=random_light_times(seed) if settings.varied_lights else None,
                until_mishap=settings.driver is not None,
                debug=settings.debug.of_route(f"{route.town}_{route.route_id}"),
            )


def _recorded(settings: CollectSettings, job: Job, result: JobResult, at_s: float) -> JobResult:
    """The result with the number of frames, and when it came, in seconds since the start."""
    frames = len(list((settings.drive_folder(job.route) / "measurements").glob("*.json.gz")))
    extra = {**result.extra, "frames": frames, "at_s": round(at_s, 1)}
    return replace(result, extra=extra)


def _finish(settings: CollectSettings, job: Job, result: JobResult, conditions: Json) -> None:
    """The results come last: with them the drive is finished."""
    folder = settings.drive_folder(job.route)
    if folder.is_dir():
        write_json(folder / CONDITIONS_FILE, conditions)
        results = {**result.record, "town_name": job.route.town}
        if settings.driver is not None:
            # A drive that the expert did not drive is of use whatever came of it.
            found = result.extra.get("infractions", [])
            results |= {"labels": "expert", "infraction_frames": [one["frame"] for one in found]}
        write_json_gz(folder / RESULTS_FILE, results)


def _tell(console: Console, result: JobResult) -> None:
    if result.failure is not None:
        retried = "" if result.is_last else ", it is tried again"
        said = f"{result.name}: {result.status}{retried}: {result.failure.what}"
        console.print(said, style="red", markup=False, highlight=False, soft_wrap=True)


def random_light_times(seed: int) -> tuple[float, float]:
    """Green and all-red time of a town's lights, mostly shorter than usual."""
    rng = np.random.default_rng(seed)
    return float(rng.uniform(*GREEN_S)), float(rng.uniform(*ALL_RED_S))


def random_weather(seed: int) -> tuple[tuple[str, float], ...]:
    """Daylight from low sun to noon, clear to overcast, now and then fog or a wet road."""
    rng = np.random.default_rng(seed)
    misty = float(rng.random() < 0.15)
    wet = float(rng.random() < 0.25)
    return (
        ("cloudiness", float(rng.uniform(0.0, 90.0))),
        ("sun_altitude_angle", float(rng.uniform(12.0, 75.0))),
        ("sun_azimuth_angle", float(rng.uniform(0.0, 360.0))),
        ("fog_density", misty * float(rng.uniform(5.0, 25.0))),
        ("wetness", wet * float(rng.uniform(20.0, 90.0))),
    )
