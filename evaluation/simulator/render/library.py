"""All models in one vertex array, and which model stands for what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render import rider_models, street_models, vehicle_meshes
from evaluation.simulator.render.frame import BodyKind
from evaluation.simulator.render.shapes import MODEL_VERTEX_DTYPE, Model

U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

_MODEL_OF_KIND = {
    BodyKind.CAR: "sedan",
    BodyKind.VAN: "van",
    BodyKind.TRUCK: "truck",
    BodyKind.BUS: "bus",
    BodyKind.MOTORCYCLE: "motorcycle",
    BodyKind.BICYCLE: "bicycle",
    BodyKind.WALKER: "walker_0",
    BodyKind.PROP: "crate",
    BodyKind.DOOR: "door",
}
_COARSE = {
    "sedan": "far_sedan",
    "hatch": "far_hatch",
    "off_road": "far_off_road",
    "van": "far_van",
    "broad_tree": "far_broad_tree",
    "needle_tree": "far_needle_tree",
    "pole": "far_pole",
    **{f"walker_{phase}": f"far_walker_{phase}" for phase in range(4)},
}
_SIGN_VALUES = (0, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130)


def _build_models() -> dict[str, Model]:
    closed = vehicle_meshes.closed_vehicle
    models = {
        "sedan": closed(vehicle_meshes.SEDAN),
        "hatch": closed(vehicle_meshes.HATCH),
        "off_road": closed(vehicle_meshes.OFF_ROAD),
        "van": closed(vehicle_meshes.VAN),
        "truck": vehicle_meshes.lorry(),
        "bus": vehicle_meshes.coach(),
        "motorcycle": vehicle_meshes.motorcycle(),
        "bicycle": vehicle_meshes.bicycle(),
        "door": vehicle_meshes.door(),
        "cone": street_models.cone(),
        "barrier": street_models.barrier(),
        "crate": street_models.crate(),
        "broad_tree": street_models.broad_tree(),
        "needle_tree": street_models.needle_tree(),
        "far_broad_tree": street_models.far_broad_tree(),
        "far_needle_tree": street_models.far_needle_tree(),
        "far_pole": street_models.far_pole(),
        "far_sedan": vehicle_meshes.far_vehicle(vehicle_meshes.SEDAN),
        "far_hatch": vehicle_meshes.far_vehicle(vehicle_meshes.HATCH),
        "far_off_road": vehicle_meshes.far_vehicle(vehicle_meshes.OFF_ROAD),
        "far_van": vehicle_meshes.far_vehicle(vehicle_meshes.VAN),
        "pole": street_models.pole(),
        "lamp_housing": street_models.lamp_housing(),
        "stop_sign": street_models.stop_sign(),
        "yield_sign": street_models.yield_sign(),
    }
    for phase, stride in enumerate(rider_models.WALKER_PHASES):
        models[f"walker_{phase}"] = rider_models.walker(stride)
    for phase, stride in enumerate(rider_models.WALKER_PHASES):
        models[f"far_walker_{phase}"] = rider_models.far_walker(stride)
    for value in _SIGN_VALUES:
        models[f"speed_limit_{value}"] = street_models.speed_limit_sign(value)
    return models


@dataclass(frozen=True)
class Library:
    """The models in one array of vertices and indices.

    Row k of first_index, index_count, first_vertex belongs to the model whose `ids` entry is k;
    `coarse[k]` is the model that stands for it in the distance. Semantic tags belong to the
    instances, not to the models (a box may be anything).
    """

    vertices: NDArray[np.void]
    indices: U32
    first_index: U32
    index_count: U32
    first_vertex: U32
    coarse: I64
    ids: dict[str, int]

    @classmethod
    @cache
    def build(cls) -> Library:
        """Model everything, once a process."""
        models = _build_models()
        vertex_counts = np.array([len(m.vertices) for m in models.values()])
        index_counts = np.array([m.triangles.size for m in models.values()])
        vertices = np.concatenate(
            [np.zeros(0, MODEL_VERTEX_DTYPE), *(m.vertices for m in models.values())]
        )
        ids = {name: row for row, name in enumerate(models)}
        coarse = [ids[_COARSE.get(name, name)] for name in models]
        return cls(
            vertices=vertices,
            indices=np.concatenate([m.triangles.ravel() for m in models.values()]),
            first_index=(np.cumsum(index_counts) - index_counts).astype(np.uint32),
            index_count=index_counts.astype(np.uint32),
            first_vertex=(np.cumsum(vertex_counts) - vertex_counts).astype(np.uint32),
            coarse=np.array(coarse, np.int64),
            ids=ids,
        )

    def speed_limit(self, value: int) -> int:
        """The sign with this number, or the one without a number."""
        return self.ids.get(f"speed_limit_{value}", self.ids["speed_limit_0"])

    def body_models(self, kind: NDArray[np.uint8], half_extent_m: F64, position_m: F64) -> I64:
        """Model of each body (n,): by kind, and by proportions where a kind has several models.

        A walker's phase of step follows from its place, so an image depends on nothing else.
        """
        ids = self.ids
        chosen = np.array([ids[_MODEL_OF_KIND[k]] for k in BodyKind], np.int64)[kind]
        length, width, height = half_extent_m.T
        cars = kind == BodyKind.CAR
        chosen[cars & (height > 0.365 * length)] = ids["hatch"]
        chosen[cars & (height > 0.84)] = ids["off_road"]
        props = kind == BodyKind.PROP
        if props.any():
            square = np.minimum(length, width) > 0.7 * np.maximum(length, width)
            chosen[props & square & (height > 1.1 * width)] = ids["cone"]
            chosen[props & (width > 2.5 * length) & (height < 0.9)] = ids["barrier"]
        walkers = np.flatnonzero(kind == BodyKind.WALKER)
        steps = np.abs(position_m[walkers, :2].sum(axis=1)) / rider_models.WALKER_STEP_M
        chosen[walkers] += steps.astype(np.int64) % len(rider_models.WALKER_PHASES)
        return chosen
