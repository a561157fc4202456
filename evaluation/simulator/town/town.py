"""A loaded town: the map, its signals, and what it looks like."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.town.buildings import build_surroundings
from evaluation.simulator.town.generator import DEMO_SEED, generate_opendrive
from evaluation.simulator.town.ground import Ground
from evaluation.simulator.town.limits import StatedLimits
from evaluation.simulator.town.markings import (
    add_arrows,
    add_crosswalks,
    add_lane_markings,
    add_stop_lines,
    crosswalk_outlines,
)
from evaluation.simulator.town.meshing import MeshBuilder
from evaluation.simulator.town.navigation import navigation_mesh
from evaluation.simulator.town.opendrive_file import (
    OpenDriveFile,
    read_opendrive,
    read_opendrive_file,
)
from evaluation.simulator.town.opendrive_records import OpenDriveError
from evaluation.simulator.town.scenery import Poles, Scenery
from evaluation.simulator.town.signal_specs import TrafficLightSpec, TrafficSignSpec
from evaluation.simulator.town.signals import find_signals
from evaluation.simulator.town.surfaces import Areas, build_surfaces
from evaluation.simulator.town.survey import Survey, survey_map
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D

__all__ = ["Town", "TownError", "TrafficLightSpec", "TrafficSignSpec", "load_town"]

F64 = NDArray[np.float64]

logger = logging.getLogger(__name__)

_SPAWN_SPACING_M = 20.0
_SPAWN_CLEAR_M = 8.0
_SPAWN_ABOVE_M = 0.5
_STEEPEST = 0.25
"""Slope from which on a car may not start uphill: the simulated one does not at 0.3."""


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
        document = read_opendrive_file(path)
    except OpenDriveError as error:
        raise TownError(f"town file {error}") from error
    return _assemble(path.stem, document, seed, f"town file {spec}")


def _generated(name: str, seed: int) -> Town:
    text = generate_opendrive(name, seed)
    return _assemble(name, read_opendrive(text.encode(), name), seed, f"town {name}")


def _assemble(name: str, document: OpenDriveFile, seed: int, source: str) -> Town:
    try:
        carla_map = carla.Map(name, document.text)
        survey = survey_map(carla_map, document)
    except OpenDriveError as error:
        raise TownError(f"{source}: {error}") from error
    except (RuntimeError, IndexError, ValueError) as error:
        # What the wheel raises for text that it cannot take names nothing.
        raise TownError(f"{source}: CARLA cannot read it ({error})") from error
    builder = MeshBuilder()
    areas, ground = build_surfaces(survey, builder)
    signals = find_signals(carla_map, survey, document.signals, areas, ground)
    add_lane_markings(survey, builder)
    add_stop_lines(signals.stop_lines, builder)
    add_crosswalks(carla_map, document.crosswalks, ground, builder)
    add_arrows(carla_map, signals.stop_lines, builder)
    bars = signals.bars
    buildings, trees, lamps = build_surroundings(survey, areas, bars, np.random.default_rng(seed))
    scenery = Scenery(
        meshes=builder.build(),
        buildings=buildings,
        trees=trees,
        poles=Poles(
            np.array(bars.start, np.float32).reshape(-1, 3),
            np.array(bars.end, np.float32).reshape(-1, 3),
            np.array(bars.radius_m, np.float32),
        ),
        lamp_heads=signals.lamp_heads,
        sign_faces=signals.sign_faces,
        street_lamps=lamps,
    )
    notices = (*document.notices, *signals.notices, *_too_steep(survey))
    for notice in notices:
        logger.warning("%s: %s", source, notice)
    return Town(
        name, document.text, carla_map, _spawn_points(survey), signals.lights, signals.signs,
        scenery, ground, areas, StatedLimits(document.roads), notices,
    )  # fmt: skip


def _too_steep(survey: Survey) -> list[str]:
    """One line for each road that a car may not climb."""
    steepest: dict[int, float] = {}
    for strip in survey.strips:
        steps = np.diff(strip.centre, axis=0)
        run_m = np.maximum(np.linalg.norm(steps[:, :2], axis=1), 0.1)
        slope = float(np.abs(steps[:, 2] / run_m).max(initial=0.0))
        if strip.kind == "driving" and slope > _STEEPEST:
            steepest[strip.road_id] = max(slope, steepest.get(strip.road_id, 0.0))
    return [
        f"road {road_id}: a slope of {100.0 * slope:.0f} %, more than a car may climb"
        for road_id, slope in steepest.items()
    ]


def _spawn_points(survey: Survey) -> tuple[Transform, ...]:
    """Poses along all driving lanes outside junctions, with room to both of their ends."""
    points = []
    for strip in survey.strips:
        if strip.kind != "driving" or strip.is_junction:
            continue
        centre = strip.centre
        steps = np.linalg.norm(np.diff(centre[:, :2], axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        room = along[-1] - 2.0 * _SPAWN_CLEAR_M
        if room < 0.0 or np.linalg.norm(strip.left - strip.right, axis=1).min() < 2.5:
            continue
        yaw = np.unwrap(strip.yaw_rad)
        for at in np.linspace(
            _SPAWN_CLEAR_M, along[-1] - _SPAWN_CLEAR_M, int(room // _SPAWN_SPACING_M) + 1
        ):
            x, y, z = (float(np.interp(at, along, centre[:, i])) for i in range(3))
            yaw_deg = float(np.degrees(np.interp(at, along, yaw)))
            points.append(
                Transform(
                    Vector3D(x, y, z + _SPAWN_ABOVE_M),
                    Rotation(0.0, (yaw_deg + 180.0) % 360.0 - 180.0, 0.0),
                )
            )
    return tuple(points)
