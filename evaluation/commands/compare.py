"""`python -m evaluation compare`: whether one run is worse than another."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

HELP = "whether one run is worse than another"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compares the results of two drivers route by route. PASS: B is surely not worse than A by "
        "the margin, in success rate and driving score; FAIL: surely worse in one of them; "
        "INCONCLUSIVE: too few routes to tell; INVALID: routes are missing or crashed. The exit "
        "code is 0, 1, 3 and 3."
    )
    parser.add_argument("first", type=Path, metavar="A", help="results file or folder")
    parser.add_argument("second", type=Path, metavar="B")
    parser.add_argument("--margin", type=points, default=5.0, metavar="POINTS")
    parser.add_argument(
        "--lost-share",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="of the routes that may be missing or crashed (0 to 1); they are left out",
    )
    parser.add_argument(
        "--missing",
        choices=("invalid", "zero"),
        default="invalid",
        help="a route that one of them lacks is lost, or a failure with a score of 0",
    )
    parser.add_argument("--routes", type=Path, metavar="FILE", help="routes that ought to be there")
    parser.add_argument("--plan", action="store_true", help="how many routes the margin needs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--junit", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")


def run(parsed: argparse.Namespace) -> int:
    from evaluation.routes.route_file import beside_the_part, read_routes
    from evaluation.runs.atomic_file import write_atomically
    from evaluation.runs.benchmark import ResultFileError
    from evaluation.runs.compare_runs import compare_records, to_junit, to_markdown
    from evaluation.runs.result_files import planned_of, read_pair

    planned = planned_of(read_routes(parsed.routes) if parsed.routes else ())
    beside = beside_the_part(parsed.routes) if parsed.routes else ()
    first, second = read_pair(parsed.first, parsed.second, beside)
    comparison = compare_records(
        first,
        second,
        planned,
        parsed.margin,
        parsed.lost_share,
        missing_count_zero=parsed.missing == "zero",
    )
    if comparison is None:
        raise ResultFileError(f"{parsed.first} and {parsed.second} have no route in common")
    if parsed.plan:
        by_success, by_score = comparison.needed
        print(
            f"for a margin of {parsed.margin:g} points, where drivers differ as these do: "
            f"{by_success} routes by success rate, {by_score} by driving score"
        )
        return 0
    print(json.dumps(comparison.to_json(), indent=2) if parsed.json else to_markdown(comparison))
    if parsed.junit:
        write_atomically(parsed.junit, to_junit(comparison))
    if parsed.markdown:
        write_atomically(parsed.markdown, to_markdown(comparison) + "\n")
    return comparison.verdict.exit_code


def points(text: str) -> float:
    value = _float(text)
    if not 0.0 < value <= 100.0:
        raise argparse.ArgumentTypeError(f"expected points of more than 0 up to 100, got {text!r}")
    return value


def share(text: str) -> float:
    value = _float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"expected a share of 0 to 1, got {text!r}")
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
