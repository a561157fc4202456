"""Folders that look like checkouts of the official evaluators, as far as anybody looks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evaluation.official.checkouts import BENCH2DRIVE, LEADERBOARD_2_0, LEADERBOARD_MASTER

LEADERBOARD_1_0 = "leaderboard-1.0"
SCRIPT = "leaderboard/leaderboard_evaluator.py"


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def write_leaderboard(folder: Path, kind: str, script: str = "") -> Path:
    """A leaderboard checkout; script: what its evaluator does."""
    options = {LEADERBOARD_1_0: "# --scenarios\n", BENCH2DRIVE: "# --gpu-rank\n"}
    statistics = "" if kind == "leaderboard-2.1" else "PENALTY_PERC_DICT = {}\n"
    route_scenario = "set_ego_route()\n" if kind == LEADERBOARD_MASTER else ""
    return write_files(
        folder,
        {
            SCRIPT: options.get(kind, "") + script,
            "leaderboard/scenarios/route_scenario.py": route_scenario,
            "leaderboard/utils/statistics_manager.py": statistics,
        },
    )


def write_scenario_runner(folder: Path, kind: str) -> Path:
    provider = "def set_ego_route(route): ...\n" if kind == "master" else ""
    files = {"srunner/scenariomanager/carla_data_provider.py": provider}
    if kind == "bench2drive":
        files["srunner/scenarios/t_junction.py"] = ""
    return write_files(folder, files)


def write_bench2drive(folder: Path, script: str = "") -> Path:
    write_leaderboard(folder / "leaderboard", BENCH2DRIVE, script)
    write_scenario_runner(folder / "scenario_runner", "bench2drive")
    return folder


def write_agents(folder: Path) -> Path:
    return write_files(folder, {"agents/navigation/__init__.py": ""})


def environment_of(folder: Path, kind: str = LEADERBOARD_2_0, script: str = "") -> dict[str, str]:
    """Writes a leaderboard with what it needs; returns the variables that name it."""
    runner = "master" if kind == LEADERBOARD_MASTER else "leaderboard-2.1"
    return {
        "LEADERBOARD_ROOT": str(write_leaderboard(folder / "leaderboard", kind, script)),
        "SCENARIO_RUNNER_ROOT": str(write_scenario_runner(folder / "scenario_runner", runner)),
        "CARLA_AGENTS_ROOT": str(write_agents(folder / "carla")),
    }
