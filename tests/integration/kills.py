"""Kills a run with traffic at random moments, and counts what was lost or doubled.

python -m tests.integration.kills --kills 50 --seed 0

The runner, one of its workers or one of its simulators is killed (SIGKILL), in turn as the seed
has it; a killed runner is started again with --resume. At the end every route must be in the ledger
as finished exactly once, and nothing that was finished may ever have gone.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.runs.leaderboard_file import read_foreign
from evaluation.runs.ledger import LEDGER_FILE, read_ledger
from tests.evaluation.scoring.roads import straight_opendrive
from tests.integration.probe_agents import write_agent

PROJECT = Path(__file__).parents[2]
PROC = Path("/proc")
TARGETS = ("runner", "worker", "simulator")
LEAST_S, MOST_S = 0.5, 8.0
"""Between two kills: from the start of a process to the end of a route and beyond."""
ROUTE_M, FIRST_M, STEP_M = 30.0, 15.0, 8.0
GIVE_UP_S = 3600.0


@dataclass
class Tally:
    """What a series of kills came to. lost: routes that were finished and then were not; doubled:
    routes that are finished more than once; runs: complete runs of all routes."""

    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    runs: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


def kill_a_run(
    folder: Path, routes: int, kills: int, seed: int, traffic: int = 2, workers: int = 2
) -> Tally:
    """Kills until there were enough; runs that are complete before are followed by others."""
    tally, rng = Tally(), random.Random(seed)
    deadline_s = time.monotonic() + GIVE_UP_S
    while sum(tally.kills.values()) < kills:
        out = folder / f"run_{tally.runs}"
        _complete(folder, out, routes, kills, rng, tally, traffic, workers, deadline_s)
        tally.runs += 1
    return tally


def _complete(
    folder: Path,
    out: Path,
    routes: int,
    kills: int,
    rng: random.Random,
    tally: Tally,
    traffic: int,
    workers: int,
    deadline_s: float,
) -> None:
    """One run, started again until all of its routes are finished."""
    arguments = _write(folder, out, routes, traffic, workers)
    seen: set[str] = set()
    while len(seen) < routes:
        assert time.monotonic() < deadline_s, f"not complete within {GIVE_UP_S:.0f} s"
        tally.starts += 1
        with (folder / "output.log").open("ab") as log:
            runner = subprocess.Popen(
                [sys.executable, "-m", "evaluation", *arguments],
                cwd=PROJECT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        while runner.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                runner.wait(rng.uniform(LEAST_S, MOST_S))
                break
            if sum(tally.kills.values()) < kills:
                _kill(rng.choice(TARGETS), runner.pid, folder, rng, tally)
        seen = _check(out, seen, tally)
    records = [result.name for result in read_foreign(out / "results.json")]
    if sorted(records) != sorted(seen):
        tally.wrong.append(f"{out.name}: results.json has {len(records)} of {routes} routes")


def _check(out: Path, seen: set[str], tally: Tally) -> set[str]:
    """Finished routes; what has gone or come twice since is noted."""
    if not (out / LEDGER_FILE).exists():
        return seen
    ledger = read_ledger(out / LEDGER_FILE)
    finished = Counter(one.result.name for one in ledger.entries if one.result.is_finished)
    tally.lost += [name for name in seen if name not in finished]
    tally.doubled += [name for name, times in finished.items() if times > 1]
    failed = [name for name, one in ledger.finished.items() if one.result.failure is not None]
    tally.wrong += [f"{name} was blamed on somebody" for name in failed]
    return set(finished)


def _kill(target: str, runner: int, folder: Path, rng: random.Random, tally: Tally) -> None:
    """Kills one process of that kind if there is one."""
    candidates = {
        "runner": lambda: [runner],
        "worker": lambda: [pid for pid in children_of(runner) if _has(pid, b"spawn_main")],
        "simulator": lambda: [
            pid
            for pid in processes()
            if _has(pid, str(folder / "straight.xodr").encode())
            and _has(pid, b"evaluation.simulator")
        ],
    }[target]()
    if not candidates:
        return
    with suppress(ProcessLookupError):
        os.kill(rng.choice(candidates), signal.SIGKILL)
        tally.kills[target] += 1


def processes() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def children_of(pid: int) -> list[int]:
    return [child for child in processes() if _parent_of(child) == pid]


def _parent_of(pid: int) -> int:
    try:
        # The name before it, in brackets, may hold spaces.
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _has(pid: int, word: bytes) -> bool:
    try:
        return word in (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def _write(folder: Path, out: Path, routes: int, traffic: int, workers: int) -> list[str]:
    """Town, routes and agent; returns the command line that drives them."""
    town, file = folder / "straight.xodr", folder / "routes.xml"
    town.write_text(straight_opendrive())
    elements = []
    for number in range(routes):
        ends = [FIRST_M + STEP_M * number, FIRST_M + STEP_M * number + ROUTE_M]
        places = "".join(f'<position x="{x}" y="1.75" z="0"/>' for x in ends)
        elements.append(
            f'<route id="{number}" town="straight"><waypoints>{places}</waypoints></route>'
        )
    file.write_text(f"<routes>{''.join(elements)}</routes>")
    agent = write_agent(folder, "steady_agent")
    arguments = ["drive", "--agent", str(agent), "--routes", str(file), "--town", str(town)]
    arguments += ["--out", str(out), "--resume", "--no-video", "--traffic", str(traffic)]
    return [*arguments, "--workers", str(workers), "--timeout", "10"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--routes", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--traffic", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill_a_run(
            Path(folder),
            parsed.routes,
            parsed.kills,
            parsed.seed,
            parsed.traffic,
            parsed.workers,
        )
    killed = ", ".join(f"{count} {target}s" for target, count in sorted(tally.kills.items()))
    print(
        f"killed {killed}; {tally.starts} starts, {tally.runs} runs of {parsed.routes} routes; "
        f"lost: {tally.lost or 'none'}, doubled: {tally.doubled or 'none'}, "
        f"otherwise wrong: {tally.wrong or 'nothing'}"
    )
    return int(not tally.is_clean)


if __name__ == "__main__":
    sys.exit(main())
