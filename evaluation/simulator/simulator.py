"""The simulator as the calls see it: the world, its clock, its streams and its towns."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from evaluation.simulator.catalogue.blueprints import ActorKind, BlueprintLibrary
from evaluation.simulator.net.event_loop import EventLoop, Timer
from evaluation.simulator.net.rpc import Caller, CallError, Deferred
from evaluation.simulator.net.stream import WORLD_STREAM_ID, StreamServer
from evaluation.simulator.options import ServeOptions
from evaluation.simulator.sensors.camera import CameraSensor
from evaluation.simulator.sensors.collision import CollisionSensor
from evaluation.simulator.sensors.geo_frame import GeoFrame
from evaluation.simulator.sensors.gnss import GnssSensor
from evaluation.simulator.sensors.imu import ImuSensor
from evaluation.simulator.town.library import TownShelf
from evaluation.simulator.town.town import Town
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import Transform
from evaluation.simulator.wire.dialect import DIALECTS
from evaluation.simulator.wire.settings_records import EpisodeSettings
from evaluation.simulator.world import step as tick
from evaluation.simulator.world.roadside import speed_limit_kmh
from evaluation.simulator.world.world import Actor, World

if TYPE_CHECKING:
    from evaluation.simulator.sensors.camera_scene import Scene

logger = logging.getLogger(__name__)

DEFAULT_DELTA_S = 0.05
SUBSCRIPTION_WAIT_S = 0.1
"""How long a tick waits for a subscription that a client has announced by asking for its token."""

NO_STREAM = ("sensor.other.lane_invasion",)
"""Sensors that the client computes by itself."""


class Simulator:
    """Owns the world and everything that outlives it.

    Args:
        shelf: the towns that can be loaded.
    """

    def __init__(
        self, options: ServeOptions, loop: EventLoop, shelf: TownShelf, streams: StreamServer
    ) -> None:
        self.options = options
        self.loop = loop
        self.shelf = shelf
        self.dialect = DIALECTS[options.client_version]
        self.blueprints = BlueprintLibrary()
        self.traffic_managers: dict[int, tuple[str, Caller]] = {}
        self.streams = streams
        streams.on_subscribed = self.on_subscribed
        self._scene: Scene | None = None
        self._expected: dict[int, tuple[int, float]] = {}
        self._waiting_ticks: list[Deferred] = []
        self._wait_timer: Timer | None = None
        self._self_tick: Timer | None = None
        self._shown_episode_id = 1
        self._switch_is_armed = False
        self.world = self._new_world(shelf.open(options.town), EpisodeSettings(), 1, 1, 0)
        self._geo_frame = self._read_geo_frame()

    # Episodes

    @property
    def episode_id(self) -> int:
        """The episode that clients are told of; it lags behind a load of another town."""
        return self._shown_episode_id

    def load(self, town: Town, settings: EpisodeSettings) -> None:
        """Start a new episode.

        In the same town its id is visible at once. Another town's id is first carried by the tick
        after the client has asked for the episode again: only so does the client's traffic manager
        notice the change and drop the map that it keeps.
        """
        old = self.world
        same_town = town is old.town
        self.world = self._new_world(
            town, settings, old.episode_id + 1, old.next_actor_id, old.frame
        )
        self._geo_frame = self._read_geo_frame()
        if not same_town:
            self._drop_scene()
        self._switch_is_armed = False
        if same_town:
            self._shown_episode_id = self.world.episode_id
        logger.info("episode %d: %s", self.world.episode_id, town.name)
        self._keep_ticking()

    def tell_episode(self) -> int:
        """Return the episode's id for a client that connects."""
        self._switch_is_armed = True
        return self._shown_episode_id

    def _new_world(
        self,
        town: Town,
        settings: EpisodeSettings,
        episode_id: int,
        first_actor_id: int,
        frame: int,
    ) -> World:
        return World(
            town,
            self.blueprints,
            self.options.seed,
            episode_id,
            first_actor_id,
            settings=settings,
            frame=frame,
        )

    def _read_geo_frame(self) -> GeoFrame:
        transverse = self.dialect.gnss_is_transverse
        wanted = self.options.gnss_latitude
        grows_along_y = transverse if wanted == "client" else wanted == "south"
        return GeoFrame.of_opendrive(self.world.town.opendrive, transverse, grows_along_y)

    # Spawning

    def spawn(self, description: Description, transform: Transform, parent_id: int = 0) -> Actor:
        """Create an actor, and the sensor behind it where it is one."""
        is_sensor = self.world.blueprint(description.type_id).kind is ActorKind.SENSOR
        if description.type_id == "sensor.camera.rgb":
            self.scene()
        actor = self.world.spawn(description, transform, parent_id)
        if actor.is_vehicle:
            limit_kmh = speed_limit_kmh(self.world, self.world.transform(actor).location)
            self.world.table.vehicle_state["speed_limit_kmh"][actor.row] = limit_kmh
        if is_sensor and description.type_id not in NO_STREAM:
            try:
                self._start_sensor(actor)
            except (CallError, ValueError):
                self.world.destroy(actor.actor_id)
                raise
        return actor

    def _start_sensor(self, actor: Actor) -> None:
        world = self.world
        sensor: CameraSensor | CollisionSensor | GnssSensor | ImuSensor
        if actor.type_id == "sensor.camera.rgb":
            sensor = CameraSensor(actor)
        elif actor.type_id == "sensor.other.gnss":
            sensor = GnssSensor(world, actor, self._geo_frame)
        elif actor.type_id == "sensor.other.imu":
            sensor = ImuSensor(world, actor)
        elif actor.type_id == "sensor.other.collision":
            sensor = CollisionSensor(actor)
        else:
            raise CallError(f"'{actor.type_id}' is not simulated")
        actor.stream_id = self.streams.open_stream()
        actor.stream_token = self.streams.token(actor.stream_id)
        world.sensors[actor.actor_id] = sensor

    def scene(self) -> Scene:
        """Return the renderer's scene of this town, made when the first camera needs it.

        Raises:
            CallError: this machine cannot render.
        """
        if self._scene is None:
            try:
                # Imported here: a machine without OpenGL serves everything but cameras.
                from evaluation.simulator.sensors.camera_scene import Scene

                self._scene = Scene(self.world.town)
            except (ImportError, OSError, RuntimeError) as error:
                logger.error("no cameras: %s", error)
                raise CallError(f"cameras cannot be rendered on this machine: {error}") from error
        return self._scene

    def close(self) -> None:
        """Release the graphics memory."""
        self._drop_scene()

    def _drop_scene(self) -> None:
        if self._scene is not None:
            self._scene.close()
            self._scene = None

    # The clock

    @property
    def delta_s(self) -> float:
        """The time step."""
        return self.world.settings.fixed_delta_seconds or DEFAULT_DELTA_S

    def apply_settings(self, settings: EpisodeSettings) -> int:
        """Take over settings; return the number of a frame that has been published."""
        self.world.settings = settings
        self._keep_ticking()
        return self.world.frame

    def tick(self) -> int:
        """Step the world by its time step, send what the sensors saw, return the new frame."""
        world = self.world
        if self._switch_is_armed:
            self._shown_episode_id = world.episode_id
        contacts = tick.advance(world, self.delta_s)
        is_heard = self.streams.is_heard
        for stream_id, parts in tick.measure(world, contacts, self._scene, is_heard):
            self.streams.publish(stream_id, parts)
        self._publish_state()
        return world.frame

    def tick_when_heard(self) -> int | Deferred:
        """Tick now, or as soon as the subscriptions that clients have announced are there."""
        if not self._is_expecting():
            return self.tick()
        answer = Deferred(self.tick)
        self._waiting_ticks.append(answer)
        if self._wait_timer is None:
            self._wait_timer = self.loop.call_later(SUBSCRIPTION_WAIT_S, self._run_waiting_ticks)
        return answer

    def expect_subscription(self, stream_id: int) -> bytes:
        """Return the token of a stream to a client that is about to subscribe."""
        if not self.streams.knows(stream_id):
            raise CallError(f"there is no stream {stream_id}")
        count = self.streams.subscriptions(stream_id)
        self._expected[stream_id] = (count + 1, time.monotonic() + SUBSCRIPTION_WAIT_S)
        return self.streams.token(stream_id)

    def on_subscribed(self, stream_id: int) -> None:
        """Note a new subscription and show a new listener of the world what there is."""
        if self._waiting_ticks and not self._is_expecting():
            self._run_waiting_ticks()
        if stream_id == WORLD_STREAM_ID:
            self._keep_ticking()

    def _is_expecting(self) -> bool:
        """Whether an announced subscription is still to come."""
        now_s = time.monotonic()
        self._expected = {
            stream_id: (count, until_s)
            for stream_id, (count, until_s) in self._expected.items()
            if until_s > now_s and self.streams.subscriptions(stream_id) < count
        }
        return bool(self._expected)

    def _run_waiting_ticks(self) -> None:
        if self._wait_timer is not None:
            self._wait_timer.cancel()
            self._wait_timer = None
        self._expected.clear()
        waiting, self._waiting_ticks = self._waiting_ticks, []
        for answer in waiting:
            answer.resolve()

    def _publish_state(self) -> None:
        state = tick.world_state(self.world, self._shown_episode_id, self.dialect)
        self.streams.publish(WORLD_STREAM_ID, state)

    def _keep_ticking(self) -> None:
        """Let the world run by itself while it is asynchronous and somebody looks at it."""
        if self._self_tick is not None:
            self._self_tick.cancel()
            self._self_tick = None
        if self.world.settings.synchronous_mode or not self.streams.is_heard(WORLD_STREAM_ID):
            return
        self._self_tick = self.loop.call_later(self.delta_s, self._tick_by_itself)

    def _tick_by_itself(self) -> None:
        started_s = time.monotonic()
        self.tick()
        self._keep_ticking()
        if self._self_tick is not None:
            self._self_tick.cancel()
            left_s = max(started_s + self.delta_s - time.monotonic(), 0.0)
            self._self_tick = self.loop.call_later(left_s, self._tick_by_itself)
