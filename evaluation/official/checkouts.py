"""Which evaluator a checkout holds, and which checkouts fit each other; told by what is in them,
so that an archive without git's history will do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluation.errors import UserError

LEADERBOARD_2_0 = "leaderboard-2.0"
LEADERBOARD_2_1 = "leaderboard-2.1"
LEADERBOARD_MASTER = "leaderboard-master"
BENCH2DRIVE = "bench2drive"

FITTING = {
    LEADERBOARD_2_0: "leaderboard-2.1",
    LEADERBOARD_2_1: "leaderboard-2.1",
    LEADERBOARD_MASTER: "master",
    BENCH2DRIVE: "bench2drive",
}
"""Evaluators and the scenario_runner of each. Its branches leaderboard-2.0 and leaderboard-2.1 are
the same."""
EVALUATOR_FILE = Path("leaderboard") / "leaderboard_evaluator.py"
PROVIDER_FILE = Path("srunner") / "scenariomanager" / "carla_data_provider.py"
AGENTS_PROOF = Path("agents") / "navigation"
AGENTS_IN_CARLA = Path("PythonAPI") / "carla"
AGENTS_ADVICE = (
    "it is PythonAPI/carla of a CARLA installation or of its repository "
    "https://github.com/carla-simulator/carla; give that folder with --carla-agents or "
    "CARLA_AGENTS_ROOT, or the installation with CARLA_ROOT"
)


class CheckoutError(UserError, RuntimeError):
    """A part of an official evaluator is missing, or does not fit; the message says how to get the
    right one."""


@dataclass(frozen=True)
class Roots:
    """Folders as they were asked for; None where nothing was said."""

    leaderboard: Path | None = None
    scenario_runner: Path | None = None
    bench2drive: Path | None = None
    agents: Path | None = None


@dataclass(frozen=True)
class Checkouts:
    """An evaluator with everything that belongs to it.

    Attributes:
        evaluator: one of the keys of FITTING.
        leaderboard: folder of the package `leaderboard`.
        scenario_runner: folder of the package `srunner`.
        agents: folder of CARLA's package `agents`.
    """

    evaluator: str
    leaderboard: Path
    scenario_runner: Path
    agents: Path

    @property
    def script(self) -> Path:
        return self.leaderboard / EVALUATOR_FILE

    @property
    def root(self) -> Path:
        """Where the evaluator looks for its own files."""
        return self.leaderboard.parent if self.evaluator == BENCH2DRIVE else self.leaderboard


def evaluator_in(leaderboard: Path) -> str:
    """Which evaluator a folder with the package `leaderboard` holds; CheckoutError if none."""
    script = leaderboard / EVALUATOR_FILE
    if not script.is_file():
        raise CheckoutError(f"{leaderboard} holds no {EVALUATOR_FILE}: it is no leaderboard")
    text = _text(script)
    package = leaderboard / "leaderboard"
    if "--scenarios" in text:
        raise CheckoutError(f"{leaderboard} is leaderboard 1.0, which is not supported; {advice()}")
    if "--gpu-rank" in text:
        return BENCH2DRIVE
    if "set_ego_route" in _text(package / "scenarios" / "route_scenario.py"):
        return LEADERBOARD_MASTER
    # The scores of 2.1 have no factors per event any more.
    if "PENALTY_PERC_DICT" in _text(package / "utils" / "statistics_manager.py"):
        return LEADERBOARD_2_0
    return LEADERBOARD_2_1


def scenario_runner_in(folder: Path) -> str:
    """Which scenario_runner a folder holds, as in the values of FITTING; CheckoutError if none."""
    provider = folder / PROVIDER_FILE
    if not provider.is_file():
        raise CheckoutError(f"{folder} holds no {PROVIDER_FILE}: it is no scenario_runner")
    if "def set_ego_route" in _text(provider):
        return "master"
    # Scenarios that only Bench2Drive has.
    if (folder / "srunner" / "scenarios" / "t_junction.py").is_file():
        return "bench2drive"
    return "leaderboard-2.1"


def find_checkouts(
    roots: Roots, environment: Mapping[str, str], evaluator: str | None = None
) -> Checkouts:
    """The checkouts to run, from options or else from the environment, as far as they fit.

    evaluator: the one that is asked for, if any. Raises CheckoutError.
    """
    leaderboard = roots.leaderboard or _from(environment, "LEADERBOARD_ROOT")
    bench2drive = roots.bench2drive or _from(environment, "BENCH2DRIVE_ROOT")
    if evaluator is None and leaderboard is not None and bench2drive is not None:
        if (roots.leaderboard is None) == (roots.bench2drive is None):
            raise CheckoutError(
                f"there are a leaderboard ({leaderboard}) and a Bench2Drive ({bench2drive}): say "
                "which one shall run with --evaluator"
            )
        bench2drive = roots.bench2drive
    if bench2drive is not None and evaluator in (None, BENCH2DRIVE):
        leaderboard = bench2drive / "leaderboard"
        scenario_runner: Path | None = bench2drive / "scenario_runner"
    else:
        scenario_runner = roots.scenario_runner or _from(environment, "SCENARIO_RUNNER_ROOT")
    if leaderboard is None:
        raise CheckoutError(_not_given(evaluator))
    found = evaluator_in(leaderboard)
    if evaluator not in (None, found):
        raise CheckoutError(
            f"{leaderboard} holds {found}, not {evaluator}; leave out --evaluator to run it, or "
            f"give another folder: {advice(evaluator)}"
        )
    if scenario_runner is None:
        raise CheckoutError(
            "SCENARIO_RUNNER_ROOT is not set and there is no --scenario-runner-root: "
            f"{found} needs a scenario_runner; {advice(found)}"
        )
    require_fit(found, scenario_runner)
    agents = find_agents(roots, environment)
    return Checkouts(found, leaderboard.resolve(), scenario_runner.resolve(), agents.resolve())


def require_fit(evaluator: str, scenario_runner: Path) -> None:
    """Raises CheckoutError if the scenario_runner is made for another evaluator."""
    runner = scenario_runner_in(scenario_runner)
    if runner != FITTING[evaluator]:
        raise CheckoutError(
            f"{scenario_runner} is the {runner} branch of scenario_runner, with which {evaluator} "
            f"does not run; {advice(evaluator)}"
        )


def find_agents(roots: Roots, environment: Mapping[str, str]) -> Path:
    """Folder that holds CARLA's package `agents`; CheckoutError if there is none."""
    installation = _from(environment, "CARLA_ROOT")
    agents = roots.agents or _from(environment, "CARLA_AGENTS_ROOT")
    if agents is None and installation is not None:
        agents = installation / AGENTS_IN_CARLA
    if agents is None:
        raise CheckoutError(
            f"CARLA_AGENTS_ROOT is not set; it names the folder that holds {AGENTS_PROOF}: "
            f"{AGENTS_ADVICE}"
        )
    if not (agents / AGENTS_PROOF).is_dir():
        raise CheckoutError(f"{agents} holds no {AGENTS_PROOF}: {AGENTS_ADVICE}")
    return agents


def advice(evaluator: str | None = None) -> str:
    """What to type to see how the checkouts are made."""
    which = "which checkouts work" if evaluator is None else f"what {evaluator} needs"
    return f"`python -m evaluation leaderboard --setup DIR` says {which}"


def _not_given(evaluator: str | None) -> str:
    if evaluator == BENCH2DRIVE:
        return f"BENCH2DRIVE_ROOT is not set and there is no --bench2drive-root; {advice()}"
    return (
        "LEADERBOARD_ROOT is not set and there is no --leaderboard-root (nor BENCH2DRIVE_ROOT or "
        f"--bench2drive-root); {advice()}"
    )


def _from(environment: Mapping[str, str], variable: str) -> Path | None:
    value = environment.get(variable, "")
    return Path(value) if value else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise CheckoutError(f"{path} is missing: the checkout is incomplete; {advice()}") from None
