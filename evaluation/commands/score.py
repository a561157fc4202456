"""`python -m evaluation score`: what results come to, whoever wrote them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from evaluation.commands.arguments import PROTOCOLS

HELP = "what results files come to"
INVALID = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Driving score and success rate with their intervals, by town and by scenario type, and "
        "infractions per km. Records that contradict themselves are reported and counted as they "
        "stand."
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR", help="of one run")
    parser.add_argument("--protocol", required=True, choices=PROTOCOLS)
    parser.add_argument(
        "--routes", type=Path, metavar="FILE", help="route file: missing routes are named"
    )
    parser.add_argument(
        "--metrics", type=Path, metavar="DIR", help="Bench2Drive's metric_info.json files: comfort"
    )
    parser.add_argument(
        "--towns", type=Path, metavar="DIR", help="folder of TOWN.xodr: whether signs were passed"
    )
    parser.add_argument(
        "--carla-agents",
        type=Path,
        metavar="DIR",
        help="CARLA's PythonAPI/carla: its planner tells where signs are, as in Bench2Drive's tool",
    )
    parser.add_argument(
        "--missing",
        choices=("zero", "invalid"),
        default="zero",
        help="missing routes count 0, or they and crashed ones make it INVALID (exit code 3)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace) -> int:
    from evaluation.routes.route_file import beside_the_part, read_routes
    from evaluation.runs.benchmark import Benchmark
    from evaluation.runs.result_files import planned_of, read_motion, read_run
    from evaluation.runs.run_scores import score_run
    from evaluation.runs.scores_text import to_text
    from evaluation.runs.sign_passing import abilities_of

    beside = beside_the_part(parsed.routes) if parsed.routes else ()
    results, benchmark = read_run(parsed.paths, beside), Benchmark(parsed.protocol)
    routes = read_routes(parsed.routes) if parsed.routes else ()
    planned = planned_of(routes)
    motions = (
        [read_motion(parsed.metrics, record) for record in results.records]
        if parsed.metrics
        else []
    )
    abilities = (
        abilities_of(results, benchmark, planned, routes, parsed.towns, parsed.carla_agents)
        if benchmark.is_bench2drive
        else None
    )
    scores = score_run(results, benchmark, planned, motions, abilities)
    print(json.dumps(asdict(scores), indent=2) if parsed.json else to_text(scores))
    if parsed.missing == "invalid" and not scores.is_whole:
        print("INVALID: routes are missing or crashed", file=sys.stderr)
        return INVALID
    return 0
