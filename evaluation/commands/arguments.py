"""Arguments that several verbs take, and how their values are read."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

LAST_PORT = 65534


def add_town_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--town", help="demo, generated:SEED or PATH.xodr")
    parser.add_argument("--towns", type=Path, metavar="DIR", help="folder where TOWN.xodr may lie")
    parser.add_argument("--seed", type=int, default=0, help="of traffic, noise and random routes")
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
