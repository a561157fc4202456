"""Bodies with their rotations worked out, for all passes that need them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.simulator.render.frame import F64, U8, U32, Bodies
from evaluation.simulator.render.projection import rotation_matrices


@dataclass(frozen=True)
class PosedBodies:
    """n bodies: world-from-body rotation `turn` (n, 3, 3), centre of the box centre_m (n, 3) in the
    world, half_m (n, 3) of the box, and what `Bodies` says of them."""

    kind: U8
    turn: F64
    centre_m: F64
    half_m: F64
    colour_rgb: U8
    light_flags: U32
    semantic_tag: U8
    object_id: U32

    @classmethod
    def of(cls, bodies: Bodies) -> PosedBodies:
        """Work the rotations out."""
        turn = rotation_matrices(np.asarray(bodies.rotation_rad, np.float64))
        offset = (turn @ np.asarray(bodies.box_centre_m, np.float64)[:, :, None])[:, :, 0]
        return cls(
            kind=np.asarray(bodies.kind, np.uint8),
            turn=turn,
            centre_m=np.asarray(bodies.position_world_m, np.float64) + offset,
            half_m=np.asarray(bodies.half_extent_m, np.float64),
            colour_rgb=np.asarray(bodies.colour_rgb, np.uint8),
            light_flags=np.asarray(bodies.light_flags, np.uint32),
            semantic_tag=np.asarray(bodies.semantic_tag, np.uint8),
            object_id=np.asarray(bodies.object_id, np.uint32),
        )
