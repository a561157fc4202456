"""The satellite receiver."""

from __future__ import annotations

from collections.abc import Sequence

import msgpack

from evaluation.simulator.sensors.geo_frame import GeoFrame
from evaluation.simulator.sensors.sensor import Schedule, header, noise_generator
from evaluation.simulator.wire.snapshot import Buffer, StreamType
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World


class GnssSensor:
    """Measures latitude and longitude (deg) and altitude (m) with Gaussian noise and a bias."""

    def __init__(self, world: World, actor: Actor, geo_frame: GeoFrame) -> None:
        self.actor = actor
        self.schedule = Schedule(actor.description)
        self._geo_frame = geo_frame
        self._generator = noise_generator(world, actor)
        read = actor.description.number
        self._bias = [read(f"noise_{name}_bias", 0.0) for name in ("lat", "lon", "alt")]
        self._deviation = [read(f"noise_{name}_stddev", 0.0) for name in ("lat", "lon", "alt")]

    def measure(self, world: World) -> Sequence[Buffer]:
        """Return the message [latitude, longitude, altitude]."""
        x_m, y_m, z_m = world.table.location[self.actor.row].tolist()
        exact = (*self._geo_frame.locate(x_m, y_m), z_m)
        noise = self._generator.standard_normal(3).tolist()
        values = [
            value + bias + deviation * draw
            for value, bias, deviation, draw in zip(
                exact, self._bias, self._deviation, noise, strict=True
            )
        ]
        return header(StreamType.GNSS, world, self.actor), msgpack.packb(values)
