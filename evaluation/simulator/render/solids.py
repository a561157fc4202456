"""What cameras see, as triangles in the world: the same shapes, for rays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.facades import facade_soups
from evaluation.simulator.render.instances import (
    Instances,
    body_instances,
    only,
    shown_instances,
    static_instances,
)
from evaluation.simulator.render.library import Library
from evaluation.simulator.render.palette import LOOKS
from evaluation.simulator.render.posed import PosedBodies
from evaluation.simulator.render.surfaces import shown_meshes
from evaluation.simulator.town.scenery import Scenery
from evaluation.simulator.town.shown import Shown

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]

_BUILDING_TAG = 3
_LAYER_M = 0.001
"""How far apart coplanar surfaces are laid, so that a ray meets the upper one."""


@dataclass(frozen=True)
class Solids:
    """n triangles: corners (n, 3, 3) world m; semantic tag (n,) and number of the object (n,)."""

    corners: F32
    tag: U8
    object_id: U32

    @classmethod
    def join(cls, parts: list[Solids]) -> Solids:
        """One after another."""
        return cls(
            np.concatenate([np.zeros((0, 3, 3), np.float32), *(part.corners for part in parts)]),
            np.concatenate([np.zeros(0, np.uint8), *(part.tag for part in parts)]),
            np.concatenate([np.zeros(0, np.uint32), *(part.object_id for part in parts)]),
        )


def static_solids(scenery: Scenery, shown: Shown | None = None) -> Solids:
    """Everything that never moves and is `shown`, None: all of it.

    What is not an object of its own has the number 0.
    """
    parts = []
    for mesh in shown_meshes(scenery.meshes, shown):
        corners = mesh.vertices[mesh.triangles].astype(np.float32)
        corners[:, :, 2] += LOOKS[mesh.material].layer * _LAYER_M
        tag = np.full(len(corners), mesh.material.semantic_tag, np.uint8)
        parts.append(Solids(corners, tag, np.zeros(len(corners), np.uint32)))
    for soup in facade_soups(scenery.buildings, shown):
        vertices = soup.vertices[soup.triangles]
        tag = np.full(len(vertices), _BUILDING_TAG, np.uint8)
        parts.append(Solids(vertices["position"], tag, vertices["object"][:, 0]))
    library = Library.build()
    placed, _ = static_instances(scenery, library)
    if shown is not None:
        placed = only(placed, shown_instances(shown))
    parts.append(_model_solids(placed, library))
    return Solids.join(parts)


def body_solids(bodies: PosedBodies) -> Solids:
    """Everything that moves."""
    library = Library.build()
    return _model_solids(body_instances(bodies, 0.0, library), library)


def _model_solids(placed: Instances, library: Library) -> Solids:
    parts = []
    for model in np.unique(placed.model).tolist():
        first, count = int(library.first_index[model]), int(library.index_count[model])
        index = library.indices[first : first + count] + library.first_vertex[model]
        local = library.vertices["position"][index].astype(np.float64)
        records = placed.records[placed.model == model]
        rows = records["rows"].astype(np.float64)
        world = np.einsum("nij,kj->nki", rows[:, :, :3], local) + rows[:, None, :, 3]
        corners = world.reshape(-1, 3, 3).astype(np.float32)
        each = count // 3
        tag, number = records["paint"][:, 3], records["object"]
        parts.append(Solids(corners, np.repeat(tag, each), np.repeat(number, each)))
    return Solids.join(parts)
