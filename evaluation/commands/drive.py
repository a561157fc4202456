"""`python -m evaluation drive`: drive routes and score them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from evaluation.commands.arguments import (
    add_drive_arguments,
    add_simulator_argument,
    drive_settings,
    moments,
    port,
)
from evaluation.commands.debug_arguments import add_debug_arguments, debug_session_of

HELP = "drive routes and score them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Drives the routes and writes results.json, simulator.log and a video per route to --out. "
        "Without --routes: the demo route, or a random one in the --town that is given. "
        "ledger.jsonl holds every route as soon as "
        "it is over. The exit code is 0 when no route failed, 1 when one did, 2 when the run could "
        "not begin."
    )
    parser.add_argument(
        "--routes", type=Path, metavar="FILE", help="route file, leaderboard format; or mini"
    )
    parser.add_argument("--out", type=Path, default=Path("out/drive"), metavar="DIR")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where the run in --out was stopped; refused where anything that decides how a "
        "route comes out has changed",
    )
    parser.add_argument(
        "--again", default="", metavar="0,3", help="with --resume: drive these routes once more"
    )
    parser.add_argument(
        "--rules", choices=("2.0", "2.1"), default="2.0", help="of the leaderboard, for the score"
    )
    parser.add_argument("--no-video", action="store_true", help="drives faster")
    parser.add_argument("--port", type=port, default=0, help="of the embedded simulator; 0: any")
    add_drive_arguments(parser)
    add_simulator_argument(parser)
    add_debug_arguments(parser)
    parser.add_argument(
        "--record-inputs",
        action="store_true",
        help="keep every tick's inputs and plans in --out/inputs, for the verb replay",
    )
    parser.add_argument(
        "--save-state-at",
        type=moments,
        default=(),
        metavar="S,...",
        help="save the drive at these times of the route to --out/state_S.zip (and its inputs)",
    )
    parser.add_argument(
        "--from-state", type=Path, metavar="FILE", help="go on from a saved drive, in its world"
    )
    parser.add_argument(
        "--manual",
        action="store_true",
        help="a person can take over: in a window, or from the terminal where there is no display",
    )
    parser.add_argument(
        "--step", action="store_true", help="the same, but paused: every key n drives one tick"
    )


def run(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from evaluation.closed_loop.disturbances import parse_disturbances
    from evaluation.commands.seat import seat
    from evaluation.runs.disturbance_matrix import drive_disturbed
    from evaluation.scoring.penalty import Rules

    cells = parse_disturbances(parsed.disturb)
    inputs = parsed.out / "inputs" if parsed.record_inputs or parsed.save_state_at else None
    debug = replace(
        debug_session_of(parsed, inputs),
        saves=tuple((at_s, parsed.out / f"state_{at_s:g}.zip") for at_s in parsed.save_state_at),
    )
    settings = replace(
        drive_settings(parsed),
        simulator=parsed.simulator,
        resume=parsed.resume,
        rules=Rules(parsed.rules),
        video=not parsed.no_video,
        debug=debug,
        from_state=parsed.from_state,
    )
    if not (parsed.manual or parsed.step):
        return drive_disturbed(settings, cells, Console())
    with seat(parsed.step) as hands:
        by_hand = replace(settings, debug=replace(debug, hands=hands))
        return drive_disturbed(by_hand, cells, Console())
