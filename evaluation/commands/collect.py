"""`python -m evaluation collect`: record training data with the expert."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.commands.arguments import add_cluster_arguments, cluster_of, metres, number
from evaluation.commands.debug_arguments import add_debug_arguments, debug_session_of

HELP = "record training data with the expert"


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--count", type=number, default=20, metavar="N", help="routes per town")
    parser.add_argument("--length", type=metres, default=400.0, metavar="M", help="of each route")
    parser.add_argument("--jobs", type=number, default=2, metavar="N", help="simulators at a time")
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
    parser.add_argument(
        "--driver",
        type=Path,
        metavar="CHECKPOINT",
        help="this network drives, until it hits something or is far from its route; the expert "
        "only labels: at every frame, what it would do from there",
    )
    parser.add_argument(
        "--labels", choices=["expert"], default="expert", help="who labels what --driver drives"
    )
    parser.add_argument("--towns-folder", type=Path, metavar="DIR", help="where TOWN.xodr may lie")
    add_debug_arguments(parser)
    add_cluster_arguments(parser)


def run(parsed: argparse.Namespace) -> int:
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
        driver=parsed.driver,
        towns_folder=parsed.towns_folder,
        debug=debug_session_of(parsed),
        cluster=cluster_of(parsed, parsed.jobs),
    )
    return collect(settings, Console())
