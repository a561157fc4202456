"""A loaded town: the map, its signals, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.codec import BoundingBox, Transform, Vector3D
from evaluation.simulator.town.ground import Ground
from evaluation.simulator.town.scenery import Scenery

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class TrafficLightSpec:
    """One traffic light: one approach of one junction.

    `transform` is the foot of its pole; the actor's x axis points across the approach, to the
    right of the driver. `trigger_box` lies in the actor's frame (x across) over the approach
    lanes just before the stop line. Lights of one junction with the same `group` show the same
    colour; the groups of a junction, 0..n-1, take turns. `lamp_locations` and `facing_yaw_rad`
    are the heads that the waiting driver looks at.
    """

    sign_id: str
    transform: Transform
    trigger_box: BoundingBox
    junction_id: int
    group: int
    lamp_locations: tuple[Vector3D, ...]
    facing_yaw_rad: float


@dataclass(frozen=True)
class TrafficSignSpec:
    """`type_id`: traffic.stop, traffic.yield or traffic.speed_limit.NN (km/h in the name)."""

    sign_id: str
    type_id: str
    transform: Transform
    trigger_box: BoundingBox


@dataclass(frozen=True)
class Town:
    """A town ready to be simulated. `opendrive` is the text that clients get."""

    name: str
    opendrive: str
    map: carla.Map
    spawn_points: tuple[Transform, ...]
    traffic_lights: tuple[TrafficLightSpec, ...]
    traffic_signs: tuple[TrafficSignSpec, ...]
    scenery: Scenery
    ground: Ground
    road_speed_limits_mps: Mapping[int, float] = field(default_factory=dict)
    default_speed_limit_mps: float = 30.0 / 3.6

    def ground_height_m(self, xy_world_m: F64, near_z_m: F64) -> F64:
        """Height of the surface nearest to `near_z_m` (n,) at `xy_world_m` (n, 2); (n,) m."""
        return self.ground.height_m(xy_world_m, near_z_m)

    def speed_limit_mps(self, road_id: int) -> float:
        """Limit of an OpenDRIVE road, or the town's default where the map states none."""
        return self.road_speed_limits_mps.get(road_id, self.default_speed_limit_mps)
