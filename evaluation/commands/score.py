"""`python -m evaluation score`: what results come to, whoever wrote them."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

HELP = "what results files come to"
PROTOCOLS = ("leaderboard-2.0", "leaderboard-2.1", "bench2drive-0.0.3", "bench2drive-0.0.4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Driving score and success rate with their intervals, by town and by scenario type, and "
        "infractions per km. Records that contradict themselves are reported and counted as they "
        "stand."
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR", help="of one run")
    parser.add_argument("--protocol", required=True, choices=PROTOCOLS)
    parser.add_argument(
        "--routes", type=Path, metavar="FILE", help="route file; missing routes are named, count 0"
    )
    parser.add_argument(
        "--metrics", type=Path, metavar="DIR", help="Bench2Drive's metric_info.json files: comfort"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace) -> int:
    from evaluation.runs.result_files import Benchmark, read_all, read_motion, read_planned
    from evaluation.runs.run_scores import score_run, to_text

    records = read_all(parsed.paths)
    planned = read_planned(parsed.routes) if parsed.routes else {}
    motions = [read_motion(parsed.metrics, record) for record in records] if parsed.metrics else []
    scores = score_run(records, Benchmark(parsed.protocol), planned, motions)
    print(json.dumps(asdict(scores), indent=2) if parsed.json else to_text(scores))
    return 0
