"""What a town looks like and what stands in the way: plain arrays, read by renderer and collision.

Frame: CARLA's world (x forward/east, y right/south, z up, metres, left-handed; yaw clockwise from
above, radians). Arrays of one record share their first dimension.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
I32 = NDArray[np.int32]

LAMP_HOUSING_HALF_EXTENT_M = (0.15, 0.21, 0.62)
"""Half size of a traffic-light housing: along its yaw, across, up."""
LAMP_RADIUS_M = 0.175
LAMP_SPACING_M = 0.39
"""Vertical distance between the lamps' centres: red above, yellow at the centre, green below."""


class Material(IntEnum):
    """Surface kinds; `semantic_tag` is CARLA's label of each (0.9.14 and later)."""

    ROAD = 0
    SIDEWALK = 1
    KERB = 2
    GRASS = 3
    MARKING_WHITE = 4
    MARKING_YELLOW = 5
    CROSSWALK = 6
    CONCRETE = 7

    @property
    def semantic_tag(self) -> int:
        return _SEMANTIC_TAGS[self]


_SEMANTIC_TAGS = {
    Material.ROAD: 1,
    Material.SIDEWALK: 2,
    Material.KERB: 2,
    Material.GRASS: 10,
    Material.MARKING_WHITE: 24,
    Material.MARKING_YELLOW: 24,
    Material.CROSSWALK: 24,
    Material.CONCRETE: 4,
}


class SignKind(IntEnum):
    """Shapes of sign plates: red octagon, triangle point down, round with a number."""

    STOP = 0
    YIELD = 1
    SPEED_LIMIT = 2


@dataclass(frozen=True)
class Mesh:
    """Triangles of one material: vertices (n, 3) world m, triangles (m, 3) vertex indices.

    Level triangles (a, b, c) are wound so that cross(b - a, c - a) has a positive z in these
    coordinates; upright faces (kerbs, walls) are meant to be seen from both sides.
    """

    material: Material
    vertices: F32
    triangles: U32


@dataclass(frozen=True)
class Buildings:
    """Upright boxes standing on the ground: centre and half_extent (n, 3) m, yaw_rad (n,).

    `seed` (n,) picks colour and window pattern.
    """

    centre: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    half_extent: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    yaw_rad: F32 = field(default_factory=lambda: np.zeros(0, np.float32))
    seed: U32 = field(default_factory=lambda: np.zeros(0, np.uint32))


@dataclass(frozen=True)
class Trees:
    """`location` (n, 3) m is the foot of the trunk; height is total, `radius_m` the crown's."""

    location: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    height_m: F32 = field(default_factory=lambda: np.zeros(0, np.float32))
    radius_m: F32 = field(default_factory=lambda: np.zeros(0, np.float32))
    trunk_radius_m: F32 = field(default_factory=lambda: np.zeros(0, np.float32))
    seed: U32 = field(default_factory=lambda: np.zeros(0, np.uint32))


@dataclass(frozen=True)
class Poles:
    """Round bars from `start` to `end` (n, 3) m: lamp posts, sign posts, masts and their arms."""

    start: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    end: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    radius_m: F32 = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class SignFaces:
    """Sign plates: `kind` (n,) SignKind, `value` (n,) the number shown (km/h, 0 for none).

    `location` (n, 3) centre of the plate, `yaw_rad` (n,) where the plate looks to (towards the
    driver who must obey it), `radius_m` (n,).
    """

    kind: U8 = field(default_factory=lambda: np.zeros(0, np.uint8))
    value: I32 = field(default_factory=lambda: np.zeros(0, np.int32))
    location: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    yaw_rad: F32 = field(default_factory=lambda: np.zeros(0, np.float32))
    radius_m: F32 = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class LampHeads:
    """Traffic-light housings: `light_index` (n,) is the index in `Town.traffic_lights`.

    `location` (n, 3) centre of the housing, `yaw_rad` (n,) where the lamps shine to (towards the
    waiting driver). Sizes: LAMP_HOUSING_HALF_EXTENT_M, LAMP_RADIUS_M, LAMP_SPACING_M.
    """

    light_index: I32 = field(default_factory=lambda: np.zeros(0, np.int32))
    location: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    yaw_rad: F32 = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class StreetLamps:
    """What lights the streets at night: `location` (n, 3) m of the lamps, `height_m` (n,) of each
    above the pavement below it."""

    location: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    height_m: F32 = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class StaticBoxes:
    """What a vehicle can hit, as upright boxes: centre, half_extent (n, 3) m, yaw_rad (n,).

    `semantic_tag` (n,): 3 building, 6 pole, 9 tree.
    """

    centre: F32
    half_extent: F32
    yaw_rad: F32
    semantic_tag: U8

    def only(self, rows: NDArray[np.bool_]) -> StaticBoxes:
        """Those whose flag (n,) is set."""
        return StaticBoxes(
            self.centre[rows], self.half_extent[rows], self.yaw_rad[rows], self.semantic_tag[rows]
        )


@dataclass(frozen=True)
class Scenery:
    """Everything in a town that never moves."""

    meshes: tuple[Mesh, ...] = ()
    buildings: Buildings = field(default_factory=Buildings)
    trees: Trees = field(default_factory=Trees)
    poles: Poles = field(default_factory=Poles)
    lamp_heads: LampHeads = field(default_factory=LampHeads)
    sign_faces: SignFaces = field(default_factory=SignFaces)
    street_lamps: StreetLamps = field(default_factory=StreetLamps)

    def upright_poles(self) -> NDArray[np.bool_]:
        """Which poles (n,) stand, and are no arms overhead."""
        poles = self.poles
        across = np.linalg.norm(poles.end[:, :2] - poles.start[:, :2], axis=1)
        upright: NDArray[np.bool_] = across < 0.1 * np.abs(poles.end[:, 2] - poles.start[:, 2])
        return upright

    def static_boxes(self) -> StaticBoxes:
        """Buildings, standing poles and tree trunks as boxes; arms overhead are left out."""
        poles, upright = self.poles, self.upright_poles()
        start, end, pole_radius = poles.start[upright], poles.end[upright], poles.radius_m[upright]
        pole_half = np.column_stack([pole_radius, pole_radius, 0.5 * (end - start)[:, 2]])
        trees = self.trees
        trunk = trees.trunk_radius_m
        trunk_half = np.column_stack([trunk, trunk, 0.5 * trees.height_m])
        trunk_centre = trees.location + trunk_half * np.array([0.0, 0.0, 1.0], np.float32)
        counts = (len(self.buildings.centre), len(start), len(trunk))
        round_yaw = np.zeros(counts[1] + counts[2], np.float32)
        return StaticBoxes(
            centre=np.concatenate([self.buildings.centre, 0.5 * (start + end), trunk_centre]),
            half_extent=np.concatenate([self.buildings.half_extent, pole_half, trunk_half]),
            yaw_rad=np.concatenate([self.buildings.yaw_rad, round_yaw]),
            semantic_tag=np.repeat(np.array([3, 6, 9], np.uint8), counts),
        )
