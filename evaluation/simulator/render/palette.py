"""How each surface material looks."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.simulator.town.scenery import Material


@dataclass(frozen=True)
class Look:
    """Appearance of a material.

    colour_rgb 0..255 as displayed; `grain` and `blades` weight the two noises; `wet` says how much
    rain darkens it and `layer` which of coplanar surfaces lies on top; `feature_m` is the width of
    its smallest pieces, not drawn where they are too small to see; `plain` ones are too narrow
    for noise.
    """

    colour_rgb: tuple[int, int, int]
    grain: float = 0.0
    blades: float = 0.0
    wet: float = 0.5
    layer: int = 0
    feature_m: float = 10.0
    plain: bool = False


LOOKS: dict[Material, Look] = {
    Material.ROAD: Look((92, 92, 96), grain=0.36, wet=1.0, layer=2),
    Material.SIDEWALK: Look((158, 154, 148), grain=0.22, wet=0.7, layer=3),
    Material.KERB: Look((182, 180, 174), wet=0.6, layer=3, feature_m=0.1, plain=True),
    Material.GRASS: Look((98, 124, 62), grain=0.10, blades=0.45, wet=0.3, layer=0),
    Material.MARKING_WHITE: Look((236, 236, 232), wet=0.5, layer=5, feature_m=0.15, plain=True),
    Material.MARKING_YELLOW: Look((226, 178, 40), wet=0.5, layer=5, feature_m=0.15, plain=True),
    Material.CROSSWALK: Look((228, 228, 224), wet=0.5, layer=4, feature_m=0.5, plain=True),
    Material.CONCRETE: Look((150, 148, 142), grain=0.20, wet=0.7, layer=1),
}

FACADES_RGB: tuple[tuple[int, int, int], ...] = (
    (178, 160, 138),
    (150, 92, 74),
    (196, 188, 174),
    (122, 126, 132),
    (206, 180, 140),
    (168, 120, 96),
    (140, 150, 156),
    (214, 206, 196),
    (112, 100, 92),
    (186, 170, 120),
)

CROWNS_RGB: tuple[tuple[int, int, int], ...] = (
    (84, 118, 52),
    (70, 104, 50),
    (104, 128, 56),
    (62, 94, 58),
    (118, 122, 58),
)
