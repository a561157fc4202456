"""Town specifications and the names that routes call them by; maps without a simulator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import carla

from evaluation.errors import UserError

if TYPE_CHECKING:
    from evaluation.simulator.town.opendrive_file import OpenDriveFile

DEMO = "demo"
GENERATED = re.compile(r"generated:(\d+)")
GENERATED_NAME = re.compile(r"Generated(\d+)")


class TownSpecError(UserError, ValueError):
    """A town that is not to be had; the message says what can be given instead."""


def name_of(spec: str) -> str:
    """What routes and clients call the town of `demo`, `generated:<seed>` or PATH.xodr."""
    generated = GENERATED.fullmatch(spec)
    if generated:
        return f"Generated{int(generated[1])}"
    if spec == DEMO:
        return "Demo"
    path = Path(spec)
    if not path.is_file():
        raise TownSpecError(
            f"town {spec!r}: expected demo, generated:<seed> or the path of an .xodr file"
        )
    return path.stem


def spec_of(name: str, asked: str | None, folder: Path | None) -> str:
    """The town specification behind a route's town name.

    asked: the specification given on the command line, if any; folder: where NAME.xodr may lie.
    """
    if asked is not None and name_of(asked) == name:
        return asked
    if name == "Demo":
        return DEMO
    generated = GENERATED_NAME.fullmatch(name)
    if generated:
        return f"generated:{generated[1]}"
    if folder is not None and (folder / f"{name}.xodr").is_file():
        return str(folder / f"{name}.xodr")
    raise TownSpecError(
        f"town {name!r} is not one of the embedded simulator's own; give its OpenDRIVE file with "
        f"--town PATH/{name}.xodr, or the folder of such files with --towns FOLDER"
    )


def document_of(spec: str) -> OpenDriveFile:
    """OpenDRIVE of a town, as the simulator reads it.

    Raises:
        TownSpecError: no such town, or a file that cannot be used.
    """
    # Imported here because it costs seconds, and drives with a route file do without it.
    from evaluation.simulator.town.generator import generate_opendrive
    from evaluation.simulator.town.opendrive_file import read_opendrive, read_opendrive_file
    from evaluation.simulator.town.opendrive_records import OpenDriveError
    from evaluation.simulator.town.town import DEMO_SEED

    name = name_of(spec)
    generated = GENERATED.fullmatch(spec)
    if generated or spec == DEMO:
        seed = int(generated[1]) if generated else DEMO_SEED
        return read_opendrive(generate_opendrive(name, seed).encode(), spec)
    try:
        return read_opendrive_file(Path(spec))
    except OpenDriveError as error:
        raise TownSpecError(f"town {error}") from error


def open_map(spec: str) -> tuple[carla.Map, str]:
    """Map and name of a town, without a simulator.

    Raises:
        TownSpecError: no such town, or a file that cannot be used.
    """
    name = name_of(spec)
    try:
        return carla.Map(name, document_of(spec).text), name
    except (RuntimeError, IndexError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise TownSpecError(f"town {spec}: CARLA cannot read it ({error})") from error
