"""Records training data: the expert on many routes and towns, several simulators at a time.

A drive is finished when its folder holds the real `results.json.gz`; a run that is started again
skips those and drives the rest, so that nothing is lost when it is stopped.
"""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import carla
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.expert.recording import write_json_gz
from evaluation.agent_loader import load_agent_class
from evaluation.episode import SIMULATION_CRASHED, Driver, run_episode
from evaluation.maps import name_of, open_map, spec_of
from evaluation.problems import ProblemError
from evaluation.random_routes import generate
from evaluation.results import record_of
from evaluation.routes import Route, WeatherPoint, read_routes
from evaluation.score import Rules
from evaluation.server import ServerSettings
from evaluation.session import Session, SessionSettings, open_session
from evaluation.stage import open_stage

EXPERT = Path(__file__).parents[1] / "agent" / "expert_agent.py"
ROUTES_PER_SESSION = 8
"""A simulator is started anew after so many routes, and a failure costs no more than these."""
PARENT_CHECK_S = 1.0
GREEN_S = (4.0, 10.0)
ALL_RED_S = (0.5, 2.0)
"""Ranges of the phases of varied lights; the usual ones are 10 and 2 s."""
UNSCORED = "Unknown"
NOT_RUN = "Failed - Simulation crashed"


@dataclass(frozen=True)
class CollectSettings:
    """What `collect` was asked to do; see its --help for the meaning of each."""

    out: Path
    towns: tuple[str, ...] = ("generated:1",)
    routes: Path | None = None
    count: int = 20
    length_m: float = 400.0
    jobs: int = 2
    traffic: int = 0
    seed: int = 0
    varied_routes: bool = False
    varied_weather: bool = False
    varied_lights: bool = False
    split: str = "training"
    group: str = "routes"
    scenario: str = "lane_following"
    expert: str = ""
    towns_folder: Path | None = None
    timeout_s: float = 30.0

    def drive_folder(self, route: Route) -> Path:
        """Where the recorder puts the route's frames."""
        folder = self.out / "data" / "simlingo" / self.split / self.group / self.scenario
        return folder / f"{route.town}_{route.route_id}"

    def expert_config(self, route: Route) -> str:
        pairs = {
            "record": self.out,
            "split": self.split,
            "group": self.group,
            "scenario": self.scenario,
            "town": route.town,
            "route": route.route_id,
            "seed": self.seed + number_of(route),
        }
        text = ",".join(f"{key}={value}" for key, value in pairs.items())
        return f"{text},{self.expert}" if self.expert else text


@dataclass(frozen=True)
class Drive:
    """A route that has been driven; frames that were written, and the wall-clock time it took."""

    name: str
    status: str
    frames: int
    wall_s: float


@dataclass(frozen=True)
class _Batch:
    """Routes in one town for one simulator."""

    settings: CollectSettings
    town: str
    routes: tuple[Route, ...]
    number: int


def number_of(route: Route) -> int:
    """A number of a route that is the same in every process, unlike `hash`."""
    seeds = np.frombuffer(f"{route.town}/{route.route_id}".encode(), dtype=np.uint8)
    return int(np.random.SeedSequence(seeds.tolist()).generate_state(1)[0] % 100_000)


def collect(settings: CollectSettings, console: Console) -> int:
    """Drive and record every route that is not finished; returns the exit code.

    Raises RouteFileError, TownSpecError or SimulatorError when it cannot begin.
    """
    wanted = list(_routes_by_town(settings))
    every = [route for _, routes in wanted for route in routes]
    batches = list(_batches(settings, wanted))
    left = sum(len(batch.routes) for batch in batches)
    console.print(f"{len(every)} routes, {len(every) - left} of them finished before")
    started_s = time.monotonic()
    drives: list[Drive] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeRemainingColumn(), console=console) as progress,
        ProcessPoolExecutor(
            settings.jobs, multiprocessing.get_context("spawn"), _end_with, (os.getpid(),)
        ) as pool,
    ):
        bar = progress.add_task("Collecting", total=len(every), completed=len(every) - left)
        try:
            for future in as_completed([pool.submit(_drive_batch, batch) for batch in batches]):
                finished = future.result()
                drives.extend(finished)
                rate = sum(drive.frames for drive in drives) / (time.monotonic() - started_s)
                progress.update(bar, advance=len(finished), description=f"{rate:.1f} frames/s")
        except KeyboardInterrupt:
            # Leaving the pool waits for its workers, whose routes take minutes. Their simulators
            # see that they are gone, and the broken-off drives are driven anew next time.
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise
    _report(settings, drives, time.monotonic() - started_s, console)
    return int(any(drive.status == NOT_RUN for drive in drives))


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
    settings: CollectSettings, wanted: Sequence[tuple[str, Sequence[Route]]]
) -> Iterator[_Batch]:
    number = 0
    for town, routes in wanted:
        left = [route for route in routes if not is_finished(settings.drive_folder(route))]
        for first in range(0, len(left), ROUTES_PER_SESSION):
            yield _Batch(settings, town, tuple(left[first : first + ROUTES_PER_SESSION]), number)
            number += 1


def is_finished(folder: Path) -> bool:
    """Whether the drive was scored, well or badly, rather than broken off."""
    try:
        results = json.loads(gzip.decompress((folder / "results.json.gz").read_bytes()))
    except (OSError, EOFError, ValueError):
        return False
    return bool(results.get("status", UNSCORED) not in (UNSCORED, NOT_RUN))


def _end_with(parent_pid: int) -> None:
    """Let this worker end when the process that it works for was killed."""

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _drive_batch(batch: _Batch) -> list[Drive]:
    """In a process of its own: one simulator, its routes one after the other."""
    settings = batch.settings
    server = ServerSettings(batch.town, settings.seed, towns_folder=settings.towns_folder)
    log = settings.out / "logs" / f"simulator_{batch.number}.log"
    done: list[Drive] = []
    try:
        with open_session(
            SessionSettings(server, timeout_s=settings.timeout_s), log, batch.routes[0].town
        ) as session:
            for route in batch.routes:
                done.append(_drive_route(session, route, settings))
                if done[-1].status == NOT_RUN:
                    break
    except ProblemError as error:
        (log.parent / f"failure_{batch.number}.txt").write_text(f"{error}\n", encoding="utf-8")
    names = [route.name for route in batch.routes[len(done) :]]
    return done + [Drive(name, NOT_RUN, 0, 0.0) for name in names]


def _drive_route(session: Session, route: Route, settings: CollectSettings) -> Drive:
    folder = settings.drive_folder(route)
    # What a broken-off run left has no end and would only be mistaken for a drive.
    shutil.rmtree(folder, ignore_errors=True)
    seed = settings.seed + number_of(route)
    if settings.varied_weather:
        route = replace(route, weathers=(WeatherPoint(0.0, random_weather(seed)),))
    started_s = time.monotonic()
    driver = Driver(load_agent_class(EXPERT), settings.expert_config(route))
    with open_stage(session, route, settings.traffic, seed) as stage:
        if settings.varied_lights:
            set_light_times(session.world, seed)
        outcome = run_episode(stage, driver, [])
    record = record_of(0, route.name, outcome, Rules.V2_0)
    if folder.is_dir():
        write_json_gz(folder / "results.json.gz", {**asdict(record), "town_name": route.town})
    if outcome.trace:
        (folder.parent / f"{folder.name}.failure.txt").write_text(outcome.trace, encoding="utf-8")
    status = NOT_RUN if outcome.failure == SIMULATION_CRASHED else record.status
    frames = len(list((folder / "measurements").glob("*.json.gz")))
    return Drive(route.name, status, frames, time.monotonic() - started_s)


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


def _report(
    settings: CollectSettings, drives: Sequence[Drive], wall_s: float, console: Console
) -> None:
    frames = sum(drive.frames for drive in drives)
    statuses = Counter(drive.status for drive in drives)
    report = {
        "frames": frames,
        "wall_s": round(wall_s, 1),
        "frames_per_s": round(frames / max(wall_s, 1e-9), 2),
        "statuses": dict(statuses),
        "drives": [asdict(drive) for drive in drives],
    }
    settings.out.mkdir(parents=True, exist_ok=True)
    (settings.out / "collect.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    shown = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    console.print(
        f"{frames} frames in {wall_s / 60.0:.1f} min ({report['frames_per_s']}/s): {shown}"
    )
