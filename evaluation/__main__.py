"""Drive agents in closed loop.

python -m evaluation drive                     the demo route with the learned agent
python -m evaluation routes --out FILE.xml     write random routes
python -m evaluation collect --out DIR         record training data with the expert
python -m evaluation open-loop --run DIR       judge a checkpoint on recorded frames
python -m evaluation serve --port 2000         a simulator for CARLA clients
python -m evaluation leaderboard --routes ...  the official evaluator on that simulator
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
from pathlib import Path
from types import FrameType

from evaluation.errors import ProblemError
from evaluation.simulator.options import add_arguments as add_serve_arguments
from evaluation.simulator.options import options_from

INTERRUPTED = 130
CANNOT_BEGIN = 2


def main(arguments: list[str] | None = None) -> int:
    parser = build_parser()
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown and parsed.verb != "leaderboard":
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    parsed.passed_on = unknown
    signal.signal(signal.SIGTERM, _on_sigterm)
    # Shells start background jobs deaf to it; who sends it all the same means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    verbs = {
        "drive": _drive,
        "collect": _collect,
        "open-loop": _open_loop,
        "serve": _serve,
        "routes": _routes,
        "leaderboard": _leaderboard,
    }
    try:
        return verbs[parsed.verb](parsed)
    except ProblemError as error:
        print(f"{parsed.verb}: {error}", file=sys.stderr)
        return CANNOT_BEGIN
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    """Ends in the same order as Ctrl-C."""
    raise KeyboardInterrupt


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_drive(verbs.add_parser("drive", help="drive routes and score them"))
    _add_collect(verbs.add_parser("collect", help="record training data with the expert"))
    _add_open_loop(verbs.add_parser("open-loop", help="judge a checkpoint on recorded frames"))
    serve = verbs.add_parser("serve", help="serve a world to CARLA clients")
    add_serve_arguments(serve)
    _add_routes(verbs.add_parser("routes", help="write random routes to a file"))
    _add_leaderboard(verbs.add_parser("leaderboard", help="run the official evaluator"))
    return parser


def _add_town_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--town", help="demo, generated:SEED or PATH.xodr")
    parser.add_argument("--towns", type=Path, metavar="DIR", help="folder where TOWN.xodr may lie")
    parser.add_argument("--seed", type=int, default=0, help="of traffic, noise and random routes")
    parser.add_argument(
        "--simulator",
        metavar="carla://HOST:PORT",
        help="use a simulator that runs already, for instance a real CARLA server",
    )


def _add_drive(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Drives the routes and writes results.json, simulator.log and a video per route to --out. "
        "Without --routes: the demo route, or a random one in the --town that is given. "
        "The exit code is 0 when no route failed."
    )
    parser.add_argument("--agent", type=Path, metavar="FILE", help="the agent (default: learned)")
    parser.add_argument("--agent-config", default="", metavar="TEXT", help="for the agent's setup")
    parser.add_argument(
        "--routes", type=Path, metavar="FILE", help="route file, leaderboard format"
    )
    parser.add_argument("--route-ids", default="", metavar="0,3", help="only these routes of it")
    parser.add_argument("--traffic", type=int, default=0, metavar="N", help="background vehicles")
    parser.add_argument("--out", type=Path, default=Path("out/drive"), metavar="DIR")
    parser.add_argument("--resume", action="store_true", help="go on where results.json ends")
    parser.add_argument(
        "--rules", choices=("2.0", "2.1"), default="2.0", help="of the leaderboard, for the score"
    )
    parser.add_argument("--no-video", action="store_true", help="drives faster")
    parser.add_argument("--video-fps", type=int, choices=(10, 20), default=10)
    parser.add_argument(
        "--blackout", action="store_true", help="black pictures, as a control experiment"
    )
    parser.add_argument("--port", type=int, default=0, help="of the embedded simulator; 0: any")
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="for answers of the simulator"
    )
    _add_town_arguments(parser)


def _drive(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from evaluation.runs.drive import DEFAULT_AGENT, DriveSettings, drive
    from evaluation.scoring.penalty import Rules

    settings = DriveSettings(
        agent=parsed.agent or DEFAULT_AGENT,
        agent_config=parsed.agent_config,
        routes=parsed.routes,
        route_ids=tuple(part.strip() for part in parsed.route_ids.split(",") if part.strip()),
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
    )
    return drive(settings, Console())


def _add_collect(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Drives routes with the expert in several simulators at a time and records what it saw and "
        "did. Started again with the same arguments, it goes on where it was stopped; arguments "
        "with which finished drives would come out otherwise are an error. collect.json tells what "
        "was driven and how fast, logs/ what failed. The exit code is 0 when every drive was "
        "scored, well or badly."
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="root of the dataset"
    )
    parser.add_argument(
        "--towns", nargs="+", default=["generated:1"], metavar="TOWN", help="as for drive --town"
    )
    parser.add_argument(
        "--routes", type=Path, metavar="FILE", help="these routes instead of random ones"
    )
    parser.add_argument("--count", type=_number, default=20, metavar="N", help="routes per town")
    parser.add_argument("--length", type=_metres, default=400.0, metavar="M", help="of each route")
    parser.add_argument("--jobs", type=_number, default=2, metavar="N", help="simulators at a time")
    parser.add_argument("--traffic", type=int, default=0, metavar="N", help="background vehicles")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--varied-routes", action="store_true", help="routes that meet the most kinds of junctions"
    )
    parser.add_argument("--varied-weather", action="store_true", help="another weather per route")
    parser.add_argument(
        "--varied-lights", action="store_true", help="other, shorter phases of lights per route"
    )
    parser.add_argument("--split", default="training", help="folder of the dataset")
    parser.add_argument("--group", default="routes", help="folder of the dataset")
    parser.add_argument("--scenario", default="lane_following", help="folder of the dataset")
    parser.add_argument(
        "--expert",
        default="",
        metavar="KEY=VALUE,...",
        help="further settings of the expert: rig=nano|base|debug|FILE.json (cameras), perturb=N "
        "and hesitate=N (times per minute that the steering is disturbed, that it brakes for no "
        "reason), limit_factor=0.1..1 (share of the speed limit), interval_s=S (between frames), "
        "shift_m=M and turn_deg=DEG (of the augmented cameras), jpeg_quality=1..100, "
        "target_noise_m=M; see ExpertSettings in agent/settings.py",
    )
    parser.add_argument("--towns-folder", type=Path, metavar="DIR", help="where TOWN.xodr may lie")


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, got {text!r}")
    return int(text)


def _metres(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a length of more than 0 m, got {text!r}")
    return value


def _collect(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from evaluation.collection.collect import collect
    from evaluation.collection.settings import CollectSettings

    settings = CollectSettings(
        out=parsed.out,
        towns=tuple(parsed.towns),
        routes=parsed.routes,
        count=parsed.count,
        length_m=parsed.length,
        jobs=parsed.jobs,
        traffic=parsed.traffic,
        seed=parsed.seed,
        varied_routes=parsed.varied_routes,
        varied_weather=parsed.varied_weather,
        varied_lights=parsed.varied_lights,
        split=parsed.split,
        group=parsed.group,
        scenario=parsed.scenario,
        expert=parsed.expert,
        towns_folder=parsed.towns_folder,
    )
    return collect(settings, Console())


def _add_open_loop(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compares predictions with what the expert did, on the held-out drives of a training "
        "(--run) or on a whole dataset (--checkpoint and --data). Writes a report with the worst "
        "frames to --out."
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="output folder of a training")
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="default: best of --run")
    parser.add_argument("--data", type=Path, metavar="DIR", help="root of a dataset")
    parser.add_argument("--split", default="training", help="of --data")
    parser.add_argument("--out", type=Path, default=Path("out/open_loop"), metavar="DIR")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="frames; 0: all")
    parser.add_argument("--worst", type=int, default=8, metavar="N", help="pictures of each kind")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N")
    parser.add_argument("--shifted", action="store_true", help="seen from the shifted cameras")
    parser.add_argument("--blackout", action="store_true", help="black pictures, as a control")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")


def _open_loop(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from evaluation.open_loop.errors_on_dataset import OpenLoopSettings, open_loop

    settings = OpenLoopSettings(
        checkpoint=parsed.checkpoint,
        data=parsed.data,
        run=parsed.run,
        split=parsed.split,
        out=parsed.out,
        limit=parsed.limit,
        worst=parsed.worst,
        batch_size=parsed.batch_size,
        shifted=parsed.shifted,
        blackout=parsed.blackout,
        device=parsed.device,
    )
    return open_loop(settings, Console())


def _serve(parsed: argparse.Namespace) -> int:
    from evaluation.simulator.server import serve

    return serve(options_from(parsed))


def _add_routes(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Writes random routes that together turn every way; the same arguments give the same file."
    )
    parser.add_argument("--town", default="demo", help="demo, generated:SEED or PATH.xodr")
    parser.add_argument("--length", type=_metres, default=300.0, metavar="M", help="of each route")
    parser.add_argument("--count", type=_number, default=10, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--varied", action="store_true", help="routes that meet the most kinds of junctions"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="route file")


def _routes(parsed: argparse.Namespace) -> int:
    from evaluation.routes.random_routes import generate
    from evaluation.routes.route_file import write_routes
    from evaluation.routes.towns import open_map

    world_map, name = open_map(parsed.town)
    routes = generate(world_map, name, parsed.length, parsed.count, parsed.seed, parsed.varied)
    write_routes(parsed.out, routes)
    print(f"{len(routes)} routes of {parsed.length:.0f} m in {name}: {parsed.out}")
    return 0


def _add_leaderboard(parser: argparse.ArgumentParser) -> None:
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
    _add_town_arguments(parser)


def _leaderboard(parsed: argparse.Namespace) -> int:
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


if __name__ == "__main__":
    sys.exit(main())
