"""`python -m evaluation merge`: several results files of one run as one."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make one results file of several"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Merges results files of one run, whoever wrote them, in whatever order. Parts that were "
        "merged before change nothing; two different records of one route are an error; what is "
        "missing is told."
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR", help="of one run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--routes", type=Path, metavar="FILE", help="route file: missing routes are named"
    )


def run(parsed: argparse.Namespace) -> int:
    import json

    from evaluation.routes.route_file import read_routes
    from evaluation.runs.atomic_file import write_atomically
    from evaluation.runs.merge_results import merge
    from evaluation.runs.result_files import planned_of, read_run

    planned = planned_of(read_routes(parsed.routes) if parsed.routes else ())
    found = read_run(parsed.paths)
    write_atomically(parsed.out, json.dumps(merge(found, planned), indent=4))
    missing = found.missing(planned)
    print(f"{parsed.out}: {len(found.records)} of {len(found.records) + missing.count} drives")
    if missing.named:
        print("missing: " + ", ".join(f"{route}_rep{number}" for route, number in missing.named))
    if missing.unnamed:
        print(f"missing: {missing.unnamed} more that the files do not name")
    return 0
