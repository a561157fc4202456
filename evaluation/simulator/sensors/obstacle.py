"""The obstacle detector: a ball that is pushed ahead until it meets something."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgpack
import numpy as np

from evaluation.simulator.physics.pose import Floats, rotation_matrix
from evaluation.simulator.sensors.collision import static_record
from evaluation.simulator.sensors.ray_scene import RayScene
from evaluation.simulator.sensors.sensor import Message, Schedule, header
from evaluation.simulator.wire.codec import real
from evaluation.simulator.wire.snapshot import Buffer, StreamType
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

MAX_RANGE_M = 10_000.0
_RINGS = (0.5, 0.9)
_RAYS_PER_RING = 8


class ObstacleSensor:
    """Speaks up in every tick in which something other than its parent is ahead.

    The ball is a bundle of rays along the sensor's x axis, each as far behind its front as the ball
    is round: what is flat and square to the axis is met at the right distance, and things thinner
    than half a radius may slip through off the axis.
    """

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.schedule = Schedule(actor.description)

        def read(name: str, default: float, least: float, largest: float) -> float:
            value = actor.description.number(name, default)
            return real(f"{actor.type_id}: {name}", value, least, largest)

        self._range_m = read("distance", 5.0, 0.01, MAX_RANGE_M)
        self._radius_m = read("hit_radius", 0.5, 0.0, 100.0)
        self._only_dynamics = actor.description.value("only_dynamics", "False").lower() == "true"

    def report(self, world: World, scene: RayScene) -> list[Message]:
        """Return the message [parent, other, distance m], none where the way is clear."""
        row = self.actor.row
        turn = rotation_matrix(world.table.rotation_deg[row].tolist())
        offsets_m, front_m = self._bundle()
        origins = world.table.location[row] + offsets_m @ turn.T
        ways = np.broadcast_to(turn[:, 0], origins.shape)
        reach_m = self._range_m + self._radius_m
        parent_id = self.actor.parent_id
        hits = scene.cast(world, origins, ways, reach_m, parent_id or None)
        distance_m = np.maximum(hits.distance_m - front_m, 0.0)
        if self._only_dynamics:
            distance_m = np.where(hits.actor_id > 0, distance_m, np.inf)
        first = int(distance_m.argmin())
        if distance_m[first] > self._range_m:
            return []
        actor_id = int(hits.actor_id[first])
        is_actor = actor_id > 0
        other = world.actor(actor_id).record() if is_actor else static_record(int(hits.tag[first]))
        owner = world.actors.get(parent_id, self.actor)
        body = msgpack.packb((owner.record(), other, float(distance_m[first])))
        parts: Sequence[Buffer] = (header(StreamType.OBSTACLE, world, self.actor), body)
        return [(self.actor.stream_id, parts)]

    def _bundle(self) -> tuple[Floats, Floats]:
        """Return where the rays start (n, 3) m in the sensor's axes, and how far ahead of each
        start the ball's surface is (n,) m."""
        offsets, front = [(0.0, 0.0, 0.0)], [self._radius_m]
        for share in _RINGS:
            for number in range(_RAYS_PER_RING):
                angle = 2.0 * math.pi * number / _RAYS_PER_RING
                side_m = share * self._radius_m
                offsets.append((0.0, side_m * math.cos(angle), side_m * math.sin(angle)))
                front.append(self._radius_m * math.sqrt(1.0 - share * share))
        return np.array(offsets), np.array(front)
