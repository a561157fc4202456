"""Arguments that several verbs take, and how their values are read."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.closed_loop.pulse import TimeLimits

if TYPE_CHECKING:
    from evaluation.official.checkouts import Roots
    from evaluation.runs.cluster_kinds import ClusterSettings
    from evaluation.runs.settings import DriveSettings

AGENTS = Path(__file__).parents[2] / "agent"
SHIPPED_AGENTS = {name: AGENTS / f"{name}_agent.py" for name in ("blind", "expert", "simlingo")}
LAST_PORT = 65534
PROTOCOLS = ("leaderboard-2.0", "leaderboard-2.1", "bench2drive-0.0.3", "bench2drive-0.0.4")
ROOTS = {
    "--leaderboard-root": "LEADERBOARD_ROOT",
    "--scenario-runner-root": "SCENARIO_RUNNER_ROOT",
    "--bench2drive-root": "BENCH2DRIVE_ROOT",
    "--carla-agents": "CARLA_AGENTS_ROOT (or CARLA_ROOT)",
}


def add_agent_argument(parser: argparse.ArgumentParser, what: str) -> None:
    names = ", ".join(sorted(SHIPPED_AGENTS))
    parser.add_argument("--agent", type=agent_file, metavar="FILE", help=f"{what}, or {names}")


def agent_file(text: str) -> Path:
    """An agent's file. Those that come with the program have names, so that they are found from
    outside a checkout; a file in the working folder goes first."""
    return SHIPPED_AGENTS.get(text, Path(text)) if not Path(text).is_file() else Path(text)


def add_drive_arguments(parser: argparse.ArgumentParser) -> None:
    """What decides how one route is driven; `drive_settings` reads it."""
    add_agent_argument(parser, "the agent (default: simlingo, which is learned)")
    parser.add_argument("--agent-config", default="", metavar="TEXT", help="for the agent's setup")
    parser.add_argument("--route-ids", default="", metavar="0,3", help="only these routes")
    parser.add_argument("--traffic", type=count, default=0, metavar="N", help="cars around the ego")
    parser.add_argument("--town", help="demo, generated:SEED or PATH.xodr")
    parser.add_argument("--towns", type=Path, metavar="DIR", help="folder where TOWN.xodr may lie")
    parser.add_argument("--seed", type=int, default=0, help="of traffic, noise and random routes")
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
        "folder of its own in --out. May be given once for each kind. `robust`: all of "
        "Bench2Drive-Robust's, each alone",
    )
    parser.add_argument("--video-fps", type=int, choices=(10, 20), default=10)
    parser.add_argument(
        "--workers", type=number, default=1, metavar="N", help="simulators at a time"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=30.0, metavar="S", help="for answers of the simulator"
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


def drive_settings(parsed: argparse.Namespace) -> DriveSettings:
    """What the options of `add_drive_arguments` ask for, and --routes, --out, --again, --port."""
    from evaluation.runs.settings import DEFAULT_AGENT, DriveSettings

    return DriveSettings(
        agent=parsed.agent or DEFAULT_AGENT,
        agent_config=parsed.agent_config,
        routes=parsed.routes,
        route_ids=_ids(parsed.route_ids),
        town=parsed.town,
        towns_folder=parsed.towns,
        traffic=parsed.traffic,
        seed=parsed.seed,
        out=parsed.out,
        again=_ids(parsed.again),
        video_fps=parsed.video_fps,
        blackout=parsed.blackout,
        timeout_s=parsed.timeout,
        port=parsed.port,
        workers=parsed.workers,
        limits=TimeLimits(parsed.setup_limit, parsed.step_limit, parsed.destroy_limit),
    )


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cluster", choices=("local", "ssh", "slurm"), help="drive on workers of dask's"
    )
    parser.add_argument(
        "--hosts", default="", metavar="HOST,...", help="of --cluster ssh; the first one schedules"
    )
    parser.add_argument(
        "--job",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of --cluster slurm: queue, account, walltime, memory, lifetime and what else "
        "dask-jobqueue takes",
    )


def cluster_of(parsed: argparse.Namespace, workers: int) -> ClusterSettings | None:
    """The cluster of `add_cluster_arguments`, None for this machine alone."""
    from evaluation.errors import UserError
    from evaluation.runs.cluster_kinds import ClusterSettings

    if parsed.cluster is None:
        if parsed.hosts or parsed.job:
            raise UserError("--hosts and --job belong to a --cluster")
        return None
    pairs = [text.partition("=") for text in parsed.job]
    wrong = next((key for key, equals, _ in pairs if not equals), None)
    if wrong is not None:
        raise UserError(f"--job {wrong}: expected KEY=VALUE, such as queue=gpu")
    options = {key: value for key, _, value in pairs}
    return ClusterSettings(parsed.cluster, workers, _ids(parsed.hosts), options)


def add_checkout_arguments(parser: argparse.ArgumentParser) -> None:
    for name, variable in ROOTS.items():
        parser.add_argument(
            name, type=Path, metavar="DIR", help=f"instead of the environment's {variable}"
        )


def roots_of(parsed: argparse.Namespace) -> Roots:
    """The checkouts of `add_checkout_arguments`."""
    from evaluation.official.checkouts import Roots

    return Roots(
        leaderboard=parsed.leaderboard_root,
        scenario_runner=parsed.scenario_runner_root,
        bench2drive=parsed.bench2drive_root,
        agents=parsed.carla_agents,
    )


def add_town_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--town", help="demo, generated:SEED or PATH.xodr")
    parser.add_argument("--towns", type=Path, metavar="DIR", help="folder where TOWN.xodr may lie")
    parser.add_argument("--seed", type=int, default=0, help="of traffic, noise and random routes")
    add_simulator_argument(parser)


def add_simulator_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--simulator",
        metavar="carla://HOST:PORT",
        help="use a simulator that runs already, for instance a real CARLA server; vehicles, "
        "walkers and sensors that are in it are removed",
    )


def number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, got {text!r}")
    return int(text)


def metres(text: str) -> float:
    return _positive(text, "a length of more than 0 m")


def seconds(text: str) -> float:
    return _positive(text, "a time of more than 0 s")


def moments(text: str) -> tuple[float, ...]:
    """Times in seconds, separated by commas."""
    return tuple(seconds(part.strip()) for part in text.split(","))


def _positive(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected {what}, got {text!r}")
    return value


def count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, got {text!r}")
    return int(text)


def port(text: str) -> int:
    """0 for any, or a port whose neighbour exists too: requests and streams have one each."""
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"expected a port of 0 (any) to {LAST_PORT}, got {text!r}")
    return int(text)
