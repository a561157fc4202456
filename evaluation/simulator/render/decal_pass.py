"""Soft patches on the ground: contact shadows, and pools of headlight at night."""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.atmosphere import SUN_STRENGTH, Atmosphere
from evaluation.simulator.render.chunk_pass import COMMAND_DTYPE, CommandBuffer
from evaluation.simulator.render.frame import Bodies, LightFlag
from evaluation.simulator.render.projection import Viewpoints, rotation_matrices

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

_LIFT_M = 0.03
_SHADOW_FEATURE = 0.05
"""Thickness of a decal seen at a flat angle, in parts of its radius."""
_MAX_SHIFT_M = 0.9
_BEAM_HALF_LENGTH_M = 7.5
_BEAM_RGB = (0.34, 0.31, 0.24)


class DecalPass:
    """Blended quads, drawn after the ground."""

    def __init__(self, context: moderngl.Context, program: moderngl.Program) -> None:
        self._context, self._program = context, program
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
        self._corners = context.buffer(corners.tobytes())
        self._indices = context.buffer(np.array([0, 1, 2, 0, 2, 3], np.uint32).tobytes())
        self._commands = CommandBuffer(context)
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

    def prepare(self, bodies: Bodies, air: Atmosphere, views: Viewpoints) -> None:
        """Lay the decals of all bodies and choose those near each camera."""
        decals = _shadows(bodies, air)
        if air.darkness > 0.05:
            decals = np.concatenate([_beams(bodies, air), decals])
        radius = np.linalg.norm(decals["along"], axis=1) + np.linalg.norm(decals["across"], axis=1)
        feature = _SHADOW_FEATURE * radius
        seen, _ = views.see_spheres(decals["centre"], radius, feature)
        chosen = [decals[row] for row in seen]
        commands = np.zeros((len(chosen), 1), COMMAND_DTYPE)
        counts = np.array([len(part) for part in chosen])
        commands["index_count"] = 6
        commands["instance_count"][:, 0] = counts
        commands["first_instance"][:, 0] = np.cumsum(counts) - counts
        self._commands.write(list(commands))
        total = int(counts.sum())
        if total > self._capacity:
            self._array.release()
            self._instances.release()
            self._reserve(2 * total)
        if total:
            self._instances.write(np.concatenate(chosen).tobytes())

    def draw(self, camera: int) -> None:
        """Draw what `prepare` chose for this camera."""
        self._commands.draw(camera, self._array)


def _frames(bodies: Bodies) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (n, 3, 3), foot of the box (n, 3) and half extents (n, 3) of each body."""
    turn = rotation_matrices(np.asarray(bodies.rotation_rad, np.float64))
    half = np.asarray(bodies.half_extent_m, np.float64)
    foot = np.asarray(bodies.box_centre_m, np.float64) - half * np.array([0.0, 0.0, 1.0])
    return turn, bodies.position_world_m + np.einsum("nij,nj->ni", turn, foot), half


def _shadows(bodies: Bodies, air: Atmosphere) -> NDArray[np.void]:
    """A dark patch under each body, pushed away from the sun."""
    turn, foot, half = _frames(bodies)
    decals = np.zeros(len(foot), DECAL_DTYPE)
    sun = air.sun_direction
    slope = -sun[:2] / max(float(sun[2]), 0.3)
    strength = float(air.sun_colour.max()) / SUN_STRENGTH
    shift = np.clip(np.outer(half[:, 2], slope) * 0.55 * strength, -_MAX_SHIFT_M, _MAX_SHIFT_M)
    decals["centre"] = foot + np.array([0.0, 0.0, _LIFT_M])
    decals["centre"][:, :2] += shift
    decals["along"] = turn[:, :, 0] * (1.12 * half[:, :1] + 0.12)
    decals["across"] = turn[:, :, 1] * (1.18 * half[:, 1:2] + 0.12)
    decals["tint"][:, 3] = 0.45 + 0.20 * strength
    return decals


def _beams(bodies: Bodies, air: Atmosphere) -> NDArray[np.void]:
    """A patch of light before each body that has its low beam on."""
    turn, foot, half = _frames(bodies)
    lit = (np.asarray(bodies.light_flags) & (LightFlag.LOW_BEAM | LightFlag.HIGH_BEAM)) != 0
    turn, foot, half = turn[lit], foot[lit], half[lit]
    decals = np.zeros(len(foot), DECAL_DTYPE)
    ahead = turn[:, :, 0]
    reach = half[:, :1] + _BEAM_HALF_LENGTH_M
    decals["centre"] = foot + ahead * reach + np.array([0.0, 0.0, _LIFT_M])
    decals["along"] = ahead * _BEAM_HALF_LENGTH_M
    decals["across"] = turn[:, :, 1] * 2.2
    decals["tint"][:, :3] = np.array(_BEAM_RGB) * air.darkness
    return decals
