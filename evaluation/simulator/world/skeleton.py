"""The bones of walkers and vehicles: where they are, and poses that clients give to walkers.

A walker's skeleton is that of somebody who stands, scaled to the walker's height; it does not walk.
Its bones have CARLA's names. Axes of bones and of the component are those of the actor (x forward,
y right, z up); the component's origin is at the feet. Nothing of it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from evaluation.simulator.physics.pose import place, place_all
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D

_ADULT_M = 1.8
"""Height of the person whose bones are given below, m."""
_ROOT = "crl_root"
_MIDDLE = (
    ("crl_hips__C", _ROOT, (0.0, 0.0, 0.95)),
    ("crl_spine__C", "crl_hips__C", (0.0, 0.0, 0.12)),
    ("crl_spine01__C", "crl_spine__C", (0.0, 0.0, 0.22)),
    ("crl_neck__C", "crl_spine01__C", (0.0, 0.0, 0.21)),
    ("crl_Head__C", "crl_neck__C", (0.02, 0.0, 0.10)),
)
_SIDE = (
    ("crl_eye", "crl_Head__C", (0.09, 0.03, 0.08)),
    ("crl_shoulder", "crl_spine01__C", (0.0, 0.05, 0.17)),
    ("crl_arm", "crl_shoulder", (0.0, 0.13, 0.0)),
    ("crl_foreArm", "crl_arm", (0.0, 0.04, -0.28)),
    ("crl_hand", "crl_foreArm", (0.02, 0.02, -0.25)),
    ("crl_thigh", "crl_hips__C", (0.0, 0.09, -0.03)),
    ("crl_leg", "crl_thigh", (0.0, 0.0, -0.43)),
    ("crl_foot", "crl_leg", (-0.01, 0.0, -0.41)),
    ("crl_toe", "crl_foot", (0.13, 0.0, -0.06)),
    ("crl_toeEnd", "crl_toe", (0.07, 0.0, 0.0)),
)
_FINGERS_M = {"Thumb": 0.05, "Index": 0.03, "Middle": 0.01, "Ring": -0.01, "Pinky": -0.03}
"""How far ahead of the middle of the hand each finger begins."""
_PHALANX_M = 0.03


class Bone(NamedTuple):
    """A bone: its parent, "" for the root, and where it is in the parent's axes, m."""

    name: str
    parent: str
    offset_m: tuple[float, float, float]


def _side(letter: str, sign: float) -> list[Bone]:
    """Return the bones of one side; `sign` is that of its y."""
    bones = []
    for name, parent, (x, y, z) in _SIDE:
        ending = "" if parent.endswith("__C") else f"__{letter}"
        bones.append(Bone(f"{name}__{letter}", parent + ending, (x, sign * y, z)))
    for finger, ahead_m in _FINGERS_M.items():
        parent, offset = f"crl_hand__{letter}", (ahead_m, 0.0, -0.08)
        for part in ("", "01", "02", "End"):
            name = f"crl_hand{finger}{part}__{letter}"
            bones.append(Bone(name, parent, offset))
            parent, offset = name, (0.0, 0.0, -_PHALANX_M)
    return bones


BONES: tuple[Bone, ...] = (
    Bone(_ROOT, "", (0.0, 0.0, 0.0)),
    *(Bone(*bone) for bone in _MIDDLE),
    *_side("L", -1.0),
    *_side("R", 1.0),
)
"""Parents come before their children."""
_NAMES = frozenset(bone.name for bone in BONES)


class PosedBone(NamedTuple):
    """Where a bone is: in the world, in the component and in the axes of its parent."""

    name: str
    world: Transform
    component: Transform
    relative: Transform


@dataclass
class WalkerPose:
    """The pose that a client has given to a walker, and how much of it is to be seen (0 to 1)."""

    bones: dict[str, Transform] = field(default_factory=dict)
    share: float = 0.0

    def set_bones(self, bones: dict[str, Transform]) -> None:
        """Take poses of bones in their parents' axes; bones that nobody has are left out."""
        self.bones.update({name: pose for name, pose in bones.items() if name in _NAMES})


def posed(actor: Transform, half_height_m: float, pose: WalkerPose | None) -> list[PosedBone]:
    """Return the bones of a walker, whose origin is the middle of its body."""
    scale = 2.0 * half_height_m / _ADULT_M
    relative, component = {}, {"": Transform()}
    for bone in BONES:
        standing = Transform(Vector3D(*(scale * part for part in bone.offset_m)))
        given = pose.bones.get(bone.name) if pose is not None else None
        mine = standing if given is None or pose is None else _mix(standing, given, pose.share)
        relative[bone.name] = mine
        component[bone.name] = _placed(component[bone.parent], mine)
    poses = [component[bone.name] for bone in BONES]
    feet = place(actor, Transform(Vector3D(0.0, 0.0, -half_height_m)))
    return [
        PosedBone(bone.name, world, there, relative[bone.name])
        for bone, world, there in zip(BONES, place_all(feet, poses), poses, strict=True)
    ]


def _placed(parent: Transform, relative: Transform) -> Transform:
    """Return `place(parent, relative)`, at once where the parent is not turned."""
    if any(parent.rotation):
        return place(parent, relative)
    location = [a + b for a, b in zip(parent.location, relative.location, strict=True)]
    return Transform(Vector3D(*location), relative.rotation)


def _mix(standing: Transform, given: Transform, share: float) -> Transform:
    location, rotation = (
        [a + share * (b - a) for a, b in zip(first, second, strict=True)]
        for first, second in zip(standing, given, strict=True)
    )
    return Transform(Vector3D(*location), Rotation(*rotation))
