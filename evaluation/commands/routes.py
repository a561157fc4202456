"""`python -m evaluation routes`: write random routes to a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.commands.arguments import metres, number

HELP = "write random routes to a file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Writes random routes that together turn every way; the same arguments give the same file."
    )
    parser.add_argument("--town", default="demo", help="demo, generated:SEED or PATH.xodr")
    parser.add_argument("--length", type=metres, default=300.0, metavar="M", help="of each route")
    parser.add_argument("--count", type=number, default=10, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--varied", action="store_true", help="routes that meet the most kinds of junctions"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="route file")


def run(parsed: argparse.Namespace) -> int:
    from evaluation.routes.random_routes import generate
    from evaluation.routes.route_file import write_routes
    from evaluation.routes.towns import open_map

    world_map, name = open_map(parsed.town)
    routes = generate(world_map, name, parsed.length, parsed.count, parsed.seed, parsed.varied)
    write_routes(parsed.out, routes)
    print(f"{len(routes)} routes of {parsed.length:.0f} m in {name}: {parsed.out}")
    return 0
