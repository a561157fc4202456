"""How a simulator is started: options and the command-line arguments for them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from evaluation.simulator.wire.dialect import DIALECTS


@dataclass(frozen=True)
class ServeOptions:
    """What `serve` needs to know.

    Attributes:
        port: rpc port, streams use the next one; 0 takes any free pair.
        town: `demo`, `generated:<seed>` or the path of an OpenDRIVE file.
        seed: seeds the noise of sensors and whatever the town leaves to chance.
        towns_folder: OpenDRIVE files that clients may load by name.
        recordings_folder: where clients may record and replay; None: nowhere.
        gnss_latitude: whether latitude grows along `south` (+y), along `north` (-y), or as the
            client's own `transform_to_geolocation` has it (`client`).
        shadows: whether buildings, trees and poles cast shadows in colour images.
        parent_pid: process whose end also ends the simulator.
    """

    port: int = 2000
    host: str = "127.0.0.1"
    town: str = "demo"
    seed: int = 0
    client_version: str = "0.9.16"
    towns_folder: Path | None = None
    recordings_folder: Path | None = None
    gnss_latitude: str = "client"
    shadows: bool = False
    parent_pid: int | None = None
    log_level: str = "info"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the simulator's arguments to a parser."""
    default = ServeOptions()
    parser.add_argument(
        "--port", type=int, default=default.port, help="rpc port, streams on the next; 0: any"
    )
    parser.add_argument("--host", default=default.host, help="address to listen on")
    parser.add_argument("--town", default=default.town, help="demo, generated:SEED or PATH.xodr")
    parser.add_argument("--towns", type=Path, help="folder of .xodr files to load by name")
    parser.add_argument(
        "--recordings", type=Path, help="folder in which clients may record and replay"
    )
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument(
        "--client-version",
        choices=sorted(DIALECTS),
        default=default.client_version,
        help="version of the carla package that will connect",
    )
    parser.add_argument(
        "--gnss-latitude",
        choices=("client", "north", "south"),
        default=default.gnss_latitude,
        help="direction in which latitude grows: -y (north), +y (south), or as the client's map",
    )
    parser.add_argument(
        "--shadows",
        action="store_true",
        help="buildings, trees and poles cast shadows in colour images",
    )
    parser.add_argument("--parent-pid", type=int, help="end when this process ends")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default=default.log_level
    )


def options_from(arguments: argparse.Namespace) -> ServeOptions:
    """Collect the options from parsed arguments."""
    return ServeOptions(
        port=arguments.port,
        host=arguments.host,
        town=arguments.town,
        seed=arguments.seed,
        client_version=arguments.client_version,
        towns_folder=arguments.towns,
        recordings_folder=arguments.recordings,
        gnss_latitude=arguments.gnss_latitude,
        shadows=arguments.shadows,
        parent_pid=arguments.parent_pid,
        log_level=arguments.log_level,
    )
