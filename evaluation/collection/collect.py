"""Records training data: the expert on many routes and towns, several simulators at a time.

A drive is finished when its folder holds the real `results.json.gz`; a run that is started again
skips those and drives the rest, so that nothing is lost when it is stopped. Beside it lies under
which conditions it was driven: a run that asks for others is turned down.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path

import carla
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.expert.recording import write_json_gz
from evaluation.closed_loop.agent_loader import load_agent_class
from evaluation.closed_loop.episode import Driver, run_episode
from evaluation.closed_loop.route_scenario import open_route_scenario
from evaluation.collection.settings import CollectSettings, number_of
from evaluation.collection.summary import (
    BAD_ROUTE,
    CONDITIONS_FILE,
    NOT_RUN,
    Drive,
    Report,
    next_log_number,
    take_stock,
    write_json,
)
from evaluation.errors import UserError
from evaluation.routes.random_routes import generate
from evaluation.routes.route import Route, RouteFileError, WeatherPoint
from evaluation.routes.route_file import read_routes
from evaluation.routes.towns import name_of, open_map, spec_of
from evaluation.runs.leaderboard_file import record_of
from evaluation.runs.workers import Batch, Task, Tell, drive_all
from evaluation.scoring.penalty import Rules
from evaluation.servers.embedded import ServerSettings
from evaluation.servers.session import Session, SessionSettings, open_session

EXPERT = Path(__file__).parents[2] / "agent" / "expert_agent.py"
ROUTES_PER_SESSION = 8
"""A simulator is started anew after so many routes."""
GREEN_S = (4.0, 10.0)
ALL_RED_S = (0.5, 2.0)
"""Ranges of the phases of varied lights; the usual ones are 10 and 2 s."""


def drive_batch(batch: Batch, tell: Tell) -> None:
    """One simulator, its routes one after the other, until one of them shows it to be broken."""
    settings = batch.settings
    server = ServerSettings(batch.town, settings.seed, towns_folder=settings.towns_folder)
    log = settings.logs / f"simulator_{batch.number}.log"
    with ExitStack() as stack:
        try:
            session = stack.enter_context(
                open_session(
                    SessionSettings(server, timeout_s=settings.timeout_s), log, batch.routes[0].town
                )
            )
        except (UserError, RuntimeError) as error:
            tell(batch.failed(batch.routes[0], NOT_RUN, str(error)))
            return
        for route in batch.routes:
            try:
                drive = _drive_route(session, route, batch)
            except RouteFileError as error:
                drive = batch.failed(route, BAD_ROUTE, str(error))
            except RuntimeError as error:
                drive = batch.failed(route, NOT_RUN, str(session.failure(error)))
            tell(drive)
            if drive.status == NOT_RUN:
                return


def collect(settings: CollectSettings, console: Console, task: Task = drive_batch) -> int:
    """Drive and record every route that is not finished; returns the exit code, 0 when all of them
    were scored, well or badly.

    Raises CollectError, RouteFileError, RandomRouteError or TownSpecError when it cannot begin.
    """
    settings.check()
    wanted = list(_routes_by_town(settings))
    every = [route for _, routes in wanted for route in routes]
    stock = take_stock(settings, every)
    finished = len(every) - len(stock.left)
    console.print(f"{len(every)} routes, {finished} of them finished before")
    if stock.unlabelled:
        console.print(
            f"{stock.unlabelled} of those do not tell with which settings they were recorded; "
            "they are taken as they are"
        )
    if not stock.left:
        return 0
    report = Report(settings, len(stock.left))
    batches = list(_batches(settings, wanted, set(stock.left)))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeRemainingColumn(), console=console) as progress,
        closing(drive_all(batches, settings.jobs, next_log_number(settings.logs), task)) as drives,
    ):
        bar = progress.add_task("Collecting", total=len(every), completed=finished)
        for drive in drives:
            report.add(drive)
            if drive.failed:
                console.print(
                    f"{drive.name}: {drive.status}: {drive.problem}",
                    style="red",
                    markup=False,
                    highlight=False,
                )
            progress.update(bar, advance=1, description=f"{report.frames_per_s:.1f} frames/s")
    for line in report.lines():
        console.print(line, highlight=False)
    if report.failures:
        console.print(f"{report.failures} drives failed; see {settings.logs}/failure_*.txt")
    if report.left:
        console.print(f"[red]Too many failures in a row: {report.left} routes were left out.[/red]")
    return int(report.failures > 0 or report.left > 0)


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


def _batches(
    settings: CollectSettings, wanted: Sequence[tuple[str, Sequence[Route]]], left: set[Route]
) -> Iterator[Batch]:
    for town, routes in wanted:
        to_drive = [route for route in routes if route in left]
        for first in range(0, len(to_drive), ROUTES_PER_SESSION):
            yield Batch(settings, town, tuple(to_drive[first : first + ROUTES_PER_SESSION]))


def _drive_route(session: Session, route: Route, batch: Batch) -> Drive:
    settings = batch.settings
    folder = settings.drive_folder(route)
    # What a broken-off run left has no end and would only be mistaken for a drive.
    shutil.rmtree(folder, ignore_errors=True)
    seed = settings.seed + number_of(route)
    conditions = settings.conditions(route)
    if settings.varied_weather:
        route = replace(route, weathers=(WeatherPoint(0.0, random_weather(seed)),))
    started_s = time.monotonic()
    driver = Driver(load_agent_class(EXPERT), settings.expert_config(route))
    with open_route_scenario(session, route, settings.traffic, seed) as scenario:
        if settings.varied_lights:
            set_light_times(session.world, seed)
        outcome = run_episode(scenario, driver, [])
    record = record_of(0, route.name, outcome, Rules.V2_0)
    if folder.is_dir():
        # The results come last: with them the drive is finished.
        write_json(folder / CONDITIONS_FILE, conditions)
        write_json_gz(folder / "results.json.gz", {**asdict(record), "town_name": route.town})
    drive = Drive(
        settings.drive_name(route),
        record.status,
        len(list((folder / "measurements").glob("*.json.gz"))),
        time.monotonic() - started_s,
    )
    if not outcome.failure:
        return drive
    failed = batch.failed(route, record.status, outcome.trace or outcome.failure)
    return replace(drive, problem=failed.problem)


def set_light_times(world: carla.World, seed: int) -> None:
    """Give all lights of the town other, mostly shorter phases than usual: more of the moments in
    which a light changes, fewer of waiting for it."""
    rng = np.random.default_rng(seed)
    green_s, red_s = float(rng.uniform(*GREEN_S)), float(rng.uniform(*ALL_RED_S))
    for light in world.get_actors().filter("traffic.traffic_light"):
        light.set_green_time(green_s)
        light.set_red_time(red_s)


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
