"""A loaded town: the map, its signals, and what it looks like."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.town.cache import cached
from evaluation.simulator.town.ground import Areas, Ground
from evaluation.simulator.town.limits import StatedLimits
from evaluation.simulator.town.scenery import Scenery
from evaluation.simulator.town.signal_specs import TrafficLightSpec, TrafficSignSpec
from evaluation.simulator.wire.codec import Transform

__all__ = ["Town", "TownError", "TrafficLightSpec", "TrafficSignSpec", "load_town"]

F64 = NDArray[np.float64]

logger = logging.getLogger(__name__)

DEMO_SEED = 20_012


class TownError(ValueError):
    """A town cannot be loaded; the message names the specification or file and the reason."""


@dataclass(frozen=True)
class Town:
    """A town ready to be simulated. `opendrive` is the text that clients get, `notices` what of it
    was mended or is not honoured."""

    name: str
    opendrive: str
    map: carla.Map
    spawn_points: tuple[Transform, ...]
    traffic_lights: tuple[TrafficLightSpec, ...]
    traffic_signs: tuple[TrafficSignSpec, ...]
    scenery: Scenery
    ground: Ground
    areas: Areas
    limits: StatedLimits = field(default_factory=StatedLimits)
    notices: tuple[str, ...] = ()
    default_speed_limit_mps: float = 30.0 / 3.6

    def ground_height_m(self, xy_world_m: F64, near_z_m: F64) -> F64:
        """Height of the surface nearest to `near_z_m` (n,) at `xy_world_m` (n, 2); (n,) m."""
        return self.ground.height_m(xy_world_m, near_z_m)

    @cached_property
    def navigation(self) -> bytes:
        """The mesh by which clients steer their walkers; empty where there are no pavements."""
        from evaluation.simulator.town.markings import crosswalk_outlines
        from evaluation.simulator.town.navigation import navigation_mesh

        return navigation_mesh(self.areas, crosswalk_outlines(self.map), self.ground)


def load_town(spec: str, seed: int) -> Town:
    """Load a town: `demo`, `generated:<seed>` or the path of an OpenDRIVE file.

    Args:
        spec: what to load.
        seed: picks buildings and trees along the streets of a file; the two generated kinds
            draw theirs from their own seed, so that a name always means the same town.

    Raises:
        TownError: unknown specification, missing or unreadable file, or a map without lanes.
    """
    if spec == "demo":
        return _generated("Demo", DEMO_SEED)
    generated = re.fullmatch(r"generated:(\d+)", spec)
    if generated is not None:
        number = int(generated.group(1))
        return _generated(f"Generated{number}", number)
    if spec.startswith("generated"):
        raise TownError(f"town {spec!r}: expected generated:<seed> with a whole number >= 0")
    path = Path(spec)
    if not path.is_file():
        raise TownError(
            f"town {spec!r}: no such file; give demo, generated:<seed> or the path of an .xodr file"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TownError(f"town file {spec}: cannot be read ({error.strerror})") from error

    def build() -> dict[str, Any]:
        from evaluation.simulator.town.assembly import fields_of_file

        return fields_of_file(path.stem, data, seed, spec)

    content = cached((data, path.stem.encode(), b"%d" % seed), build)
    return _assemble(path.stem, content, f"town file {spec}")


def _generated(name: str, number: int) -> Town:
    source = f"town {name}"

    def build() -> dict[str, Any]:
        # What builds towns is loaded where one is to be built: it takes longer than the rest.
        from evaluation.simulator.town.assembly import fields_of_generated

        return fields_of_generated(name, number, source)

    return _assemble(name, cached((name.encode(), b"generated %d" % number), build), source)


def _assemble(name: str, content: dict[str, Any], source: str) -> Town:
    """The town of its fields."""
    for notice in content["notices"]:
        logger.warning("%s: %s", source, notice)
    return Town(name=name, map=carla.Map(name, content["opendrive"]), **content)
