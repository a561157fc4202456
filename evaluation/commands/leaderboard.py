"""`python -m evaluation leaderboard`: run an official evaluator."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from evaluation.commands.arguments import add_agent_argument, add_checkout_arguments, roots_of

HELP = "run an official evaluator"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from evaluation.official.checkouts import FITTING

    parser.description = (
        "Runs an official evaluator, unchanged, on the embedded simulator or on CARLA. Further "
        "arguments are passed on to it as they are. How to get one: --setup, and "
        "evaluation/official/README.md."
    )
    parser.add_argument("--setup", type=Path, metavar="DIR", help=SETUP_HELP)
    parser.add_argument(
        "--evaluator", choices=sorted(FITTING), help="which one; left out, the one that is there"
    )
    parser.add_argument("--routes", type=Path, metavar="FILE")
    parser.add_argument("--routes-subset", default="", metavar="IDS", help="for instance 0,3-5")
    add_agent_argument(parser, "the agent's file")
    parser.add_argument("--agent-config", default="", metavar="TEXT")
    parser.add_argument("--track", default="SENSORS", help="as the agent's: SENSORS or MAP")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("out/leaderboard/results.json"), metavar="FILE"
    )
    parser.add_argument("--resume", action="store_true", help="go on where the checkpoint ends")
    add_checkout_arguments(parser)
    _add_simulator_arguments(parser)


SETUP_HELP = "only tell which checkouts work, and check those in DIR"


def _add_simulator_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--simulator",
        default="embedded",
        metavar="WHICH",
        help="embedded, carla://HOST:PORT of a running one, carla-binary:PATH of an installed "
        "CARLA or carla-docker:IMAGE, which are started",
    )
    parser.add_argument("--town", help="embedded: demo, generated:SEED or PATH.xodr")
    parser.add_argument("--towns", type=Path, metavar="DIR", help="folder where TOWN.xodr may lie")
    parser.add_argument("--seed", type=int, default=0, help="of traffic and noise")
    parser.add_argument("--port", type=int, default=0, help="of the simulator to start; 0: any")
    parser.add_argument("--traffic-manager-port", type=int, default=0, help="0: any")


def run(parsed: argparse.Namespace) -> int:
    from evaluation.errors import UserError
    from evaluation.official.leaderboard import LeaderboardSettings, run_leaderboard
    from evaluation.official.results import show
    from evaluation.official.setup_check import show_setup
    from evaluation.runs.official_results import enter_results

    roots = roots_of(parsed)
    if parsed.setup is not None:
        return show_setup(parsed.setup, roots, os.environ)
    if parsed.routes is None or parsed.agent is None:
        raise UserError("give a route file and an agent with --routes and --agent, or --setup DIR")
    settings = LeaderboardSettings(
        routes=parsed.routes,
        agent=parsed.agent,
        agent_config=parsed.agent_config,
        evaluator=parsed.evaluator,
        roots=roots,
        routes_subset=parsed.routes_subset,
        track=parsed.track,
        repetitions=parsed.repetitions,
        checkpoint=parsed.checkpoint,
        resume=parsed.resume,
        town=parsed.town,
        towns_folder=parsed.towns,
        seed=parsed.seed,
        simulator=parsed.simulator,
        port=parsed.port,
        traffic_manager_port=parsed.traffic_manager_port,
        passed_on=parsed.passed_on,
    )
    done = run_leaderboard(settings)
    enter_results(settings, done)
    show(done.results)
    return done.exit_code
