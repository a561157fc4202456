"""Evaluator x Python x agent: the routes of tests/evaluation/official/routes.xml in every cell.

    python -m tests.integration.official_matrix --checkouts DIR [--python ENV/bin/python ...]

Each Python is one of an environment made by `make leaderboard-environment`. Cells that have results
already are not run again; the table is printed as it stands in evaluation/official/README.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.official.checkouts import BENCH2DRIVE
from evaluation.official.results import OfficialResults, OfficialResultsError, read_results
from evaluation.official.setup_check import look_in

PROJECT = Path(__file__).parents[2]
ROUTES = PROJECT / "tests" / "evaluation" / "official" / "routes.xml"
HEADINGS = ("demo route", "HardBreakRoute", "DynamicObjectCrossing", "VehicleTurningRoute")
AGENTS = ("expert", "simlingo")
VERSIONS = (
    "import importlib.metadata, platform; "
    "print(platform.python_version(), importlib.metadata.version('carla'))"
)


@dataclass(frozen=True)
class Place:
    """An evaluator to run. name: its kind, or the folder's name where two are of one kind."""

    kind: str
    name: str
    options: Sequence[str]


@dataclass(frozen=True)
class Cell:
    place: Place
    python: str
    versions: str
    agent: str
    out: Path
    subset: str = ""

    @property
    def checkpoint(self) -> Path:
        name = f"{self.place.name} {self.versions} {self.agent}".replace(" ", "-")
        return self.out / name / "results.json"

    def command(self) -> list[str]:
        agent = PROJECT / "agent" / f"{self.agent}_agent.py"
        command = [self.python, "-m", "evaluation", "leaderboard", "--evaluator", self.place.kind]
        command += [*self.place.options, "--routes", str(ROUTES), "--agent", str(agent)]
        return [*command, "--checkpoint", str(self.checkpoint), "--routes-subset", self.subset]

    def run(self) -> int:
        """Exit code of the run; what it says goes into a file beside its results."""
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        with self.checkpoint.with_name("log.txt").open("w", encoding="utf-8") as log:
            return subprocess.run(
                self.command(),
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode

    def results(self) -> OfficialResults | None:
        """What the cell has come to; None if it has not been run to the end."""
        try:
            found = read_results(self.checkpoint)
        except OfficialResultsError:
            return None
        return found if len(found.records) == found.planned else None


def places(checkouts: Path) -> list[Place]:
    """The evaluators in a folder that have a scenario_runner that fits."""
    found = [
        (kind, folder, runner) for kind, folder, runner in look_in(checkouts).pairs() if runner
    ]
    kinds = [kind for kind, _, _ in found]
    made = []
    for kind, folder, runner in found:
        root = folder.parent if kind == BENCH2DRIVE else folder
        options = ["--leaderboard-root", str(folder), "--scenario-runner-root", str(runner)]
        if kind == BENCH2DRIVE:
            options = ["--bench2drive-root", str(root)]
        made.append(Place(kind, kind if kinds.count(kind) == 1 else root.name, options))
    return made


def cells(
    checkouts: Path, pythons: Sequence[str], agents: Sequence[str], out: Path, subset: str = ""
) -> Iterator[Cell]:
    for python in pythons:
        versions = subprocess.check_output([python, "-c", VERSIONS], text=True).strip()
        for place in places(checkouts):
            for agent in agents:
                yield Cell(place, python, versions, agent, out, subset)


def row(cell: Cell) -> Mapping[str, str]:
    """Score and, if it failed, completion of each route by the heading of its column."""
    python, carla = cell.versions.split()
    shown = {"evaluator": cell.place.name, "Python": python, "carla": carla, "agent": cell.agent}
    results = cell.results()
    records = {} if results is None else {one.route_id: one for one in results.records}
    for number, heading in enumerate(HEADINGS):
        record = records.get(f"RouteScenario_{number}_rep0")
        if record is None:
            shown[heading] = "not run"
            continue
        shown[heading] = f"{record.score:.0f}"
        if record.status.startswith("Failed"):
            reason = record.status.partition(" - ")[2].removeprefix("Agent ") or "failed"
            shown[heading] += f" ({reason} at {record.completion_percent:.0f} %)"
    return shown


def table(rows: Sequence[Mapping[str, str]]) -> str:
    headings = list(rows[0])
    lines = [headings, ["---"] * len(headings), *([one[name] for name in headings] for one in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkouts", type=Path, required=True)
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--agent", nargs="+", choices=AGENTS, default=AGENTS)
    parser.add_argument("--routes-subset", default="", help="for instance 1-3, the short ones")
    parser.add_argument("--out", type=Path, default=PROJECT / "out" / "official")
    parsed = parser.parse_args()
    chosen = list(
        cells(parsed.checkouts, parsed.python, parsed.agent, parsed.out, parsed.routes_subset)
    )
    for number, cell in enumerate(chosen):
        if cell.results() is None:
            code = cell.run()
            print(f"{number + 1}/{len(chosen)} {cell.checkpoint.parent.name}: {code}", flush=True)
    print(table([row(cell) for cell in chosen]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
