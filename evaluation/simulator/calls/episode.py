"""Calls about the connection, the episode, its map, settings, weather and the clock."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

from evaluation.simulator.calls.call import Call, Effect
from evaluation.simulator.net.rpc import Caller, Deferred, Reply
from evaluation.simulator.net.stream import WORLD_STREAM_ID
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.town.library import LAYERED
from evaluation.simulator.town.shown import MapLayer
from evaluation.simulator.town.town import Town
from evaluation.simulator.wire.codec import WeatherParameters, describe, flag, integer, real, text
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.settings_records import EpisodeSettings

logger = logging.getLogger(__name__)

_MESH_EDITION = 1
"""Counts the ways in which navigation meshes were built: another one needs another name."""
_DIGEST_DIGITS = 16
_LARGEST_GRAVITY_MPS2 = 1e3
LOAD_ANSWER_DELAY_S = 0.4
"""A traffic manager's step in flight while its client loads would crash the client; the other calls
are served meanwhile, so that the step can end before the client changes episodes."""


def version(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> str:
    """Return the version of the protocol that is spoken."""
    return simulator.dialect.version


def get_episode_info(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> Any:
    """Return the episode's id and the token of the world stream."""
    return simulator.tell_episode(), (simulator.streams.token(WORLD_STREAM_ID),)


def get_sensor_token(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return the token of a stream."""
    return (simulator.clock.expect_subscription(integer("stream id", arguments[0])),)


def get_gbuffer_token(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return the token of a camera's G-buffer."""
    actor_id = integer("actor id", arguments[0])
    return simulator.gbuffer_token(actor_id, integer("G-buffer", arguments[1]))


def enable_gbuffers(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Look whether it is a colour camera: its G-buffers are sent to whoever listens to them."""
    simulator.require_gbuffers(integer("actor id", arguments[0]))
    flag("enabled", arguments[1])


def send(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Let a custom V2X sensor send a text, of 99 bytes at most, with the next tick."""
    simulator.send_text(integer("actor id", arguments[0]), text("message", arguments[1]))


def get_map_info(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> Any:
    """Return the map's name, with `_Opt` where it has layers, and its spawn points."""
    town = simulator.world.town
    name = town.name.removesuffix(LAYERED)
    suffix = LAYERED if simulator.world.presence.has_layers else ""
    return f"Carla/Maps/{name}{suffix}", town.spawn_points


def get_map_data(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> str:
    """Return the map's OpenDRIVE text."""
    return simulator.world.town.opendrive


def get_available_maps(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> Any:
    """Return the names of the towns that `load_world` accepts."""
    return [f"/Game/Carla/Maps/{name}" for name in simulator.shelf.names()]


def _navigation_file(town: Town) -> str:
    """Name the file of a town's navigation mesh; clients keep files by their names for ever."""
    digest = hashlib.sha256(town.opendrive.encode()).hexdigest()[:_DIGEST_DIGITS]
    return f"Carla/Maps/Nav/{town.name}-{_MESH_EDITION}-{digest}.bin"


def get_required_files(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Name the files that clients need: the navigation mesh, where the town has pavements."""
    folder = text("folder", arguments[0]) if arguments else ""
    town = simulator.world.town
    if folder.strip("/") != "Nav" or town.areas.walk.is_empty:
        return []
    return [_navigation_file(town)]


def request_file(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> bytes:
    """Send the navigation mesh; there is no other file."""
    town = simulator.world.town
    if arguments[0] != _navigation_file(town):
        raise CallError(f"there is no file {describe(arguments[0])}")
    return town.navigation


def get_navigation_mesh(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> bytes:
    """Return the navigation mesh."""
    return simulator.world.town.navigation


def load_new_episode(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Deferred:
    """Start a new episode, in another town if the name says so, and where that ends in `_Opt` with
    the given layers alone; the answer is held back."""
    reset_settings = flag("reset_settings", arguments[1])
    name = text("map name", arguments[0])
    layers = MapLayer(layer_bits(arguments[2]) if len(arguments) > 2 else MapLayer.ALL)
    old = simulator.world
    has_layers = simulator.shelf.has_layers(name) if name else old.presence.has_layers
    town = simulator.shelf.find(name or old.town.name)
    settings = EpisodeSettings() if reset_settings else old.settings
    simulator.load(town, settings, has_layers=has_layers, layers=layers)
    answer = Deferred()
    simulator.loop.call_later(LOAD_ANSWER_DELAY_S, answer.resolve)
    return answer


def layer_bits(argument: object) -> int:
    """The bits of carla.MapLayer that a client has sent; others are dropped."""
    return integer("map layers", argument) & int(MapLayer.ALL)


def load_layers(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Load layers of a town whose name ends in `_Opt`; others have none, and nothing happens."""
    simulator.world.load_layers(layer_bits(arguments[0]), loaded=True)


def unload_layers(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Unload layers of a town whose name ends in `_Opt`; others have none, and nothing happens."""
    if not simulator.world.presence.has_layers:
        name = simulator.world.town.name
        logger.info("%s has no layers to unload: load_world('%s%s') has", name, name, LAYERED)
    simulator.world.load_layers(layer_bits(arguments[0]), loaded=False)


def take_opendrive(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Build a town from a text; the client then loads it. How its walls and meshes are to be made
    is not looked at: this simulator builds all towns alike."""
    simulator.shelf.keep(text("OpenDRIVE", arguments[0]))


def get_actor_definitions(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> Any:
    """Return the blueprint library."""
    return simulator.blueprints.to_wire(simulator.dialect)


def get_episode_settings(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> Any:
    """Return the settings."""
    return simulator.world.settings.to_wire()


def set_episode_settings(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> int:
    """Take over settings; return a frame that has been published."""
    return simulator.apply_settings(EpisodeSettings.from_wire(arguments[0]))


def tick_cue(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> int | Deferred:
    """Step the world; return the number of the new frame."""
    return simulator.clock.tick_when_heard()


def get_weather_parameters(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> Any:
    """Return the weather."""
    return simulator.world.weather


def set_weather_parameters(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Change the weather."""
    simulator.world.set_weather(WeatherParameters.from_wire(arguments[0]))


def update_day_night_cycle(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Set whether street lamps go on and off with the sun."""
    enabled = flag("day_night_cycle", arguments[1])
    simulator.world.street_lights.follow_sun(enabled=enabled)


def get_imu_gravity(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> float:
    """Return the gravity that inertial units feel, m/s2."""
    return simulator.world.imu_gravity_mps2


def set_imu_gravity(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Set the gravity that inertial units feel, m/s2; bodies fall as before, as in CARLA."""
    gravity_mps2 = real("gravity", arguments[0], -_LARGEST_GRAVITY_MPS2, _LARGEST_GRAVITY_MPS2)
    simulator.world.imu_gravity_mps2 = gravity_mps2


CALLS = {
    "get_imui_gravity": Call(get_imu_gravity, Reply.VALUE),
    "set_imui_gravity": Call(set_imu_gravity, Reply.VOID, 1),
    "version": Call(version, Reply.VALUE),
    "get_episode_info": Call(get_episode_info, Reply.VALUE),
    "get_sensor_token": Call(get_sensor_token, Reply.VALUE, 1),
    "get_gbuffer_token": Call(get_gbuffer_token, Reply.VALUE, 2),
    "enable_gbuffers": Call(enable_gbuffers, Reply.VOID, 2, effect=Effect.NONE),
    "send": Call(send, Reply.VOID, 2),
    "get_map_info": Call(get_map_info, Reply.VALUE),
    "get_map_data": Call(get_map_data, Reply.VALUE),
    "get_available_maps": Call(get_available_maps, Reply.VALUE),
    "get_required_files": Call(get_required_files, Reply.VALUE),
    "request_file": Call(request_file, Reply.VALUE, 1),
    "get_navigation_mesh": Call(get_navigation_mesh, Reply.VALUE),
    "copy_opendrive_to_file": Call(take_opendrive, Reply.VOID, 1),
    "load_map_layer": Call(load_layers, Reply.VOID, 1),
    "unload_map_layer": Call(unload_layers, Reply.VOID, 1),
    "load_new_episode": Call(load_new_episode, Reply.VOID, 2),
    "get_actor_definitions": Call(get_actor_definitions, Reply.VALUE),
    "get_episode_settings": Call(get_episode_settings, Reply.VALUE, tells=False),
    "set_episode_settings": Call(set_episode_settings, Reply.VALUE, 1),
    "tick_cue": Call(tick_cue, Reply.VALUE),
    "get_weather_parameters": Call(get_weather_parameters, Reply.VALUE, tells=False),
    "set_weather_parameters": Call(set_weather_parameters, Reply.VOID, 1),
    "update_day_night_cycle": Call(update_day_night_cycle, Reply.VOID, 2),
}
