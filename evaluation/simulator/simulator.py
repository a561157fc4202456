"""The simulator as the calls see it: the world, its clock, its streams and its towns."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgpack

from evaluation.simulator.catalogue.blueprints import ActorKind, BlueprintLibrary
from evaluation.simulator.clock import Clock
from evaluation.simulator.net.event_loop import EventLoop
from evaluation.simulator.net.rpc import Caller
from evaluation.simulator.net.stream import WORLD_STREAM_ID, StreamServer
from evaluation.simulator.options import ServeOptions
from evaluation.simulator.physics.collision import Contact
from evaluation.simulator.recording.log_file import LogFolder
from evaluation.simulator.recording.tape_deck import TapeDeck
from evaluation.simulator.sensors.camera import CAMERA_TYPES, CameraSensor
from evaluation.simulator.sensors.collision import CollisionSensor
from evaluation.simulator.sensors.gbuffers import GBuffer
from evaluation.simulator.sensors.geo_frame import GeoFrame
from evaluation.simulator.sensors.gnss import GnssSensor
from evaluation.simulator.sensors.imu import ImuSensor
from evaluation.simulator.sensors.lidar import LidarSensor, SemanticLidarSensor
from evaluation.simulator.sensors.measure import AnySensor, RaySensor, draw, measure, world_state
from evaluation.simulator.sensors.obstacle import ObstacleSensor
from evaluation.simulator.sensors.radar import RadarSensor
from evaluation.simulator.sensors.ray_scene import RayScene
from evaluation.simulator.sensors.saved_sensors import require_sensors, restore_sensor, save_sensor
from evaluation.simulator.sensors.sensor import Message
from evaluation.simulator.sensors.v2x import (
    CUSTOM_V2X_TYPE,
    V2X_TYPE,
    CustomV2xSensor,
    Radio,
    V2xSensor,
)
from evaluation.simulator.town.library import TownShelf
from evaluation.simulator.town.shown import MapLayer
from evaluation.simulator.town.town import Town
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import Transform
from evaluation.simulator.wire.dialect import DIALECTS
from evaluation.simulator.wire.errors import CallError, NotSimulatedError
from evaluation.simulator.wire.settings_records import EpisodeSettings
from evaluation.simulator.wire.snapshot import StreamType
from evaluation.simulator.wire.state_codec import StateError
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.roadside import speed_limit_kmh
from evaluation.simulator.world.saved_ranges import require_sound
from evaluation.simulator.world.saved_world import (
    LAYOUT,
    first_actor_id,
    restore_world,
    save_world,
)
from evaluation.simulator.world.step import advance
from evaluation.simulator.world.world import World

if TYPE_CHECKING:
    from evaluation.simulator.sensors.camera_scene import CameraScene

logger = logging.getLogger(__name__)

NO_STREAM = ("sensor.other.lane_invasion",)
"""Sensors that the client computes by itself."""
GNSS_TYPE = "sensor.other.gnss"
_EVENT_SENSORS: Mapping[str, Callable[[Actor], AnySensor]] = {
    "sensor.other.collision": CollisionSensor,
    "sensor.other.obstacle": ObstacleSensor,
}
_NOISY_SENSORS: Mapping[str, Callable[[World, Actor], AnySensor]] = {
    "sensor.other.imu": ImuSensor,
    "sensor.other.radar": RadarSensor,
    "sensor.lidar.ray_cast": LidarSensor,
    "sensor.lidar.ray_cast_semantic": SemanticLidarSensor,
}


LARGEST_STATE_BYTES = 256 << 20
STATE_FORMAT = f"1.{LAYOUT}"
"""Another number wherever an attribute of a sensor is added, dropped or changed; those of the world
are counted by themselves."""
_MARKS = {
    "format": "the state has format {}, this simulator reads {}: save it anew",
    "client": "the state was saved for carla {}, this simulator speaks {}: install that version",
    "town": "the state is of the town {}, this one is {}: start the simulator with that --town",
    "map": "the town's map has changed since the state was saved ({}, now {}): save it anew",
}
SIMULATED_SENSORS = frozenset(
    (GNSS_TYPE, *CAMERA_TYPES, *_EVENT_SENSORS, *_NOISY_SENSORS, V2X_TYPE, CUSTOM_V2X_TYPE)
)
"""Sensors that measure here; the library lists more, so that programs find them."""


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
        self._scene: CameraScene | None = None
        self._rays: RayScene | None = None
        self._sensors: dict[int, AnySensor] = {}
        self._undrawn: list[CameraSensor] = []
        self._shown_episode_id = 1
        self._switch_is_armed = False
        self.world = self._new_world(shelf.open(options.town), EpisodeSettings(), 1, 1, 0)
        self._geo_frame = self._read_geo_frame()
        self.tapes = TapeDeck(LogFolder(options.recordings_folder), self, self.dialect)
        self.clock = Clock(loop, streams, self.tick, lambda: self.world.settings)

    # Episodes

    @property
    def episode_id(self) -> int:
        """The episode that clients are told of; it lags behind a load of another town."""
        return self._shown_episode_id

    def load(
        self,
        town: Town,
        settings: EpisodeSettings,
        *,
        has_layers: bool = False,
        layers: MapLayer = MapLayer.ALL,
    ) -> None:
        """Start a new episode, where the town has layers with those of them that are to be loaded.

        In the same town its id is visible at once. Another town's id is first carried by the tick
        after the client has asked for the episode again: only so does the client's traffic manager
        notice the change and drop the map that it keeps.
        """
        self.tapes.stop()
        old = self.world
        same_town = town is old.town
        self.world = self._new_world(
            town, settings, old.episode_id + 1, old.next_actor_id, old.frame, has_layers, layers
        )
        self._sensors.clear()
        self._geo_frame = self._read_geo_frame()
        if not same_town:
            self._drop_scene()
        self._switch_is_armed = False
        if same_town:
            self._shown_episode_id = self.world.episode_id
        logger.info("episode %d: %s", self.world.episode_id, town.name)
        self.clock.keep_ticking()

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
        has_layers: bool = False,
        layers: MapLayer = MapLayer.ALL,
    ) -> World:
        return World(
            town,
            self.blueprints,
            self.options.seed,
            episode_id,
            first_actor_id,
            settings=settings,
            frame=frame,
            # A file may have a layered town's name.
            has_layers=has_layers or self.shelf.has_layers(town.name),
            layers=layers,
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
        if description.type_id in CAMERA_TYPES:
            self.scene()
        actor = self.world.spawn(description, transform, parent_id)
        if actor.is_vehicle:
            limit_kmh = speed_limit_kmh(self.world, self.world.transform(actor).location)
            self.world.table.vehicle_state["speed_limit_kmh"][actor.row] = limit_kmh
        if is_sensor and description.type_id not in NO_STREAM:
            try:
                self._start_sensor(actor)
            except (CallError, ValueError):
                self.destroy(actor.actor_id)
                raise
        return actor

    def destroy(self, actor_id: int) -> bool:
        """Remove an actor and the sensor behind it; False if there is no such actor."""
        self._sensors.pop(actor_id, None)
        return self.world.destroy(actor_id)

    def _start_sensor(self, actor: Actor) -> None:
        sensor = self._make_sensor(actor)
        if isinstance(sensor, RaySensor | ObstacleSensor | Radio) and self._rays is None:
            self._rays = RayScene(self.world.town)
        actor.stream_id = self.streams.open_stream()
        actor.stream_token = self.streams.token(actor.stream_id)
        self._sensors[actor.actor_id] = sensor

    def _make_sensor(self, actor: Actor) -> AnySensor:
        world, type_id = self.world, actor.type_id
        if type_id in CAMERA_TYPES:
            return CameraSensor(world, actor)
        if type_id == GNSS_TYPE:
            return GnssSensor(world, actor, self._geo_frame)
        if type_id in (V2X_TYPE, CUSTOM_V2X_TYPE) and not self.dialect.has_v2x:
            raise CallError(f"'{type_id}' is not known to carla {self.dialect.version}")
        if type_id == V2X_TYPE:
            return V2xSensor(world, actor, self.dialect.cam_type, self._geo_frame)
        if type_id == CUSTOM_V2X_TYPE:
            return CustomV2xSensor(world, actor, self.dialect.custom_v2x_type)
        if type_id in _EVENT_SENSORS:
            return _EVENT_SENSORS[type_id](actor)
        if type_id in _NOISY_SENSORS:
            return _NOISY_SENSORS[type_id](world, actor)
        raise CallError(f"'{type_id}' is not simulated")

    def send_text(self, actor_id: int, text: str) -> None:
        """Let a custom V2X sensor send a text with the next tick.

        Raises:
            NotSimulatedError: not such a sensor, or no text that fits into a message.
        """
        sensor = self._sensors.get(actor_id)
        if not isinstance(sensor, CustomV2xSensor):
            raise NotSimulatedError(f"actor {actor_id} is no {CUSTOM_V2X_TYPE}: it sends nothing")
        sensor.say(text)

    def require_gbuffers(self, actor_id: int) -> CameraSensor:
        """Return a colour camera; raise `CallError` for anything else."""
        sensor = self._sensors.get(actor_id)
        if not isinstance(sensor, CameraSensor) or sensor.stream_type is not StreamType.RGB:
            raise CallError(f"actor {actor_id} is no sensor.camera.rgb: it has no G-buffers")
        return sensor

    def gbuffer_token(self, actor_id: int, number: int) -> bytes:
        """Return the token of a colour camera's G-buffer, whose stream opens with the first call.

        Raises:
            CallError: not a colour camera, or no G-buffer of this number.
        """
        sensor = self.require_gbuffers(actor_id)
        if not 0 <= number < len(GBuffer):
            raise CallError(f"G-buffer {number}: expected 0 to {len(GBuffer) - 1}")
        which = GBuffer(number)
        if which not in sensor.gbuffers:
            sensor.gbuffers[which] = self.streams.open_stream()
        return self.streams.token(sensor.gbuffers[which])

    def scene(self) -> CameraScene:
        """Return the renderer's scene of this town, made when the first camera needs it.

        Raises:
            CallError: this machine cannot render.
        """
        if self._scene is None:
            try:
                # Imported here: a machine without OpenGL serves everything but cameras.
                from evaluation.simulator.sensors.camera_scene import CameraScene

                self._scene = CameraScene(self.world.town, shadows=self.options.shadows)
            except (ImportError, OSError, RuntimeError) as error:
                logger.error("no cameras: %s", error)
                raise CallError(f"cameras cannot be rendered on this machine: {error}") from error
        return self._scene

    # Saved states

    def save_state(self) -> bytes:
        """Return the whole world, for `restore_state` of a simulator of the same town."""
        state = {
            **self._state_marks(),
            "world": save_world(self.world),
            "sensors": [[key, save_sensor(one)] for key, one in self._sensors.items()],
        }
        return zlib.compress(msgpack.packb(state))

    def restore_state(self, data: bytes) -> None:
        """Replace the world by a saved one; sensors get new streams.

        Raises:
            StateError: not a state, one of another town, version or format, or of a world that
                cannot be; the present one goes on then.
        """
        state = _unpacked(data)
        for name, mine in self._state_marks().items():
            if state.get(name) != mine:
                raise StateError(_MARKS[name].format(state.get(name), mine))
        town = self.world.town
        try:
            first = first_actor_id(state["world"])
            world = self._new_world(town, self.world.settings, self.episode_id, first, 0)
            restore_world(state["world"], world)
            require_sound(world)
            require_sensors(state["sensors"], world)
        except StateError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise StateError(f"a damaged state: {type(error).__name__}: {error}") from error
        self.tapes.stop()
        self.world, self._shown_episode_id = world, world.episode_id
        self._sensors.clear()
        for actor_id, saved in state["sensors"]:
            actor = world.actor(actor_id)
            if actor.type_id in CAMERA_TYPES:
                self.scene()
            self._start_sensor(actor)
            restore_sensor(self._sensors[actor_id], saved)
        logger.info("restored frame %d with %d actors", world.frame, len(world.actors))

    def show_state(self) -> None:
        """Send the world's state once more, for a client that has come since the last step."""
        state = world_state(self.world, self._shown_episode_id, self.dialect)
        self.streams.publish(WORLD_STREAM_ID, state)

    def _state_marks(self) -> dict[str, object]:
        """What has to be equal where a state is restored."""
        town = self.world.town
        return {
            "format": STATE_FORMAT,
            "client": self.dialect.version,
            "town": town.name,
            "map": hashlib.sha256(town.opendrive.encode()).hexdigest()[:16],
        }

    def close(self) -> None:
        """End a recording and release the graphics memory."""
        self.tapes.stop_recording()
        self._drop_scene()

    def _drop_scene(self) -> None:
        self._rays = None
        if self._scene is not None:
            self._scene.close()
            self._scene = None

    # The clock

    def apply_settings(self, settings: EpisodeSettings) -> int:
        """Take over settings; return the number of a frame that has been published."""
        self.world.settings = settings
        self.clock.keep_ticking()
        return self.world.frame

    def _measure(self, contacts: Sequence[Contact]) -> list[Message]:
        is_heard = self.streams.is_heard
        messages, self._undrawn = measure(
            self.world, self._sensors, contacts, self._scene, self._rays, is_heard, self.dialect
        )
        if self._undrawn:
            self.loop.call_later(0.0, self.finish_tick)
        return messages

    @property
    def has_undrawn(self) -> bool:
        """Whether the last tick has left cameras to be drawn."""
        return bool(self._undrawn)

    def finish_tick(self) -> None:
        """Draw and send what the last tick left to be drawn: once its answer is on the way, and
        before anything else happens to the world."""
        undrawn, self._undrawn = self._undrawn, []
        for stream_id, parts in draw(
            self.world, self._scene, undrawn, self.streams.is_heard, self.dialect
        ):
            self.streams.publish(stream_id, parts)

    def tick(self) -> int:
        """Step the world by its time step, send what the sensors saw, return the new frame."""
        self.finish_tick()
        world = self.world
        if self._switch_is_armed:
            self._shown_episode_id = world.episode_id
        self.tapes.before_step(self.clock.delta_s)
        contacts = advance(world, self.clock.delta_s)
        self.tapes.after_step(contacts)
        for stream_id, parts in self._measure(contacts):
            self.streams.publish(stream_id, parts)
        state = world_state(world, self._shown_episode_id, self.dialect)
        self.streams.publish(WORLD_STREAM_ID, state)
        return world.frame


def _unpacked(data: bytes) -> dict[str, Any]:
    try:
        # At most so much: a few bytes can stand for gigabytes.
        unpacked = zlib.decompressobj().decompress(data, LARGEST_STATE_BYTES)
        state = msgpack.unpackb(unpacked, strict_map_key=False)
    except (zlib.error, ValueError, msgpack.UnpackException) as error:
        raise StateError(_damaged(f"{type(error).__name__}: {error}")) from None
    if not isinstance(state, dict):
        raise StateError(_damaged(type(state).__name__))
    return state


def _damaged(why: str) -> str:
    return f"not a saved state, or one cut short ({why}): save it anew"
