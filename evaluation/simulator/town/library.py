"""The towns that a client can load by name."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from evaluation.simulator.town.town import Town
from evaluation.simulator.wire.codec import describe
from evaluation.simulator.wire.errors import CallError

TownLoader = Callable[[str, int], Town]

DEMO = "Demo"
SENT_NAME = "OpenDriveMap"
"""What CARLA's client calls the map that it has sent as text."""
LAYERED = "_Opt"
"""CARLA's towns come twice; those with layers that can be unloaded have the same roads."""
_GENERATED = re.compile(r"Generated(\d+)", re.IGNORECASE)


class TownShelf:
    """Finds and keeps towns.

    Args:
        load: builds a town from `demo`, `generated:<seed>` or a path, and a seed.
        folder: OpenDRIVE files known by their stem.
    """

    def __init__(self, load: TownLoader, seed: int, folder: Path | None) -> None:
        self._load = load
        self._seed = seed
        self._folder = folder
        self._towns: dict[str, Town] = {}

    @staticmethod
    def has_layers(name: str) -> bool:
        """Whether the town that a client calls `name` is one with layers."""
        return name.endswith(LAYERED)

    def open(self, spec: str) -> Town:
        """Return the town of a specification as given on the command line."""
        town = self._load(spec, self._seed)
        self._towns[town.name] = town
        return town

    def find(self, name: str) -> Town:
        """Return the town that a client calls `name`, with or without a folder before it.

        Raises:
            CallError: no such town.
        """
        name = name.replace("\\", "/").rsplit("/", 1)[-1]
        for alias in (name, name.removesuffix(LAYERED)):
            for known, town in self._towns.items():
                if known.lower() == alias.lower():
                    return town
            spec = self._spec(alias)
            if spec is not None:
                return self._open_for_client(name, spec)
        known_names = ", ".join([*self.names(), "Generated<number>"])
        raise CallError(
            f"map {describe(name)} not found; this simulator has: {known_names}; "
            "more are found in the folder of --towns FOLDER"
        )

    def keep(self, opendrive: str) -> None:
        """Keep an OpenDRIVE text that a client has sent, to be loaded under `SENT_NAME`.

        Raises:
            CallError: no town can be made of it.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{SENT_NAME}.xodr"
            path.write_text(opendrive, encoding="utf-8")
            self._open_for_client(SENT_NAME, str(path))

    def _open_for_client(self, name: str, spec: str) -> Town:
        try:
            return self.open(spec)
        except (OSError, ValueError) as error:
            raise CallError(f"map {describe(name)} cannot be loaded: {error}") from error

    def names(self) -> list[str]:
        """Return the names of all towns but the endless generated ones."""
        found = {DEMO, *self._towns}
        if self._folder is not None:
            found.update(path.stem for path in self._folder.glob("*.xodr"))
        return sorted(found)

    def _spec(self, name: str) -> str | None:
        if name.lower() == DEMO.lower():
            return "demo"
        generated = _GENERATED.fullmatch(name)
        if generated:
            return f"generated:{int(generated.group(1))}"
        if self._folder is not None:
            for path in sorted(self._folder.glob("*.xodr")):
                if path.stem.lower() == name.lower():
                    return str(path)
        return None
