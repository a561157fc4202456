"""`python -m evaluation leaderboard`: run the official evaluator."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.commands.arguments import add_town_arguments

HELP = "run the official evaluator"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Starts the embedded simulator and runs the official leaderboard evaluator, unchanged, "
        "against it. Needs LEADERBOARD_ROOT, SCENARIO_RUNNER_ROOT and CARLA_AGENTS_ROOT (or "
        "CARLA_ROOT). Further arguments are passed on to it as they are."
    )
    parser.add_argument("--routes", type=Path, required=True, metavar="FILE")
    parser.add_argument("--agent", type=Path, required=True, metavar="FILE")
    parser.add_argument("--agent-config", default="", metavar="TEXT")
    parser.add_argument("--track", default="SENSORS", help="as the agent's: SENSORS or MAP")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("out/leaderboard/results.json"), metavar="FILE"
    )
    parser.add_argument("--resume", action="store_true", help="go on where the checkpoint ends")
    add_town_arguments(parser)


def run(parsed: argparse.Namespace) -> int:
    from evaluation.official.leaderboard import LeaderboardSettings, run_leaderboard

    settings = LeaderboardSettings(
        routes=parsed.routes,
        agent=parsed.agent,
        agent_config=parsed.agent_config,
        track=parsed.track,
        repetitions=parsed.repetitions,
        checkpoint=parsed.checkpoint,
        resume=parsed.resume,
        town=parsed.town,
        towns_folder=parsed.towns,
        seed=parsed.seed,
        simulator=parsed.simulator,
        passed_on=parsed.passed_on,
    )
    return run_leaderboard(settings)
