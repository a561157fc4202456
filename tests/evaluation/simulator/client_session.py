"""What most tests with the real client do: a synchronous world, actors, sensor readings."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import carla

from evaluation.servers.ports import free_port
from evaluation.servers.traffic_manager_watch import StallWatch, TickClock, shut_down

TIMEOUT_S = 30.0
DELTA_S = 0.05
READ_TIMEOUT_S = 10.0


class ClientSession:
    """A client of a synchronous world that cleans up behind itself."""

    def __init__(self, port: int) -> None:
        self.client = carla.Client("127.0.0.1", port)
        self.client.set_timeout(TIMEOUT_S)
        self.world = self.client.get_world()
        self.apply_synchronous(True)
        self.world.set_weather(carla.WeatherParameters.ClearNoon)
        self.clock = TickClock()
        self._actors: list[carla.Actor] = []

    @contextlib.contextmanager
    def traffic_manager(self) -> Iterator[carla.TrafficManager]:
        """A synchronous traffic manager, for ticks (and loading a town) under `clock` only."""
        manager = self.client.get_trafficmanager(free_port())
        watch = StallWatch(self.clock, manager.get_port())
        manager.set_synchronous_mode(True)
        try:
            yield manager
        finally:
            watch.close()
            shut_down(manager)

    def apply_synchronous(self, enabled: bool) -> None:
        settings = self.world.get_settings()
        settings.synchronous_mode = enabled
        settings.fixed_delta_seconds = DELTA_S
        self.world.apply_settings(settings)

    def spawn(
        self,
        name: str,
        transform: carla.Transform,
        parent: carla.Actor | None = None,
        **attributes: object,
    ) -> Any:
        """Spawn an actor that is destroyed at the end of the session."""
        blueprint = self.world.get_blueprint_library().find(name)
        for key, value in attributes.items():
            blueprint.set_attribute(key, str(value))
        actor = self.world.spawn_actor(blueprint, transform, attach_to=parent)
        self._actors.append(actor)
        return actor

    def listen(self, sensor: carla.Sensor) -> queue.Queue[Any]:
        """Return a queue into which a sensor's readings come."""
        readings: queue.Queue[Any] = queue.Queue()
        sensor.listen(readings.put)
        return readings

    def ticks(self, count: int) -> int:
        """Tick and return the last frame."""
        frame = 0
        for _ in range(count):
            with self.clock:
                frame = self.world.tick()
        return frame

    def read(self, readings: queue.Queue[Any], frame: int) -> Any:
        """Return the reading of a frame; earlier ones are thrown away."""
        until_s = time.monotonic() + READ_TIMEOUT_S
        while True:
            reading = readings.get(timeout=max(until_s - time.monotonic(), 0.0))
            if reading.frame >= frame:
                assert reading.frame == frame
                return reading

    def close(self) -> None:
        for actor in reversed(self._actors):
            if isinstance(actor, carla.Sensor) and actor.is_listening():
                actor.stop()
        self.client.apply_batch([carla.command.DestroyActor(actor) for actor in self._actors])
        self._actors.clear()
        self.world.tick()
        self.apply_synchronous(False)

    def __enter__(self) -> ClientSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def pose(x: float, y: float, z: float = 0.3, yaw: float = 0.0) -> carla.Transform:
    """Return a transform on the ground."""
    return carla.Transform(carla.Location(x, y, z), carla.Rotation(yaw=yaw))
