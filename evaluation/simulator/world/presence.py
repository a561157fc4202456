"""What clients have hidden of a town, and which of its layers they have unloaded."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from evaluation.simulator.town.scenery import Scenery
from evaluation.simulator.town.shown import Inventory, MapLayer, Shown


class Presence:
    """What of a town is there.

    As in CARLA, a thing that is hidden is still listed, and one of an unloaded layer is not; what
    comes back with its layer is shown, whether it was hidden before or not. Layers can be loaded
    and unloaded only in a town that has them (`_Opt` at the end of its name); elsewhere such calls
    change nothing.

    Args:
        has_layers: whether the town has layers.
        loaded: those with which the episode begins.
    """

    def __init__(self, scenery: Scenery, *, has_layers: bool, loaded: MapLayer) -> None:
        self._scenery = scenery
        self._inventory: Inventory | None = None
        self.has_layers = has_layers
        self._loaded = int(loaded) if has_layers else int(MapLayer.ALL)
        self._hidden: set[int] = set()
        self._shown: Shown | None = None
        self.review()

    @property
    def shown(self) -> Shown | None:
        """What is there; None where all of it is. The same object until something changes."""
        return self._shown

    def is_loaded(self, layer: MapLayer) -> bool:
        """Whether a layer is loaded."""
        return layer in MapLayer(self._loaded)

    def listed_rows(self) -> list[int]:
        """Rows of `Scenery.static_boxes()` that are not of an unloaded layer."""
        if self._loaded == MapLayer.ALL:
            return list(range(len(self._scenery.static_boxes().yaw_rad)))
        return np.flatnonzero(self._things().loaded_rows(MapLayer(self._loaded))).tolist()

    def _things(self) -> Inventory:
        """Made when it is needed: it takes a while in a large town."""
        if self._inventory is None:
            self._inventory = Inventory(self._scenery)
        return self._inventory

    def enable(self, rows: Iterable[int], *, enabled: bool) -> None:
        """Show or hide things by their rows in `Scenery.static_boxes()`; others are passed over."""
        known = set(rows).intersection(self.listed_rows())
        self._hidden = self._hidden - known if enabled else self._hidden | known
        self.review()

    def load(self, layers: int) -> None:
        """Load layers that are not."""
        self._change(self._loaded | layers)

    def unload(self, layers: int) -> None:
        """Unload layers."""
        self._change(self._loaded & ~layers)

    def _change(self, loaded: int) -> None:
        if self.has_layers:
            self._loaded = int(loaded)
            # They come back as new ones.
            self._hidden &= set(self.listed_rows())
            self.review()

    def review(self) -> None:
        """Find out anew what is there."""
        everything = self._loaded == MapLayer.ALL and not self._hidden
        self._shown = (
            None if everything else self._things().shown(MapLayer(self._loaded), self._hidden)
        )
