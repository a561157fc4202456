"""Calls about bones: of walkers, and the wheels of vehicles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evaluation.simulator.calls.actors import actor_of
from evaluation.simulator.calls.call import Call
from evaluation.simulator.calls.physics_control import hubs
from evaluation.simulator.calls.vehicles import vehicle_of
from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.physics.pose import place
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.codec import Transform, real, sequence, text
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.skeleton import PosedBone, WalkerPose, posed

_VEHICLE_BONES = (
    "Vehicle_Base",
    "Wheel_Front_Left",
    "Wheel_Front_Right",
    "Wheel_Rear_Left",
    "Wheel_Rear_Right",
)


def walker_of(simulator: Simulator, arguments: Sequence[Any]) -> Actor:
    """Return the living walker whose id is the first argument."""
    actor = actor_of(simulator, arguments)
    if actor.kind is not ActorKind.WALKER:
        raise CallError(f"actor {actor.actor_id} is a {actor.type_id}, not a walker")
    return actor


def _walker_bones(simulator: Simulator, actor: Actor) -> list[PosedBone]:
    half_height_m = actor.bounding_box.extent.z
    return posed(simulator.world.transform(actor), half_height_m, actor.pose)


def _vehicle_bones(simulator: Simulator, actor: Actor) -> list[PosedBone]:
    """Return the base and the four wheels of a vehicle; the front ones turned."""
    world = simulator.world
    if actor.actor_id not in world.fleet:
        raise CallError(f"vehicle {actor.actor_id} is fixed to another actor and has no wheels")
    steer_rad = float(world.fleet.state["wheel_angle_rad"][world.fleet.row(actor.actor_id)])
    here = world.transform(actor)
    poses = [Transform(), *hubs(world.fleet.spec(actor.actor_id), steer_rad)]
    return [
        PosedBone(name, place(here, pose), pose, pose)
        for name, pose in zip(_VEHICLE_BONES, poses, strict=True)
    ]


def bones_of(simulator: Simulator, actor: Actor) -> list[PosedBone]:
    """Return the bones of a walker or a vehicle; raise `CallError` for any other actor."""
    if actor.kind is ActorKind.WALKER:
        return _walker_bones(simulator, actor)
    if actor.is_vehicle:
        return _vehicle_bones(simulator, actor)
    raise CallError(f"actor {actor.actor_id} is a {actor.type_id}, which has no bones")


def get_bones(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return the bones of a walker, which stands unless a client has posed it."""
    return (_walker_bones(simulator, walker_of(simulator, arguments)),)


def set_bones(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Give bones of a walker a pose, to be blended in."""
    entries = sequence("WalkerBoneControlIn", arguments[1], at_least=1)[0]
    bones = {}
    for entry in sequence("WalkerBoneControlIn.bones", entries):
        name, pose = sequence("BoneTransformDataIn", entry, at_least=2)[:2]
        bones[text("bone", name)] = Transform.from_wire(pose)
    walker = walker_of(simulator, arguments)
    walker.pose = walker.pose or WalkerPose()
    walker.pose.set_bones(bones)


def blend_pose(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Set how much of the pose that a client gave is to be seen."""
    share = real("blend", arguments[1], 0.0, 1.0)
    walker = walker_of(simulator, arguments)
    walker.pose = walker.pose or WalkerPose()
    walker.pose.share = share


def take_pose(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Begin a pose anew, from the bones as they are."""
    walker = walker_of(simulator, arguments)
    bones = {bone.name: bone.relative for bone in _walker_bones(simulator, walker)}
    walker.pose = WalkerPose(bones, walker.pose.share if walker.pose is not None else 0.0)


def bone_names(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> list[str]:
    """Return the names of the bones of a walker or a vehicle."""
    return [bone.name for bone in bones_of(simulator, actor_of(simulator, arguments))]


def bones_in_world(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> list[Transform]:
    """Return where the bones of a walker or a vehicle are in the world."""
    return [bone.world for bone in bones_of(simulator, actor_of(simulator, arguments))]


def bones_in_component(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> list[Transform]:
    """Return where the bones of a walker or a vehicle are in the axes of its mesh."""
    return [bone.component for bone in bones_of(simulator, actor_of(simulator, arguments))]


def vehicle_bones(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> list[Transform]:
    """Return where a vehicle's base and wheels are in the world."""
    return [bone.world for bone in _vehicle_bones(simulator, vehicle_of(simulator, arguments))]


CALLS = {
    "get_bones_transform": Call(get_bones, Reply.VALUE, 1),
    "set_bones_transform": Call(set_bones, Reply.VOID, 2),
    "blend_pose": Call(blend_pose, Reply.VOID, 2),
    "get_pose_from_animation": Call(take_pose, Reply.VOID, 1),
    "get_actor_bone_names": Call(bone_names, Reply.VALUE, 1),
    "get_actor_bone_world_transforms": Call(bones_in_world, Reply.VALUE, 1),
    "get_actor_bone_relative_transforms": Call(bones_in_component, Reply.VALUE, 1),
    "get_vehicle_bone_world_transforms": Call(vehicle_bones, Reply.VALUE, 1),
}
