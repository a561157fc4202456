"""Disturbs a run with traffic at random moments, and counts what was lost or doubled.

python -m tests.integration.kills --kills 50 --seed 0

In turn as the seed has it: the runner, one of its workers or one of its simulators is killed
(SIGKILL), the runner is told to end (SIGTERM), a simulator is stopped so that it hangs (SIGSTOP),
or the disk is full for a while (`--disk`: where this user may mount a small one). A runner that has
ended is started again with the same command. At the end every route must be in the ledger as
finished exactly once, nothing that was finished may ever have gone, and no simulator may be left.
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.runs.leaderboard_file import read_foreign
from evaluation.runs.ledger import LEDGER_FILE, read_ledger
from tests.evaluation.scoring.roads import straight_opendrive
from tests.integration.probe_agents import write_agent

PROJECT = Path(__file__).parents[2]
PROC = Path("/proc")
SIGNALS = {
    "runner": signal.SIGKILL,
    "runner told to end": signal.SIGTERM,
    "worker": signal.SIGKILL,
    "simulator": signal.SIGKILL,
    "simulator hung": signal.SIGSTOP,
}
DISK = "full disk"
DISK_SIZE = "4m"
FULL_S = 6.0
GONE_S = 15.0
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
    def count(self) -> int:
        return sum(self.kills.values())

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


def kill_a_run(
    folder: Path,
    routes: int,
    kills: int,
    seed: int,
    traffic: int = 2,
    workers: int = 2,
    disk: bool = False,
) -> Tally:
    """Disturbs until that was enough; runs that are complete before are followed by others. disk:
    the folder is on a small one."""
    series = _Series(folder, routes, kills, random.Random(seed), disk)
    while series.tally.count < kills:
        out = folder / f"run_{series.tally.runs}"
        series.complete(out, _write(folder, out, routes, traffic, workers))
        series.tally.runs += 1
    series.look_for_leftovers()
    return series.tally


@dataclass
class _Series:
    folder: Path
    routes: int
    kills: int
    rng: random.Random
    disk: bool
    tally: Tally = field(default_factory=Tally)
    deadline_s: float = field(default_factory=lambda: time.monotonic() + GIVE_UP_S)

    def complete(self, out: Path, arguments: list[str]) -> None:
        """One run, started again until all of its routes are finished."""
        seen: set[str] = set()
        while len(seen) < self.routes:
            assert time.monotonic() < self.deadline_s, f"not complete within {GIVE_UP_S:.0f} s"
            self.tally.starts += 1
            self._disturb(arguments)
            seen = _check(out, seen, self.tally)
        records = [result.name for result in read_foreign(out / "results.json")]
        if sorted(records) != sorted(seen):
            wrong = f"{out.name}: results.json has {len(records)} of {self.routes} routes"
            self.tally.wrong.append(wrong)

    def _disturb(self, arguments: list[str]) -> None:
        """One start of the runner, to its end."""
        targets = [*SIGNALS, *([DISK] if self.disk else [])]
        with tempfile.TemporaryFile() as log:
            runner = subprocess.Popen(
                [sys.executable, "-m", "evaluation", *arguments],
                cwd=PROJECT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            while runner.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    runner.wait(self.rng.uniform(LEAST_S, MOST_S))
                    break
                if self.tally.count >= self.kills:
                    continue
                target = self.rng.choice(targets)
                if target == DISK:
                    self._fill(runner)
                else:
                    _send(target, runner.pid, self.folder, self.rng, self.tally)
            log.seek(0)
            said = log.read().decode(errors="replace")
        if "Traceback" in said and "worker" not in said:
            self.tally.wrong.append(f"the runner ended with {said.strip().splitlines()[-1]}")

    def _fill(self, runner: subprocess.Popen[bytes]) -> None:
        """Leaves no room until the runner has noticed, or has gone on without writing."""
        ballast = self.folder / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        self.tally.kills[DISK] += 1
        with suppress(subprocess.TimeoutExpired):
            runner.wait(FULL_S)
        ballast.unlink()

    def look_for_leftovers(self) -> None:
        deadline_s = time.monotonic() + GONE_S
        while left := _simulators(self.folder):
            if time.monotonic() > deadline_s:
                self.tally.wrong.append(f"{len(left)} simulators were left over")
                return
            time.sleep(0.1)


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


def _send(target: str, runner: int, folder: Path, rng: random.Random, tally: Tally) -> None:
    """A signal to one process of that kind if there is one."""
    candidates = {
        "runner": lambda: [runner],
        "worker": lambda: [pid for pid in children_of(runner) if _has(pid, b"spawn_main")],
        "simulator": lambda: _simulators(folder),
    }[target.partition(" ")[0]]()
    if not candidates:
        return
    with suppress(ProcessLookupError):
        os.kill(rng.choice(candidates), SIGNALS[target])
        tally.kills[target] += 1


def _simulators(folder: Path) -> list[int]:
    town = str(folder / "straight.xodr").encode()
    return [pid for pid in processes() if _has(pid, town) and _has(pid, b"evaluation.simulator")]


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
    arguments = ["evaluate", "--agent", str(agent), "--routes", str(file), "--town", str(town)]
    arguments += ["--out", str(out), "--traffic", str(traffic)]
    return [*arguments, "--workers", str(workers), "--timeout", "10"]


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of a few megabytes on the folder. Raises OSError where that is not allowed."""
    options = ["-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--routes", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--traffic", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--disk", action="store_true", help="fill a small disk too; takes root")
    parsed = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if parsed.disk:
            stack.enter_context(small_disk(Path(folder)))
        tally = kill_a_run(
            Path(folder),
            parsed.routes,
            parsed.kills,
            parsed.seed,
            parsed.traffic,
            parsed.workers,
            parsed.disk,
        )
    killed = ", ".join(f"{count} x {target}" for target, count in sorted(tally.kills.items()))
    print(
        f"{killed}; {tally.starts} starts, {tally.runs} runs of {parsed.routes} routes; "
        f"lost: {tally.lost or 'none'}, doubled: {tally.doubled or 'none'}, "
        f"otherwise wrong: {tally.wrong or 'nothing'}"
    )
    return int(not tally.is_clean)


if __name__ == "__main__":
    sys.exit(main())
