"""Soft patches on the ground: contact shadows, and at night pools of headlight and street lamps."""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.atmosphere import SUN_STRENGTH, Atmosphere
from evaluation.simulator.render.chunk_pass import (
    FIRST_INSTANCE,
    INDEX_COUNT,
    INSTANCE_COUNT,
    CommandBuffer,
)
from evaluation.simulator.render.frame import LightFlag
from evaluation.simulator.render.posed import PosedBodies
from evaluation.simulator.render.projection import Viewpoints
from evaluation.simulator.town.scenery import StreetLamps

DECAL_DTYPE = np.dtype(
    [
        ("centre", np.float32, 3),
        ("along", np.float32, 3),
        ("across", np.float32, 3),
        ("tint", np.float32, 4),
    ]
)
DECAL_FORMAT = "3f4 3f4 3f4 4f4/i"
DECAL_ATTRIBUTES = ("in_centre", "in_along", "in_across", "in_tint")

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_DARK = 0.05
"""Darkness from which headlights show on the road."""
_LIFT_M = 0.03
_SHADOW_FEATURE = 0.05
"""Thickness of a decal seen at a flat angle, in parts of its radius."""
_MAX_SHIFT_M = 0.9
_BEAM_HALF_LENGTH_M = 7.5
_BEAM_HALF_WIDTH_M = 2.2
_BEAM_RGB = (0.34, 0.31, 0.24)
_POOL_RADII_M = (10.0, 7.0, 4.0)
"""A street lamp's light falls off outwards: three pools, one on the other."""
_POOL_SHARE = 0.11
"""What one pool adds, of the colour that the lamp shines with."""
_POOL_LIFT_M = 0.15
"""Pools are level, pavements and roads under them not quite."""


class DecalPass:
    """Blended quads, drawn after the ground."""

    def __init__(
        self, context: moderngl.Context, program: moderngl.Program, lamps: StreetLamps
    ) -> None:
        self._context, self._program = context, program
        self._pools, self._pool_radius = _pools(lamps)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
        self._corners = context.buffer(corners.tobytes())
        self._indices = context.buffer(np.array([0, 1, 2, 0, 2, 3], np.uint32).tobytes())
        self._commands = CommandBuffer(context)
        self._has_lights = False
        self._reserve(256)

    def _reserve(self, count: int) -> None:
        """Make room for `count` decals."""
        self._capacity = count
        self._instances = self._context.buffer(reserve=count * DECAL_DTYPE.itemsize, dynamic=True)
        self._array = self._context.vertex_array(
            self._program,
            [
                (self._corners, "2f4", "in_corner"),
                (self._instances, DECAL_FORMAT, *DECAL_ATTRIBUTES),
            ],
            self._indices,
        )

    def prepare(
        self, bodies: PosedBodies, lights_rgb: F32, air: Atmosphere, views: Viewpoints
    ) -> None:
        """Lay the decals of all bodies and lamps and choose those near each camera.

        lights_rgb: what each street lamp shines with (n, 3), or no row at all.
        """
        foot = bodies.centre_m - bodies.turn[:, :, 2] * bodies.half_m[:, 2:]
        foot[:, 2] += _LIFT_M
        decals, radius = _shadows(bodies, foot, air)
        self._has_lights = air.darkness > _DARK
        if self._has_lights:
            beams, beam_radius = _beams(bodies, foot, air)
            pools, pool_radius = self._lit_pools(lights_rgb, air)
            decals = np.concatenate([pools, beams, decals])
            radius = np.concatenate([pool_radius, beam_radius, radius])
        seen, _ = views.see_spheres(decals["centre"], radius, _SHADOW_FEATURE * radius)
        chosen = [decals[row] for row in seen]
        commands = np.zeros((len(chosen), 1, 5), np.uint32)
        counts = np.array([len(part) for part in chosen])
        commands[:, 0, INDEX_COUNT] = 6
        commands[:, 0, INSTANCE_COUNT] = counts
        commands[:, 0, FIRST_INSTANCE] = np.cumsum(counts) - counts
        self._commands.write(list(commands))
        total = int(counts.sum())
        if total > self._capacity:
            self._array.release()
            self._instances.release()
            self._reserve(2 * total)
        if total:
            self._instances.write(b"".join(part.tobytes() for part in chosen))

    def _lit_pools(self, lights_rgb: F32, air: Atmosphere) -> tuple[NDArray[np.void], F32]:
        """The pools of the lamps that are on."""
        rgb = np.tile(lights_rgb, (len(_POOL_RADII_M), 1))
        lit = np.flatnonzero(rgb.any(axis=1))
        pools = self._pools[lit]
        pools["tint"][:, :3] = rgb[lit] * (_POOL_SHARE * air.darkness)
        return pools, self._pool_radius[lit]

    def draw(self, camera: int) -> None:
        """Draw what `prepare` chose for this camera."""
        target = self._context.fbo
        # Light falls on light, in the same plane: none may hide the other.
        target.depth_mask = not self._has_lights
        self._commands.draw(camera, self._array)
        target.depth_mask = True


def _shadows(bodies: PosedBodies, foot: F64, air: Atmosphere) -> tuple[NDArray[np.void], F32]:
    """A dark patch under each body, pushed away from the sun, and the patches' radii."""
    half = bodies.half_m
    decals = np.zeros(len(foot), DECAL_DTYPE)
    sun = air.sun_direction
    strength = float(air.sun_colour.max()) / SUN_STRENGTH
    push = -0.55 * strength * sun[:2] / max(float(sun[2]), 0.3)
    length, width = 1.12 * half[:, :1] + 0.12, 1.18 * half[:, 1:2] + 0.12
    decals["centre"] = foot
    decals["centre"][:, :2] += np.clip(half[:, 2:] * push, -_MAX_SHIFT_M, _MAX_SHIFT_M)
    decals["along"] = bodies.turn[:, :, 0] * length
    decals["across"] = bodies.turn[:, :, 1] * width
    decals["tint"][:, 3] = 0.45 + 0.20 * strength
    return decals, (length + width)[:, 0].astype(np.float32)


def _pools(lamps: StreetLamps) -> tuple[NDArray[np.void], F32]:
    """What street lamps light, still without colour, and the patches' radii."""
    radius = np.repeat(np.array(_POOL_RADII_M, np.float32), len(lamps.height_m))
    decals = np.zeros(len(radius), DECAL_DTYPE)
    foot = lamps.location - np.outer(lamps.height_m - _POOL_LIFT_M, (0.0, 0.0, 1.0))
    decals["centre"] = np.tile(foot, (len(_POOL_RADII_M), 1))
    decals["along"][:, 0] = decals["across"][:, 1] = radius
    return decals, radius


def _beams(bodies: PosedBodies, foot: F64, air: Atmosphere) -> tuple[NDArray[np.void], F32]:
    """A patch of light before each body that has its low beam on, and the patches' radii."""
    lit = (bodies.light_flags & (LightFlag.LOW_BEAM | LightFlag.HIGH_BEAM)) != 0
    decals = np.zeros(int(lit.sum()), DECAL_DTYPE)
    ahead = bodies.turn[lit, :, 0]
    decals["centre"] = foot[lit] + ahead * (bodies.half_m[lit, :1] + _BEAM_HALF_LENGTH_M)
    decals["along"] = ahead * _BEAM_HALF_LENGTH_M
    decals["across"] = bodies.turn[lit, :, 1] * _BEAM_HALF_WIDTH_M
    decals["tint"][:, :3] = np.array(_BEAM_RGB) * air.darkness
    radius = np.full(len(decals), _BEAM_HALF_LENGTH_M + _BEAM_HALF_WIDTH_M, np.float32)
    return decals, radius
