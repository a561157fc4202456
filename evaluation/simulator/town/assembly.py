"""Builds a town from its map: ground, signals, markings, and what stands beside the roads."""

from __future__ import annotations

from typing import Any

import carla
import numpy as np

from evaluation.simulator.town.buildings import build_surroundings
from evaluation.simulator.town.generator import generate_opendrive
from evaluation.simulator.town.limits import StatedLimits
from evaluation.simulator.town.markings import (
    add_arrows,
    add_crosswalks,
    add_lane_markings,
    add_stop_lines,
)
from evaluation.simulator.town.meshing import MeshBuilder
from evaluation.simulator.town.opendrive_file import OpenDriveFile, read_opendrive
from evaluation.simulator.town.opendrive_records import OpenDriveError
from evaluation.simulator.town.scenery import Poles, Scenery
from evaluation.simulator.town.signals import find_signals
from evaluation.simulator.town.surfaces import build_surfaces
from evaluation.simulator.town.survey import Survey, survey_map
from evaluation.simulator.town.town import TownError
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D

_SPAWN_SPACING_M = 20.0
_SPAWN_CLEAR_M = 8.0
_SPAWN_ABOVE_M = 0.5
_STEEPEST = 0.25
"""Slope from which on a car may not start uphill: the simulated one does not at 0.3."""


def fields_of_generated(name: str, number: int, source: str) -> dict[str, Any]:
    """Generate a town and compute its fields but for its name and CARLA's map."""
    text = generate_opendrive(name, number)
    return _fields(name, read_opendrive(text.encode(), name), number, source)


def fields_of_file(name: str, data: bytes, seed: int, spec: str) -> dict[str, Any]:
    """The same of an OpenDRIVE file's bytes.

    Raises:
        TownError: it cannot be read, or has no lanes; the message names the file.
    """
    try:
        document = read_opendrive(data, spec)
    except OpenDriveError as error:
        raise TownError(f"town file {error}") from error
    return _fields(name, document, seed, f"town file {spec}")


def _fields(name: str, document: OpenDriveFile, seed: int, source: str) -> dict[str, Any]:
    """Compute the fields of a town but for its name and CARLA's map."""
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
    return {
        "opendrive": document.text,
        "spawn_points": _spawn_points(survey),
        "traffic_lights": tuple(signals.lights),
        "traffic_signs": tuple(signals.signs),
        "scenery": scenery,
        "ground": ground,
        "areas": areas,
        "limits": StatedLimits.of(document.roads),
        "notices": (*document.notices, *signals.notices, *_too_steep(survey)),
    }


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
