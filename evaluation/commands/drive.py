"""`python -m evaluation drive`: drive routes and score them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from evaluation.closed_loop.pulse import TimeLimits
from evaluation.commands.arguments import (
    add_town_arguments,
    count,
    moments,
    number,
    port,
    seconds,
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
    parser.add_argument("--agent", type=Path, metavar="FILE", help="the agent (default: learned)")
    parser.add_argument("--agent-config", default="", metavar="TEXT", help="for the agent's setup")
    parser.add_argument(
        "--routes", type=Path, metavar="FILE", help="route file, leaderboard format; or mini"
    )
    parser.add_argument("--route-ids", default="", metavar="0,3", help="only these routes of it")
    parser.add_argument("--traffic", type=count, default=0, metavar="N", help="cars around the ego")
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
        "--workers", type=number, default=1, metavar="N", help="simulators at a time"
    )
    limits = TimeLimits()
    for name, what, default in (
        ("setup", "its setup", limits.setup_s),
        ("step", "one run_step", limits.step_s),
        ("destroy", "its destroy", limits.destroy_s),
    ):
        parser.add_argument(
            f"--{name}-limit",
            type=seconds,
            default=default,
            metavar="S",
            help=f"time that the agent has for {what} before it is ended (default: %(default)g)",
        )
    parser.add_argument(
        "--rules", choices=("2.0", "2.1"), default="2.0", help="of the leaderboard, for the score"
    )
    parser.add_argument("--no-video", action="store_true", help="drives faster")
    parser.add_argument("--video-fps", type=int, choices=(10, 20), default=10)
    parser.add_argument(
        "--blackout", action="store_true", help="black images, as a control experiment"
    )
    parser.add_argument(
        "--disturb",
        action="append",
        default=[],
        metavar="KIND=VALUES",
        help="delay=TICKS or delay=measured, freeze=PROBABILITY, occlusion=SHARE, gnss=METRES, "
        "speed=FACTOR, each with one value or several: delay=0,2,4,10 drives four times, each in a "
        "folder of its own in --out. May be given once for each kind",
    )
    parser.add_argument("--port", type=port, default=0, help="of the embedded simulator; 0: any")
    parser.add_argument(
        "--timeout", type=seconds, default=30.0, metavar="S", help="for answers of the simulator"
    )
    add_town_arguments(parser)
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
    from evaluation.runs.drive import DEFAULT_AGENT, DriveSettings
    from evaluation.scoring.penalty import Rules

    cells = parse_disturbances(parsed.disturb)
    inputs = parsed.out / "inputs" if parsed.record_inputs or parsed.save_state_at else None
    debug = replace(
        debug_session_of(parsed, inputs),
        saves=tuple((at_s, parsed.out / f"state_{at_s:g}.zip") for at_s in parsed.save_state_at),
    )
    settings = DriveSettings(
        agent=parsed.agent or DEFAULT_AGENT,
        agent_config=parsed.agent_config,
        routes=parsed.routes,
        route_ids=_ids(parsed.route_ids),
        town=parsed.town,
        towns_folder=parsed.towns,
        traffic=parsed.traffic,
        seed=parsed.seed,
        simulator=parsed.simulator,
        port=parsed.port,
        out=parsed.out,
        resume=parsed.resume,
        rules=Rules(parsed.rules),
        video=not parsed.no_video,
        video_fps=parsed.video_fps,
        blackout=parsed.blackout,
        timeout_s=parsed.timeout,
        again=_ids(parsed.again),
        workers=parsed.workers,
        debug=debug,
        from_state=parsed.from_state,
        limits=TimeLimits(parsed.setup_limit, parsed.step_limit, parsed.destroy_limit),
    )
    if not (parsed.manual or parsed.step):
        return drive_disturbed(settings, cells, Console())
    with seat(parsed.step) as hands:
        by_hand = replace(settings, debug=replace(debug, hands=hands))
        return drive_disturbed(by_hand, cells, Console())


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
