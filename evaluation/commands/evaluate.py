"""`python -m evaluation evaluate`: many routes, on many simulators, as often as asked."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.commands.arguments import (
    PROTOCOLS,
    add_checkout_arguments,
    add_cluster_arguments,
    add_drive_arguments,
    cluster_of,
    drive_settings,
    number,
    port,
    roots_of,
)

if TYPE_CHECKING:
    from evaluation.official.leaderboard import LeaderboardSettings

HELP = "drive many routes on many simulators, and go on where it was stopped"
EMBEDDED = "embedded"
BUILT_IN = "built-in"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Drives the routes of a file or a folder, each as often as asked, and keeps every one in "
        "ledger.jsonl of --out as soon as it is over. Started again with the same arguments it "
        "goes on where it was stopped; arguments with which finished routes would come out "
        "otherwise are an error. A failed route is tried once more; what fails twice is classed "
        "as infrastructure or policy. The exit code is 0 when no route failed, 1 when one did, 2 "
        "when the run could not begin."
    )
    parser.add_argument("--routes", type=Path, required=True, metavar="FILE|DIR|mini")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default=PROTOCOLS[0], help="whose rules give the score"
    )
    parser.add_argument(
        "--repetitions", type=number, default=1, metavar="K", help="each with a seed of its own"
    )
    parser.add_argument(
        "--evaluator",
        choices=(BUILT_IN, "official"),
        default=BUILT_IN,
        help="official: the released evaluator of the protocol, one process a route",
    )
    parser.add_argument(
        "--simulator",
        default=EMBEDDED,
        metavar="WHICH",
        help="embedded; carla://HOST:PORT,... of running ones, one a worker; carla-binary:PATH or "
        "carla-docker:IMAGE, which each worker starts for itself",
    )
    parser.add_argument(
        "--port", type=port, default=0, help="of the first worker's simulator; 0: any"
    )
    parser.add_argument(
        "--recycle",
        type=number,
        metavar="N",
        help="routes after which a simulator is started anew",
    )
    parser.add_argument("--video", action="store_true", help="a video of every route; slower")
    parser.add_argument("--again", default="", metavar="0,3", help="drive these routes once more")
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would run and what is finished"
    )
    add_drive_arguments(parser)
    add_cluster_arguments(parser)
    add_checkout_arguments(parser)


def run(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from evaluation.closed_loop.disturbances import parse_disturbances
    from evaluation.runs.benchmark import Benchmark
    from evaluation.runs.disturbance_matrix import drive_disturbed
    from evaluation.runs.drive import show_plan
    from evaluation.runs.worker import ROUTES_PER_SIMULATOR

    protocol = Benchmark(parsed.protocol)
    settings = replace(
        drive_settings(parsed),
        simulator=None if parsed.simulator == EMBEDDED else parsed.simulator,
        repetitions=parsed.repetitions,
        resume=True,
        rules=protocol.rules,
        protocol=protocol,
        official=None if parsed.evaluator == BUILT_IN else _official(parsed),
        video=parsed.video,
        recycle_after=parsed.recycle or ROUTES_PER_SIMULATOR,
        retry_agent=True,
        strict=True,
        cluster=cluster_of(parsed, parsed.workers),
    )
    cells = parse_disturbances(parsed.disturb)
    if not parsed.dry_run:
        return drive_disturbed(settings, cells, Console())
    for cell in cells:
        out = settings.out if len(cells) == 1 else settings.out / cell.name
        show_plan(replace(settings, out=out, disturbances=cell), Console())
    return 0


def _official(parsed: argparse.Namespace) -> LeaderboardSettings:
    """The evaluator of the protocol, checked with all routes. Raises UserError."""
    from evaluation.official.leaderboard import LeaderboardSettings
    from evaluation.runs.benchmark import Benchmark
    from evaluation.runs.official_results import evaluator_for
    from evaluation.runs.settings import DEFAULT_AGENT

    settings = LeaderboardSettings(
        routes=parsed.routes,
        agent=parsed.agent or DEFAULT_AGENT,
        agent_config=parsed.agent_config,
        roots=roots_of(parsed),
        simulator=parsed.simulator,
    )
    return evaluator_for(settings, Benchmark(parsed.protocol))
