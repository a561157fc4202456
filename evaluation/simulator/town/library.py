"""The towns that a client can load by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from evaluation.simulator.town.town import Town
from evaluation.simulator.wire.errors import CallError

TownLoader = Callable[[str, int], Town]

DEMO = "Demo"
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
        for known, town in self._towns.items():
            if known.lower() == name.lower():
                return town
        spec = self._spec(name)
        if spec is None:
            known_names = ", ".join([*self.names(), "Generated<number>"])
            raise CallError(f"map '{name}' not found; this simulator has: {known_names}")
        try:
            return self.open(spec)
        except (OSError, ValueError) as error:
            raise CallError(f"map '{name}' cannot be loaded: {error}") from error

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
