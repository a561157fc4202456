"""The radar: random rays in an elliptic cone, with the speed of what they meet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evaluation.simulator.physics.pose import rotation_matrix
from evaluation.simulator.sensors.ray_scene import RayScene
from evaluation.simulator.sensors.sensor import Schedule, header, noise_generator, whole
from evaluation.simulator.wire.codec import real
from evaluation.simulator.wire.snapshot import Buffer, StreamType
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

MAX_POINTS = 100_000
MAX_RANGE_M = 10_000.0


class RadarSensor:
    """Detections of (velocity m/s, positive when the target moves away; azimuth rad, right +;
    altitude rad, up +; depth m)."""

    def __init__(self, world: World, actor: Actor) -> None:
        self.actor = actor
        self.schedule = Schedule(actor.description)
        self._spawned_frame = world.frame

        def read(name: str, default: float, least: float, largest: float) -> float:
            value = actor.description.number(name, default)
            return real(f"{actor.type_id}: {name}", value, least, largest)

        self._range_m = read("range", 100.0, 0.01, MAX_RANGE_M)
        self._points_per_s = read("points_per_second", 1500.0, 0.0, 1e9)
        self._tan_half = (
            math.tan(math.radians(read("horizontal_fov", 30.0, 0.0, 179.0)) / 2.0),
            math.tan(math.radians(read("vertical_fov", 30.0, 0.0, 179.0)) / 2.0),
        )

    def measure(self, world: World, scene: RayScene) -> Sequence[Buffer]:
        """Return the message of the detections since the last one."""
        duration_s = self.schedule.interval_s or world.delta_s
        generator = noise_generator(world, self.actor, world.frame - self._spawned_frame)
        count = whole(min(self._points_per_s * duration_s, MAX_POINTS))
        radius = generator.random(count)
        angle = generator.uniform(0.0, 2.0 * math.pi, count)
        rays = np.ones((count, 3))
        rays[:, 1] = self._tan_half[0] * radius * np.cos(angle)
        rays[:, 2] = self._tan_half[1] * radius * np.sin(angle)
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        row = self.actor.row
        directions = rays @ rotation_matrix(world.table.rotation_deg[row].tolist()).T
        hits = scene.cast(world, world.table.location[row], directions, self._range_m)
        met = np.isfinite(hits.distance_m)
        velocity = np.zeros((int(met.sum()), 3))
        actors = hits.actor_id[met]
        for actor_id in np.unique(actors[actors > 0]).tolist():
            velocity[actors == actor_id] = world.table.velocity[world.actor(actor_id).row]
        relative = velocity - world.table.velocity[row]
        detections = np.empty((len(actors), 4), np.float32)
        detections[:, 0] = (relative * directions[met]).sum(axis=1)
        detections[:, 1] = np.arctan2(rays[met, 1], rays[met, 0])
        detections[:, 2] = np.arcsin(rays[met, 2])
        detections[:, 3] = hits.distance_m[met]
        return header(StreamType.RADAR, world, self.actor), detections.tobytes()
