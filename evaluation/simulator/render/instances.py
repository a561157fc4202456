"""Placed models: where each instance stands, which model it shows, and how it is coloured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.frame import BodyKind, LightFlag
from evaluation.simulator.render.library import Library
from evaluation.simulator.render.palette import CROWNS_RGB
from evaluation.simulator.render.posed import PosedBodies
from evaluation.simulator.render.projection import rotation_matrices
from evaluation.simulator.town.scenery import LAMP_RADIUS_M, Scenery, SignKind
from evaluation.simulator.town.shown import Shown

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

INSTANCE_DTYPE = np.dtype(
    [
        ("rows", np.float32, (3, 4)),
        ("paint", np.uint8, 4),
        ("flags", np.uint32),
        ("object", np.uint32),
    ]
)
INSTANCE_FORMAT = "4f4 4f4 4f4 4f1 1u4 1u4/i"
INSTANCE_ATTRIBUTES = ("in_row_x", "in_row_y", "in_row_z", "in_paint", "in_flags", "in_object")
"""The fourth component of `in_paint` is the semantic tag."""

_WALKER_SLIMNESS = 3.0
"""Height over width of a person; CARLA's boxes of walkers are narrower than their arms."""
_BLINK_HZ = 1.5
_STATIC_TAGS = (7, 9, 6, 8)
"""CARLA's labels of lamp housings, trees, poles and signs."""


@dataclass(frozen=True)
class Instances:
    """n placed models.

    records (n,) INSTANCE_DTYPE as the shader reads them; model (n,) of the library; centre_m (n, 3)
    and radius_m (n,) of a sphere around each; feature_m (n,) the thickness of what it shows.
    """

    records: NDArray[np.void]
    model: I64
    centre_m: F32
    radius_m: F32
    feature_m: F32


def _place(model: I64, linear: F64, origin: F64, paint: U8, radius: F64, feature: F64) -> Instances:
    """Instances of world-from-model matrices (n, 3, 3) and origins (n, 3)."""
    count = len(model)
    records = np.zeros(count, INSTANCE_DTYPE)
    records["rows"][:, :, :3] = linear
    records["rows"][:, :, 3] = origin
    records["paint"][:, :3] = paint
    return Instances(
        records,
        model,
        origin.astype(np.float32),
        radius.astype(np.float32),
        feature.astype(np.float32),
    )


def join(parts: list[Instances]) -> Instances:
    """One after another."""
    # Not concatenated: numpy compares the fields of structured arrays at every call.
    records = np.frombuffer(
        bytearray(b"".join([part.records.tobytes() for part in parts])), INSTANCE_DTYPE
    )
    return Instances(
        records,
        np.concatenate([part.model for part in parts]),
        np.concatenate([part.centre_m for part in parts]),
        np.concatenate([part.radius_m for part in parts]),
        np.concatenate([part.feature_m for part in parts]),
    )


def only(placed: Instances, rows: NDArray[np.bool_]) -> Instances:
    """Those whose flag (n,) is set."""
    return Instances(
        placed.records[rows],
        placed.model[rows],
        placed.centre_m[rows],
        placed.radius_m[rows],
        placed.feature_m[rows],
    )


def body_instances(bodies: PosedBodies, time_s: float, library: Library) -> Instances:
    """Every body's model, stretched to its bounding box."""
    stretch = np.maximum(bodies.half_m, 1e-3)
    walkers = bodies.kind == BodyKind.WALKER
    stretch[walkers, :2] = stretch[walkers, 2:] / _WALKER_SLIMNESS
    placed = _place(
        library.body_models(bodies.kind, bodies.half_m, bodies.centre_m),
        bodies.turn * stretch[:, None, :],
        bodies.centre_m,
        bodies.colour_rgb,
        1.1 * np.sqrt((stretch * stretch).sum(axis=1)),
        stretch.min(axis=1),
    )
    placed.records["flags"] = _lit(bodies.light_flags, time_s)
    placed.records["paint"][:, 3] = bodies.semantic_tag
    placed.records["object"] = bodies.object_id
    return placed


def _lit(flags: NDArray[np.uint32], time_s: float) -> NDArray[np.uint32]:
    """Flags with the blinkers off in the dark half of their period."""
    blinkers = LightFlag.LEFT_BLINKER | LightFlag.RIGHT_BLINKER
    dark = (time_s * _BLINK_HZ) % 1.0 >= 0.5
    kept = ~np.uint32(blinkers) if dark else ~np.uint32(0)
    # The highest bit stands for "never".
    return flags & kept & np.uint32(0x7FFFFFFF)


def shown_instances(shown: Shown) -> NDArray[np.bool_]:
    """Which rows (n,) of `static_instances` are there."""
    return np.concatenate([shown.lamp_heads, shown.trees, shown.poles, shown.sign_faces])


def static_instances(scenery: Scenery, library: Library) -> tuple[Instances, slice]:
    """Lamp housings, trees, poles and signs, and which rows are the housings."""
    heads = _lamp_housings(scenery, library)
    parts = [heads, _trees(scenery, library), _poles(scenery, library), _signs(scenery, library)]
    for part, tag in zip(parts, _STATIC_TAGS, strict=True):
        part.records["paint"][:, 3] = tag
    placed = join(parts)
    # Told apart from the buildings, which are counted from one.
    first = len(scenery.buildings.centre) + 1
    placed.records["object"] = np.arange(first, first + len(placed.model))
    return placed, slice(0, len(heads.model))


def _upright(yaw: F64, scale: F64) -> F64:
    """Matrices (n, 3, 3) that turn by `yaw` (n,) after scaling by `scale` (n, 3)."""
    rotation = np.zeros((len(yaw), 3))
    rotation[:, 2] = yaw
    return rotation_matrices(rotation) * scale[:, None, :]


def _lamp_housings(scenery: Scenery, library: Library) -> Instances:
    heads = scenery.lamp_heads
    count = len(heads.yaw_rad)
    return _place(
        np.full(count, library.ids["lamp_housing"]),
        _upright(heads.yaw_rad.astype(np.float64), np.ones((count, 3))),
        heads.location.astype(np.float64),
        np.full((count, 3), 255, np.uint8),
        np.full(count, 1.0),
        np.full(count, LAMP_RADIUS_M),
    )


def _trees(scenery: Scenery, library: Library) -> Instances:
    trees = scenery.trees
    seed = trees.seed.astype(np.int64)
    tall = trees.height_m > 3.6 * trees.radius_m
    needle = tall | (seed % 5 == 0)
    model = np.where(needle, library.ids["needle_tree"], library.ids["broad_tree"])
    scale = np.column_stack([trees.radius_m, trees.radius_m, trees.height_m]).astype(np.float64)
    crown = np.array(CROWNS_RGB, np.uint8)[(seed // 3) % len(CROWNS_RGB)]
    yaw = (seed % 628) / 100.0
    return _place(
        model,
        _upright(yaw, scale),
        trees.location.astype(np.float64),
        crown,
        np.hypot(trees.height_m, trees.radius_m).astype(np.float64),
        trees.radius_m.astype(np.float64),
    )


def _poles(scenery: Scenery, library: Library) -> Instances:
    poles = scenery.poles
    start, along = poles.start.astype(np.float64), (poles.end - poles.start).astype(np.float64)
    length = np.linalg.norm(along, axis=1, keepdims=True)
    direction = along / np.maximum(length, 1e-9)
    steep = np.abs(direction[:, 2:]) > 0.9
    reference = np.where(steep, np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    across = np.cross(reference, direction)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    third = np.cross(direction, across)
    radius = poles.radius_m.astype(np.float64)[:, None]
    linear = np.stack([across * radius, third * radius, along], axis=2)
    placed = _place(
        np.full(len(radius), library.ids["pole"]),
        linear,
        start,
        np.full((len(radius), 3), 255, np.uint8),
        0.5 * length[:, 0] + radius[:, 0],
        2.0 * radius[:, 0],
    )
    placed.centre_m[:] = start + 0.5 * along
    return placed


def _signs(scenery: Scenery, library: Library) -> Instances:
    signs = scenery.sign_faces
    plain = {SignKind.STOP: library.ids["stop_sign"], SignKind.YIELD: library.ids["yield_sign"]}
    model = np.array(
        [
            plain.get(SignKind(kind), library.speed_limit(int(value)))
            for kind, value in zip(signs.kind, signs.value, strict=True)
        ],
        np.int64,
    )
    scale = np.repeat(signs.radius_m.astype(np.float64)[:, None], 3, axis=1)
    return _place(
        model,
        _upright(signs.yaw_rad.astype(np.float64), scale),
        signs.location.astype(np.float64),
        np.full((len(model), 3), 255, np.uint8),
        signs.radius_m.astype(np.float64),
        signs.radius_m.astype(np.float64),
    )
