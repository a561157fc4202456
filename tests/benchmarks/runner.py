"""What the runner itself costs, and what a second worker brings.

    python -m tests.benchmarks.runner [--ticks 1000] [--routes 12] [--workers 1 2] [--cameras]

The first figure is the share of a tick, with the expert on the demo route, that is spent neither in
the simulator nor in the agent: reading the world, the criteria, the observers, the loop. The second
is how many routes an hour one and two workers drive through `evaluate`, starts of processes and
simulators included: with the expert, who needs no cameras, or with the learned agent (`--cameras`).
The runs are interleaved (`--runs`). Both are spoilt by other load, which is printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from evaluation.closed_loop.agent_loader import load_agent_class
from evaluation.closed_loop.episode import Driver, Observer, Step, run_episode
from evaluation.closed_loop.observers.timing import Timing
from evaluation.closed_loop.pulse import Pulse
from evaluation.closed_loop.route_scenario import RouteScenario, open_route_scenario
from evaluation.closed_loop.sensor_interface import Spec
from evaluation.routes.random_routes import generate
from evaluation.routes.route_file import read_routes, write_routes
from evaluation.routes.towns import open_map
from evaluation.runs.plan import DEMO_ROUTES
from evaluation.runs.route_progress import RouteProgress
from evaluation.scoring.penalty import Rules
from evaluation.servers.session import SessionSettings, open_session

PROJECT = Path(__file__).parents[2]
EXPERT = PROJECT / "agent" / "expert_agent.py"
OTHERS = ("simulator", "sensors", "agent", "control")
"""Stages of a tick that are the simulator's, its client's or the agent's."""
ROUTE_M = 60.0


class EnoughError(Exception):
    """Ends a drive in the middle."""


class Shares(Observer):
    """Wall time of whole ticks, and of their stages."""

    def __init__(self, ticks: int) -> None:
        self._ticks = ticks
        self._last_s = 0.0
        self.tick_ms: list[float] = []
        self.stage_ms: defaultdict[str, list[float]] = defaultdict(list)

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        self._last_s = 0.0

    def step(self, step: Step) -> None:
        now_s = time.perf_counter()
        if self._last_s:
            self.tick_ms.append(1000.0 * (now_s - self._last_s))
            for name, elapsed_ms in step.stage_ms.items():
                self.stage_ms[name].append(elapsed_ms)
        self._last_s = now_s
        if len(self.tick_ms) >= self._ticks:
            raise EnoughError

    @property
    def stages_ms(self) -> Mapping[str, float]:
        return {name: fmean(samples) for name, samples in self.stage_ms.items()}

    @property
    def own_share(self) -> float:
        others_ms = sum(self.stages_ms[name] for name in OTHERS)
        return 1.0 - others_ms / fmean(self.tick_ms)


def measure_share(ticks: int) -> Shares:
    (route,) = read_routes(DEMO_ROUTES)
    shares, pulse = Shares(ticks), Pulse()
    driver = Driver(load_agent_class(EXPERT))
    with (
        tempfile.TemporaryDirectory() as folder,
        open_session(SessionSettings(), Path(folder) / "log") as session,
        open_route_scenario(session, route) as scenario,
    ):
        run_episode(scenario, driver, [RouteProgress(pulse, Rules.V2_0), Timing(), shares], pulse)
    return shares


def routes_per_hour(folder: Path, routes: Path, count: int, workers: int, agent: str) -> float:
    out = folder / f"out_{workers}_{time.monotonic_ns()}"
    command = [sys.executable, "-m", "evaluation", "evaluate", "--routes", str(routes)]
    command += ["--agent", agent, "--out", str(out), "--workers", str(workers)]
    started_s = time.monotonic()
    subprocess.run(
        command,
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return 3600.0 * count / (time.monotonic() - started_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=1000)
    parser.add_argument("--routes", type=int, default=12)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--cameras", action="store_true")
    parsed = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if parsed.ticks:
        shares = measure_share(parsed.ticks)
        stages = ", ".join(f"{name} {mean:.2f}" for name, mean in shares.stages_ms.items())
        print(
            f"{len(shares.tick_ms)} ticks of {fmean(shares.tick_ms):.2f} ms: {stages} ms; the "
            f"runner's own share {100.0 * shares.own_share:.1f} %"
        )
    if not parsed.routes:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world_map, town = open_map("demo")
        write_routes(folder / "routes.xml", generate(world_map, town, ROUTE_M, parsed.routes, 0))
        rates: defaultdict[int, list[float]] = defaultdict(list)
        for _ in range(parsed.runs):
            for workers in parsed.workers:
                agent = "simlingo" if parsed.cameras else "expert"
                rate = routes_per_hour(folder, folder / "routes.xml", parsed.routes, workers, agent)
                rates[workers].append(rate)
                load = os.getloadavg()[0]
                print(f"{workers} workers: {rate:.0f} routes/h (load {load:.1f})", flush=True)
    first = parsed.workers[0]
    for workers in parsed.workers[1:]:
        gain = fmean(rates[workers]) / fmean(rates[first])
        print(f"{workers} workers against {first}: {gain:.2f} times")


if __name__ == "__main__":
    main()
