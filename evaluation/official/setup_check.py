"""Which checkouts are known to work, and whether those that are there do."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from evaluation.official.checkouts import (
    BENCH2DRIVE,
    EVALUATOR_FILE,
    FITTING,
    LEADERBOARD_2_0,
    LEADERBOARD_2_1,
    LEADERBOARD_MASTER,
    PROVIDER_FILE,
    CheckoutError,
    Checkouts,
    Roots,
    evaluator_in,
    find_agents,
    scenario_runner_in,
)
from evaluation.official.installation import (
    PARSER,
    PARSER_VERSION,
    has_parser,
    missing_packages,
)
from evaluation.official.leaderboard import evaluator_environment

GITHUB = "https://github.com"
IMPORT_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Release:
    """A checkout that is known to work. kind: as `checkouts` tells it from the contents."""

    kind: str
    repository: str
    reference: str
    commit: str

    def clone(self) -> str:
        version = self.reference.removeprefix("leaderboard-")
        folder = f"{self.repository.rpartition('/')[2]}-{version}"
        return f"git clone -b {self.reference} {GITHUB}/{self.repository} {folder}"


RELEASES: Sequence[Release] = (
    Release(LEADERBOARD_2_0, "carla-simulator/leaderboard", "leaderboard-2.0", "a87a341"),
    Release(LEADERBOARD_2_1, "carla-simulator/leaderboard", "leaderboard-2.1", "cfecdc8"),
    Release(LEADERBOARD_MASTER, "carla-simulator/leaderboard", "master", "aec8131"),
    Release("leaderboard-2.1", "carla-simulator/scenario_runner", "leaderboard-2.1", "d7bcaf0"),
    Release("master", "carla-simulator/scenario_runner", "master", "94ff3b8"),
    Release(BENCH2DRIVE, "Thinklab-SJTU/Bench2Drive", "0.0.3", "2645714"),
    Release(BENCH2DRIVE, "Thinklab-SJTU/Bench2Drive", "0.0.4", "7ec25d1"),
)
"""Branches move on; `git checkout COMMIT` goes back to what was tried."""


@dataclass(frozen=True)
class Found:
    """What is in a folder. evaluators and scenario_runners: kind and folder of each."""

    evaluators: Sequence[tuple[str, Path]]
    scenario_runners: Sequence[tuple[str, Path]]
    faults: Sequence[str]

    def pairs(self) -> Iterator[tuple[str, Path, Path | None]]:
        """Evaluator, its folder and a scenario_runner that fits it, if there is one. Bench2Drive's
        stands beside it; another one is taken only if it is incomplete."""
        for kind, folder in self.evaluators:
            fitting = [path for runner, path in self.scenario_runners if runner == FITTING[kind]]
            beside = [path for path in fitting if path.parent == folder.parent]
            choice = beside if kind == BENCH2DRIVE else fitting
            yield kind, folder, choice[0] if choice else None


def look_in(folder: Path) -> Found:
    """What the folder, its folders and their folders hold. Raises CheckoutError without it."""
    if not folder.is_dir():
        raise CheckoutError(f"{folder}: there is no such folder")
    inner = [place for pattern in ("*", "*/*") for place in sorted(folder.glob(pattern))]
    evaluators, runners, faults = [], [], []
    for place in (folder, *inner):
        try:
            if (place / EVALUATOR_FILE).is_file():
                evaluators.append((evaluator_in(place), place))
            if (place / PROVIDER_FILE).is_file():
                runners.append((scenario_runner_in(place), place))
        except CheckoutError as error:
            faults.append(str(error))
    return Found(evaluators, runners, faults)


def show_setup(folder: Path, roots: Roots, environment: Mapping[str, str]) -> int:
    """Prints one screen; returns 1 if something that is there would not run."""
    print("Known to work (clone, then `git checkout COMMIT`):")
    for release in RELEASES:
        print(f"  {release.commit}  {release.clone()}")
    print(
        "  scenario_runner leaderboard-2.1 goes with leaderboard 2.0 and 2.1, master with master;"
        "\n  Bench2Drive holds both. CARLA's package `agents` is in PythonAPI/carla of CARLA."
    )
    print(f"Python {platform.python_version()}, carla {metadata.version('carla')}")
    right = _show_packages()
    found = look_in(folder)
    print(f"In {folder}:")
    for fault in found.faults:
        print(f"  ! {fault}")
    try:
        agents: Path | None = find_agents(roots, environment).resolve()
        print(f"  agents: {agents}")
    except CheckoutError as error:
        agents = None
        print(f"  ! agents: {error}")
    if not found.evaluators:
        print("  ! no evaluator")
    for kind, leaderboard, scenario_runner in found.pairs():
        wrong = _fault_of(kind, leaderboard, scenario_runner, agents)
        print(f"  {'!' if wrong else ' '} {_title(kind, leaderboard)}: {wrong or 'ready'}")
        right = right and not wrong
    return 0 if right and agents is not None and found.evaluators and not found.faults else 1


def _show_packages() -> bool:
    missing = missing_packages()
    if missing:
        print(f"  ! packages: {', '.join(missing)} missing; make leaderboard-environment")
    if not has_parser():
        print(
            f"  ! {PARSER} {PARSER_VERSION}, for leaderboard-master: make leaderboard-environment"
        )
    return not missing


def _title(kind: str, leaderboard: Path) -> str:
    commit = commit_of(leaderboard)
    known = commit is not None and any(commit.startswith(one.commit) for one in RELEASES)
    history = "" if commit is None else f" {commit[:7]}" + ("" if known else " (not tried)")
    return f"{kind}{history} in {leaderboard}"


def _fault_of(
    kind: str, leaderboard: Path, scenario_runner: Path | None, agents: Path | None
) -> str | None:
    if scenario_runner is None:
        return f"no scenario_runner {FITTING[kind]} for it"
    if kind == LEADERBOARD_MASTER and not has_parser():
        return f"{PARSER} {PARSER_VERSION} is missing"
    if agents is None:
        return "no agents"
    checkouts = Checkouts(kind, leaderboard.resolve(), scenario_runner.resolve(), agents)
    return import_fault(checkouts)


def import_fault(checkouts: Checkouts) -> str | None:
    """Why an evaluator cannot be imported, in one line; None if it can."""
    return _fault_told_by("evaluation.official.import_check", checkouts)


def rig_fault(checkouts: Checkouts, specs: Sequence[Mapping[str, object]]) -> str | None:
    """Why the evaluator's own validation refuses sensors, in one line; None if it takes them."""
    return _fault_told_by("evaluation.official.rig_check", checkouts, json.dumps(specs))


def _fault_told_by(module: str, checkouts: Checkouts, given: str = "") -> str | None:
    """The last line of a check that runs in the evaluator's environment; None if it ends with 0."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=evaluator_environment(checkouts),
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=IMPORT_TIMEOUT_S,
    )
    if done.returncode == 0:
        return None
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[-1] if lines else f"{module} ended with exit code {done.returncode}"


def commit_of(folder: Path) -> str | None:
    """Commit of a git checkout; None for a folder without history."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
