"""The blueprint library: what can be spawned, and how large and heavy it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from evaluation.simulator.catalogue.prop_sizes import FLAT_PROPS, PROP_SIZES_M
from evaluation.simulator.catalogue.sensor_blueprints import SENSOR_ATTRIBUTES
from evaluation.simulator.catalogue.vehicle_models import VEHICLE_MODELS, VehicleModel
from evaluation.simulator.wire.actor_records import Attribute, Definition
from evaluation.simulator.wire.codec import BoundingBox, Vector3D
from evaluation.simulator.wire.dialect import AttributeType, Dialect

WALKER_COUNT = 49
CHILD_WALKERS = (*range(9, 15), 48, 49)
_ADULT_SIZE_M = (0.38, 0.50, 1.80)
_CHILD_SIZE_M = (0.34, 0.44, 1.24)

_NO_BODY = BoundingBox()
_OF_0_9_16 = ("sensor.other.v2x", "sensor.camera.cosmos_visualization")
"""Sensors that came with the version that knows V2X."""


class ActorKind(IntEnum):
    """What an actor is to the simulator."""

    VEHICLE = 0
    WALKER = 1
    TRAFFIC_LIGHT = 2
    TRAFFIC_SIGN = 3
    SENSOR = 4
    PROP = 5
    OTHER = 6


@dataclass(frozen=True)
class Blueprint:
    """One kind of actor.

    Attributes:
        definition: what clients see.
        kind: what it is to the simulator.
        bounding_box: in the actor's frame; zero for things without a body.
        semantic_tag: CARLA's label, 0 for things without a body.
        collides: whether other actors bump into it.
        model: measures of a vehicle, else None.
    """

    definition: Definition
    kind: ActorKind
    bounding_box: BoundingBox = _NO_BODY
    semantic_tag: int = 0
    collides: bool = False
    model: VehicleModel | None = None


class BlueprintLibrary:
    """All blueprints, by type id."""

    def __init__(self) -> None:
        self._blueprints: dict[str, Blueprint] = {}
        for model in VEHICLE_MODELS:
            self._add_vehicle(model)
        for number in range(1, WALKER_COUNT + 1):
            self._add_walker(number)
        for name, size_m in PROP_SIZES_M.items():
            self._add_prop(name, size_m)
        for type_id, attributes in SENSOR_ATTRIBUTES.items():
            self._add(type_id, attributes, ActorKind.SENSOR)
        self._add("controller.ai.walker", (_role_name("default"),), ActorKind.OTHER)
        friction = [Attribute("friction", AttributeType.FLOAT, "3.5")]
        friction += [Attribute(f"extent_{axis}", AttributeType.FLOAT, "1.0") for axis in "xyz"]
        self._add("static.trigger.friction", tuple(friction), ActorKind.OTHER)

    def __getitem__(self, type_id: str) -> Blueprint:
        """Return a blueprint; raise KeyError for an unknown id."""
        return self._blueprints[type_id]

    def __contains__(self, type_id: object) -> bool:
        return type_id in self._blueprints

    def __iter__(self) -> Iterator[Blueprint]:
        return iter(self._blueprints.values())

    def to_wire(self, dialect: Dialect) -> list[object]:
        """Return all definitions as the client's version reads them."""
        return [
            item.definition.to_wire(dialect)
            for type_id, item in self._blueprints.items()
            if dialect.has_v2x or not type_id.startswith(_OF_0_9_16)
        ]

    def _add(
        self,
        type_id: str,
        attributes: tuple[Attribute, ...],
        kind: ActorKind,
        bounding_box: BoundingBox = _NO_BODY,
        semantic_tag: int = 0,
        collides: bool = False,
        model: VehicleModel | None = None,
    ) -> None:
        uid = len(self._blueprints) + 1
        tags = type_id.replace(".", ",")
        definition = Definition(uid, type_id, tags, attributes)
        self._blueprints[type_id] = Blueprint(
            definition, kind, bounding_box, semantic_tag, collides, model
        )

    def _add_vehicle(self, model: VehicleModel) -> None:
        self._add(
            f"vehicle.{model.name}",
            _vehicle_attributes(model),
            ActorKind.VEHICLE,
            standing_box(model.size_m),
            model.semantic_tag,
            collides=True,
            model=model,
        )

    def _add_walker(self, number: int) -> None:
        child = number in CHILD_WALKERS
        length_m, width_m, height_m = _CHILD_SIZE_M if child else _ADULT_SIZE_M
        # A walker's origin is at its middle, not at its feet.
        box = BoundingBox(Vector3D(), Vector3D(length_m / 2, width_m / 2, height_m / 2))
        attributes = (
            _role_name("pedestrian"),
            _fixed("gender", AttributeType.STRING, "female" if number % 2 == 0 else "male"),
            _fixed("age", AttributeType.STRING, "child" if child else "adult"),
            _fixed("generation", AttributeType.INT, "2" if number > 14 else "1"),
            Attribute("speed", AttributeType.FLOAT, "1.4", ("0.0", "1.4", "2.8"), False),
            Attribute("is_invincible", AttributeType.BOOL, "true"),
            Attribute("can_use_wheelchair", AttributeType.BOOL, "false", (), False),
        )
        type_id = f"walker.pedestrian.{number:04d}"
        self._add(type_id, attributes, ActorKind.WALKER, box, 12, collides=True)

    def _add_prop(self, name: str, size_m: tuple[float, float, float]) -> None:
        self._add(
            f"static.prop.{name}",
            (_role_name("prop"), Attribute("mesh_path", AttributeType.STRING, ""))
            if name == "mesh"
            else (_role_name("prop"), _fixed("size", AttributeType.STRING, _size_word(size_m))),
            ActorKind.PROP,
            standing_box(size_m),
            20,
            collides=name not in FLAT_PROPS,
        )


def standing_box(size_m: tuple[float, float, float]) -> BoundingBox:
    """Return the box of a thing whose origin is on the ground below its middle."""
    length_m, width_m, height_m = size_m
    return BoundingBox(
        Vector3D(0.0, 0.0, height_m / 2), Vector3D(length_m / 2, width_m / 2, height_m / 2)
    )


def _role_name(value: str) -> Attribute:
    recommended = ("autopilot", "scenario", "ego_vehicle") if value == "autopilot" else (value,)
    return Attribute("role_name", AttributeType.STRING, value, recommended)


def _fixed(name: str, kind: AttributeType, value: str) -> Attribute:
    return Attribute(name, kind, value, (), False)


def _size_word(size_m: tuple[float, float, float]) -> str:
    volume_m3 = size_m[0] * size_m[1] * size_m[2]
    for limit_m3, word in ((0.1, "tiny"), (1.0, "small"), (5.0, "medium")):
        if volume_m3 < limit_m3:
            return word
    return "big"


def _vehicle_attributes(model: VehicleModel) -> tuple[Attribute, ...]:
    def truth(value: bool) -> str:
        return "true" if value else "false"

    attributes = [
        _role_name("autopilot"),
        _fixed("base_type", AttributeType.STRING, model.base_type),
        _fixed("special_type", AttributeType.STRING, model.special_type),
        _fixed("generation", AttributeType.INT, str(model.generation)),
        _fixed("number_of_wheels", AttributeType.INT, str(model.wheel_count)),
        _fixed("has_lights", AttributeType.BOOL, truth(model.has_lights)),
        _fixed("has_dynamic_doors", AttributeType.BOOL, truth(model.has_dynamic_doors)),
        _fixed("object_type", AttributeType.STRING, ""),
        Attribute("sticky_control", AttributeType.BOOL, "true"),
        Attribute("terramechanics", AttributeType.BOOL, "false"),
    ]
    if model.colours:
        attributes.append(
            Attribute("color", AttributeType.RGB, model.colours[0], model.colours, True, True)
        )
    return tuple(attributes)
