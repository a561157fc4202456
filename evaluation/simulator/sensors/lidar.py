"""Rotating lidars: the plain one with losses and noise, and the one that names what it meets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics.pose import Floats, rotation_matrix
from evaluation.simulator.sensors.ray_scene import Hits, RayScene
from evaluation.simulator.sensors.sensor import Schedule, header, noise_generator, whole
from evaluation.simulator.wire.codec import real
from evaluation.simulator.wire.snapshot import (
    LIDAR_POINT,
    SEMANTIC_LIDAR_POINT,
    Buffer,
    StreamType,
    lidar_header,
)
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

MAX_CHANNELS = 1024
MAX_POINTS = 1_000_000
"""Of one message; a scan that would have more is thinned out."""
MAX_RANGE_M = 10_000.0


class Sweep:
    """The rays of a rotating head, tick by tick.

    Channel 0 looks up most (`upper_fov`), the last one down most; within a channel rays follow one
    another clockwise seen from above. Axes: x forward, y right, z up.
    """

    def __init__(self, actor: Actor) -> None:
        def read(name: str, default: float, least: float, largest: float) -> float:
            value = actor.description.number(name, default)
            return real(f"{actor.type_id}: {name}", value, least, largest)

        self.channels = int(read("channels", 32.0, 1.0, MAX_CHANNELS))
        self.range_m = read("range", 10.0, 0.01, MAX_RANGE_M)
        self._points_per_s = read("points_per_second", 56000.0, 1.0, 1e9)
        self._turns_hz = read("rotation_frequency", 10.0, 0.0, 1e4)
        self._fan_deg = read("horizontal_fov", 360.0, 0.001, 360.0)
        upper_deg = read("upper_fov", 10.0, -90.0, 90.0)
        lower_deg = read("lower_fov", -30.0, -90.0, 90.0)
        self._pitch_rad = np.radians(np.linspace(upper_deg, lower_deg, self.channels))
        self.angle_deg = 0.0
        """Where the head stands; the fan is centred on the sensor's x axis."""

    def stand(self, since_start_s: float) -> None:
        """Put the head where it stands after a time."""
        self.angle_deg = math.fmod(self._turns_hz * self._fan_deg * since_start_s, self._fan_deg)

    def turn(self, duration_s: float) -> Floats:
        """Return the rays (channels, n, 3) of the coming time, unit vectors, and turn the head."""
        wanted = self._points_per_s * duration_s / self.channels
        count = max(whole(min(wanted, MAX_POINTS / self.channels)), 1)
        way_deg = self._turns_hz * self._fan_deg * duration_s
        along = self.angle_deg + way_deg * np.arange(count) / count
        yaw_rad = np.radians(np.fmod(along, self._fan_deg) - 0.5 * self._fan_deg)
        self.angle_deg = math.fmod(self.angle_deg + way_deg, self._fan_deg)
        level, height = np.cos(self._pitch_rad)[:, None], np.sin(self._pitch_rad)[:, None]
        rays = np.empty((self.channels, count, 3))
        rays[:, :, 0] = level * np.cos(yaw_rad)
        rays[:, :, 1] = level * np.sin(yaw_rad)
        rays[:, :, 2] = height
        return rays


class _RotatingSensor:
    """What both lidars share: when and where they measure."""

    def __init__(self, world: World, actor: Actor) -> None:
        self.actor = actor
        self.schedule = Schedule(actor.description)
        self._sweep = Sweep(actor)
        self._spawned_s, self._spawned_frame = world.elapsed_s, world.frame

    def _scan(self, world: World, rays: Floats, scene: RayScene) -> Hits:
        turn = rotation_matrix(world.table.rotation_deg[self.actor.row].tolist())
        origin_m = world.table.location[self.actor.row]
        return scene.cast(world, origin_m, rays @ turn.T, self._sweep.range_m)

    def _next_rays(self, world: World) -> Floats:
        """Return the rays (channels, n, 3) since the last measurement, which need not have been
        heard: where the head stands follows from the time alone."""
        duration_s = self.schedule.interval_s or world.delta_s
        self._sweep.stand(world.elapsed_s - duration_s - self._spawned_s)
        return self._sweep.turn(duration_s)

    def _message(
        self, stream_type: int, world: World, kept: NDArray[np.bool_], points: NDArray[np.void]
    ) -> Sequence[Buffer]:
        """Put a message together; `kept` (channels, n) says which rays have a point."""
        angle_rad = math.radians(self._sweep.angle_deg)
        counts = kept.sum(axis=1).tolist()
        return (
            header(stream_type, world, self.actor),
            lidar_header(angle_rad, counts),
            points.tobytes(),
        )


class LidarSensor(_RotatingSensor):
    """Points with an intensity that falls with distance; some are lost, all may be noisy."""

    def __init__(self, world: World, actor: Actor) -> None:
        super().__init__(world, actor)

        def share(name: str, default: float) -> float:
            value = actor.description.number(name, default)
            return real(f"{actor.type_id}: {name}", value, 0.0, 1.0)

        read = actor.description.number
        owner = f"{actor.type_id}: "
        self._lost_share = share("dropoff_general_rate", 0.45)
        self._bright = share("dropoff_intensity_limit", 0.8)
        self._lost_when_dark = share("dropoff_zero_intensity", 0.4)
        rate = read("atmosphere_attenuation_rate", 0.004)
        self._attenuation_per_m = real(owner + "atmosphere_attenuation_rate", rate, 0.0, 1e3)
        deviation = read("noise_stddev", 0.0)
        self._deviation_m = real(owner + "noise_stddev", deviation, 0.0, 1e3)

    def measure(self, world: World, scene: RayScene) -> Sequence[Buffer]:
        """Return the message of the points (x, y, z m in the sensor's axes, intensity)."""
        rays = self._next_rays(world)
        shape = rays.shape[:2]
        rays = rays.reshape(-1, 3)
        generator = noise_generator(world, self.actor, world.frame - self._spawned_frame)
        cast = generator.random(len(rays)) >= self._lost_share
        rows = np.flatnonzero(cast)
        hits = self._scan(world, rays[rows], scene)
        met = np.isfinite(hits.distance_m)
        rows, distance_m = rows[met], hits.distance_m[met]
        intensity = np.exp(-self._attenuation_per_m * distance_m)
        if self._deviation_m > 0.0:
            distance_m = distance_m + self._deviation_m * generator.standard_normal(len(rows))
        seen = self._is_seen(intensity, generator)
        rows, distance_m, intensity = rows[seen], distance_m[seen], intensity[seen]
        points = np.zeros(len(rows), LIDAR_POINT)
        points["place"] = rays[rows] * distance_m[:, None]
        points["intensity"] = intensity
        kept = np.zeros(len(rays), np.bool_)
        kept[rows] = True
        return self._message(StreamType.LIDAR, world, kept.reshape(shape), points)

    def _is_seen(self, intensity: Floats, generator: np.random.Generator) -> NDArray[np.bool_]:
        """Draw which points (n,) are not lost: all bright ones, the darker the fewer."""
        if self._bright <= 0.0:
            return np.ones(len(intensity), np.bool_)
        chance = 1.0 - self._lost_when_dark * (1.0 - np.minimum(intensity / self._bright, 1.0))
        seen: NDArray[np.bool_] = generator.random(len(intensity)) < chance
        return seen


class SemanticLidarSensor(_RotatingSensor):
    """Points with the cosine of incidence, the actor and the semantic tag of what was met."""

    def measure(self, world: World, scene: RayScene) -> Sequence[Buffer]:
        """Return the message of the points (x, y, z m in the sensor's axes, cosine, actor, tag)."""
        rays = self._next_rays(world)
        shape = rays.shape[:2]
        rays = rays.reshape(-1, 3)
        hits = self._scan(world, rays, scene)
        met = np.isfinite(hits.distance_m)
        points = np.zeros(int(met.sum()), SEMANTIC_LIDAR_POINT)
        points["place"] = rays[met] * hits.distance_m[met, None]
        points["cosine"] = hits.cosine[met]
        points["actor"] = hits.actor_id[met]
        points["tag"] = hits.tag[met]
        return self._message(StreamType.SEMANTIC_LIDAR, world, met.reshape(shape), points)
