"""A drive saved in its middle: the simulator's world, and what the runner needs to go on.

The file is a zip of `drive.json`, `world.bin` (the simulator's own), and the session up to that
moment (`session_files.py`). The agent and the criteria are not stored: they are made anew and given
everything that was recorded once more, which leaves them as they were.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evaluation.closed_loop.session_files import (
    HEADER_FILE,
    IMAGES_FILE,
    TICKS_FILE,
    Header,
    SessionError,
    TracedTick,
    read_header,
    read_ticks,
)
from evaluation.errors import UserError
from evaluation.routes.route import Route, WeatherPoint

FORMAT = 1
DRIVE_FILE, WORLD_FILE = "drive.json", "world.bin"
LARGEST_PART_BYTES = 4 << 30
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile)
"""What reading a file raises that is not one of ours."""


class SavedDriveError(UserError, ValueError):
    """A file that no drive can go on from; the message names the fix."""


@dataclass(frozen=True)
class SavedActors:
    """Ids in the saved world: ego, its collision sensor, the agent's sensors by name, traffic."""

    ego: int
    collision_sensor: int
    sensors: dict[str, int]
    traffic: tuple[int, ...] = ()


@dataclass(frozen=True)
class SavedDrive:
    """What is in a file.

    town: as `--town` takes it; start_s: the world's time at which the route began; weather_percent:
    of the route, at which the weather was set last; world: for the simulator; folder: where the
    session lies while the file is open.
    """

    route: Route
    town: str
    seed: int
    actors: SavedActors
    start_s: float
    weather_percent: int
    world: bytes = field(repr=False)
    folder: Path = Path()

    @property
    def header(self) -> Header:
        return read_header(self.folder)

    def ticks(self) -> Iterator[TracedTick]:
        """Everything that was recorded before the moment of the file."""
        return read_ticks(self.folder, self.header)


def save_drive(path: Path, saved: SavedDrive, session: Path) -> None:
    """Writes the file; session: folder of the session so far, its last tick written."""
    plain: dict[str, Any] = {
        "format": FORMAT,
        "route": {**asdict(saved.route), "source": str(saved.route.source)},
        "actors": asdict(saved.actors),
        **{name: getattr(saved, name) for name in ("town", "seed", "start_s", "weather_percent")},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(DRIVE_FILE, json.dumps(plain))
        archive.writestr(WORLD_FILE, saved.world)
        for name in (HEADER_FILE, TICKS_FILE, IMAGES_FILE):
            if (session / name).is_file():
                archive.write(session / name, name)
    unfinished.replace(path)


@contextmanager
def open_saved_drive(path: Path) -> Iterator[SavedDrive]:
    """Raises SavedDriveError for a file that `save_drive` of this format has not written."""
    with tempfile.TemporaryDirectory(prefix="saved_drive_") as folder:
        try:
            saved = _read(path, Path(folder))
            _ = saved.header
        except SavedDriveError:
            raise
        except (*UNREADABLE, SessionError) as error:
            raise SavedDriveError(
                f"{path}: not a saved drive ({type(error).__name__}: {error}); drive "
                "--save-state-at S writes one"
            ) from None
        yield saved


def _read(path: Path, folder: Path) -> SavedDrive:
    with zipfile.ZipFile(path) as archive:
        plain = json.loads(archive.read(DRIVE_FILE))
        if plain.get("format") != FORMAT:
            raise SavedDriveError(
                f"{path}: a saved drive of format {plain.get('format')}, this program reads "
                f"{FORMAT}; save it anew with drive --save-state-at S"
            )
        for name in (HEADER_FILE, TICKS_FILE, IMAGES_FILE):
            if name in archive.namelist():
                # By our own names: what an archive calls its parts is not trusted.
                if archive.getinfo(name).file_size > LARGEST_PART_BYTES:
                    raise ValueError(f"{name} is larger than {LARGEST_PART_BYTES} bytes")
                (folder / name).write_bytes(archive.read(name))
        actors, route = plain["actors"], plain["route"]
        return SavedDrive(
            route=Route(
                route_id=str(route["route_id"]),
                town=str(route["town"]),
                positions_world_m=tuple(tuple(place) for place in route["positions_world_m"]),
                weathers=tuple(
                    WeatherPoint(one["route_percent"], tuple(map(tuple, one["parameters"])))
                    for one in route["weathers"]
                ),
                scenarios=tuple(route["scenarios"]),
                source=path,
            ),
            town=str(plain["town"]),
            seed=int(plain["seed"]),
            actors=SavedActors(
                int(actors["ego"]),
                int(actors["collision_sensor"]),
                {str(name): int(one) for name, one in actors["sensors"].items()},
                tuple(map(int, actors["traffic"])),
            ),
            start_s=float(plain["start_s"]),
            weather_percent=int(plain["weather_percent"]),
            world=archive.read(WORLD_FILE),
            folder=folder,
        )
