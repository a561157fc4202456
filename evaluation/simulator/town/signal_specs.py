"""What the simulator has to know of a town's traffic lights and signs."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.simulator.wire.codec import BoundingBox, Transform, Vector3D


@dataclass(frozen=True)
class TrafficLightSpec:
    """One traffic light: one approach of one junction.

    `transform` is the foot of its pole; the actor's x axis points across the approach, to the
    right of the driver. `trigger_box` lies in the actor's frame (x across) over the approach
    lanes just before the stop line. Lights of one junction with the same `group` show the same
    colour; the groups of a junction, 0..n-1, take turns. `lamp_locations` and `facing_yaw_rad`
    are the heads that the waiting driver looks at, `ruled_lanes` road and id of the lanes that
    have to wait.
    """

    sign_id: str
    transform: Transform
    trigger_box: BoundingBox
    junction_id: int
    group: int
    lamp_locations: tuple[Vector3D, ...]
    facing_yaw_rad: float
    ruled_lanes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class TrafficSignSpec:
    """`type_id`: traffic.stop, traffic.yield or traffic.speed_limit.NN (km/h in the name)."""

    sign_id: str
    type_id: str
    transform: Transform
    trigger_box: BoundingBox
