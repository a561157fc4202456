"""Everything that moves, as the renderer and the rays take it."""

from __future__ import annotations

import numpy as np

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.physics.pose import compose, rotation_matrices
from evaluation.simulator.render.frame import Bodies, BodyKind
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

_BODY_KINDS = {
    "car": BodyKind.CAR,
    "van": BodyKind.VAN,
    "truck": BodyKind.TRUCK,
    "bus": BodyKind.BUS,
    "motorcycle": BodyKind.MOTORCYCLE,
    "bicycle": BodyKind.BICYCLE,
}
_VISIBLE = (ActorKind.VEHICLE, ActorKind.WALKER, ActorKind.PROP)
_DEFAULT_RGB = {ActorKind.VEHICLE: (90, 95, 105), ActorKind.PROP: (200, 90, 30)}
_CLOTHES_RGB = ((52, 70, 110), (120, 40, 40), (60, 90, 60), (150, 130, 90), (40, 40, 46))


class BodySurvey:
    """Collects the bodies of a world; remembers what does not change between ticks."""

    def __init__(self) -> None:
        self._surveyed: tuple[World | None, int] = (None, 0)
        self._actors: list[Actor] = []
        self._kind = np.zeros(0, np.uint8)
        self._half_extent = np.zeros((0, 3))
        self._box_centre = np.zeros((0, 3))
        self._colour = np.zeros((0, 3), np.uint8)
        self._tag = np.zeros(0, np.uint8)
        self._id = np.zeros(0, np.uint32)
        # Open doors are the last bodies; pitch, yaw, roll of each against its vehicle.
        self._door_turn_deg = np.zeros((0, 3))

    def bodies(self, world: World) -> Bodies:
        """Return all bodies where they are now."""
        # Another episode in the same town may have come to the same membership.
        seen, membership = self._surveyed
        if seen is not world or membership != world.membership:
            self._survey(world)
        rows = [actor.row for actor in self._actors]
        rotation = world.table.rotation_deg[rows]
        flags = np.array([actor.light_flags for actor in self._actors], np.uint32)
        doors = len(self._door_turn_deg)
        if doors:
            origin = np.zeros((doors, 3))
            _, turned = compose(origin, rotation[-doors:], origin, self._door_turn_deg)
            rotation[-doors:] = turned
            flags[-doors:] = 0
        return Bodies(
            kind=self._kind,
            position_world_m=world.table.location[rows],
            rotation_rad=np.radians(rotation)[:, [2, 0, 1]],
            half_extent_m=self._half_extent,
            box_centre_m=self._box_centre,
            colour_rgb=self._colour,
            light_flags=flags,
            semantic_tag=self._tag,
            object_id=self._id,
        )

    def _survey(self, world: World) -> None:
        """Collect shapes and colours of everything that has a body."""
        self._surveyed = world, world.membership
        self._actors = [actor for actor in world.actors.values() if actor.kind in _VISIBLE]
        boxes = [actor.bounding_box for actor in self._actors]
        kind = [_body_kind(world, actor) for actor in self._actors]
        doors = world.attached_boxes()
        self._door_turn_deg = np.zeros((len(doors), 3))
        self._door_turn_deg[:, 1] = np.degrees(doors.yaw_rad)
        self._actors += [world.actors[actor_id] for actor_id in doors.actor_id.tolist()]
        self._kind = np.array(kind + [BodyKind.DOOR] * len(doors), np.uint8)
        extent = np.array([box.extent for box in boxes]).reshape(-1, 3)
        self._half_extent = np.concatenate([extent, doors.half_m])
        centre = np.array([box.location for box in boxes]).reshape(-1, 3)
        # In the axes of the door, as with every body.
        turn = rotation_matrices(self._door_turn_deg).transpose(0, 2, 1)
        in_door = np.einsum("nij,nj->ni", turn, doors.centre_m)
        self._box_centre = np.concatenate([centre, in_door])
        self._tag = np.array([actor.semantic_tag for actor in self._actors], np.uint8)
        self._id = np.array([actor.actor_id for actor in self._actors], np.uint32)
        colours = [_colour(actor) for actor in self._actors]
        self._colour = np.array(colours, np.uint8).reshape(-1, 3)


def _body_kind(world: World, actor: Actor) -> BodyKind:
    if actor.kind is ActorKind.WALKER:
        return BodyKind.WALKER
    model = world.blueprints[actor.type_id].model
    return BodyKind.PROP if model is None else _BODY_KINDS[model.base_type]


def _colour(actor: Actor) -> tuple[int, int, int]:
    """Return the paint that the client chose, else a fixed one."""
    if actor.kind is ActorKind.WALKER:
        return _CLOTHES_RGB[int(actor.type_id[-4:]) % len(_CLOTHES_RGB)]
    parts = actor.description.value("color").split(",")
    if len(parts) == 3 and all(part.strip().isdigit() for part in parts):
        red, green, blue = (min(int(part), 255) for part in parts)
        return red, green, blue
    return _DEFAULT_RGB[actor.kind]
