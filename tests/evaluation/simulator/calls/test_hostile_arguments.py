"""Every call with arguments that no well-meaning client sends: refused or taken, and time goes on.

`ARGUMENTS` has good examples for each call of the table; every number, text and list in them is
replaced by each of `HOSTILE` in turn. After each the world must still tick, and all that clients
are told must be finite.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.simulator.calls.table import CALLS, method_table
from evaluation.simulator.net.event_loop import EventLoop
from evaluation.simulator.net.ports import bind_pair
from evaluation.simulator.net.rpc import Caller
from evaluation.simulator.net.stream import StreamServer
from evaluation.simulator.options import ServeOptions
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.town.library import TownShelf
from evaluation.simulator.town.signal_specs import TrafficLightSpec
from evaluation.simulator.town.town import Town, load_town
from evaluation.simulator.wire.codec import (
    AckermannGains,
    BoundingBox,
    Transform,
    Vector3D,
    VehicleControl,
    WeatherParameters,
    WireError,
)
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.settings_records import EpisodeSettings, VehiclePhysics, WheelPhysics

CAR, WALKER, LIGHT = "car", "walker", "light"
"""Stand in the examples for the id of a living actor of the kind."""

POSE = [[60.0, 1.75, 0.3], [0.0, 10.0, 0.0]]
BLUEPRINT = [0, "vehicle.audi.tt", [["role_name", 4, "hero"], ["color", 5, "1,2,3"]]]
CAMERA = [0, "sensor.camera.rgb", [["image_size_x", 2, "64"], ["fov", 3, "90"]]]
NOISE = [["noise_seed", 2, "5"], ["noise_lat_stddev", 3, "0.1"], ["sensor_tick", 3, "0.1"]]
SCANNER = [["channels", 2, "4"], ["points_per_second", 2, "100"], ["upper_fov", 3, "5"]]
WHEELS = [list(WheelPhysics())] * 4
PHYSICS = [*VehiclePhysics()[:-2], WHEELS, False]
NO_ARGUMENTS: list[list[Any]] = [[]]

ARGUMENTS: dict[str, list[list[Any]]] = {
    **{name: NO_ARGUMENTS for name, call in CALLS.items() if call.arity == 0},
    "get_sensor_token": [[1]],
    "get_gbuffer_token": [[1, 0]],
    "enable_gbuffers": [[1, True]],
    "set_ignored_vehicles": [[1, [CAR]]],
    "request_file": [["file"]],
    "load_new_episode": [["tiny", False, 0]],
    "set_episode_settings": [[EpisodeSettings(True, False, 0.05).to_wire()]],
    "set_weather_parameters": [[list(WeatherParameters())]],
    "get_actors_by_id": [[[CAR, 4711]]],
    "spawn_actor": [
        [BLUEPRINT, POSE],
        [[0, "sensor.other.gnss", NOISE], POSE],
        [CAMERA, POSE],
        [[0, "sensor.lidar.ray_cast", SCANNER], POSE],
        [[0, "sensor.other.radar", [["range", 3, "20"]]], POSE],
        [[0, "sensor.other.obstacle", [["hit_radius", 3, "1"]]], POSE],
        [[0, "sensor.other.v2x", [["gen_cam_max", 3, "2"], ["frequency_ghz", 3, "5.9"]]], POSE],
        [[0, "sensor.other.v2x_custom", [["d_ref", 3, "1"], ["scenario", 4, "rural"]]], POSE],
        [[0, "static.trigger.friction", [["friction", 3, "1"], ["extent_x", 3, "900"]]], POSE],
    ],
    "spawn_actor_with_parent": [[BLUEPRINT, POSE, CAR, 0, ""], [CAMERA, POSE, CAR, 0, ""]],
    "destroy_actor": [[CAR]],
    "get_actor_bounding_box": [[CAR]],
    # Whole states that are damaged: tests/evaluation/simulator/test_saved_state.py.
    "restore_state": [[b"state"]],
    "set_actor_transform": [[CAR, POSE], [WALKER, POSE]],
    "set_actor_location": [[CAR, POSE[0]]],
    "apply_control_to_walker": [[WALKER, [[1.0, 0.0, 0.0], 1.5, True]]],
    "get_vehicle_light_state": [[CAR]],
    "set_vehicle_light_state": [[CAR, [3]], [CAR, 3]],
    "apply_control_to_vehicle": [[CAR, list(VehicleControl(0.5, 0.1, 0.0))]],
    "get_physics_control": [[CAR]],
    "apply_physics_control": [[CAR, PHYSICS]],
    "get_wheel_steer_angle": [[CAR, 0]],
    "get_telemetry_data": [[CAR]],
    "get_wheel_pitch_angle": [[CAR, 0]],
    "set_wheel_pitch_angle": [[CAR, 0, 30.0]],
    "send": [[CAR, "text"]],
    "open_vehicle_door": [[CAR, 0], [CAR, 6]],
    "close_vehicle_door": [[CAR, 0]],
    "is_traffic_manager_running": [[8000]],
    "get_traffic_manager_running": [[8000]],
    "add_traffic_manager_running": [[["127.0.0.1", 8000]]],
    "destroy_traffic_manager": [[8000]],
    "set_traffic_light_state": [[LIGHT, 1]],
    "freeze_all_traffic_lights": [[True]],
    "reset_traffic_light_group": [[LIGHT]],
    "get_group_traffic_lights": [[LIGHT]],
    "get_light_boxes": [[LIGHT]],
    "get_all_level_BBs": [[255]],
    "get_environment_objects": [[255]],
    "enable_environment_objects": [[[1, 2], True]],
    "load_map_layer": [[8]],
    "unload_map_layer": [[8]],
    "project_point": [[POSE[0], [1.0, 0.0, 0.0], 50.0]],
    "cast_ray": [[POSE[0], [90.0, 2.0, 0.5]]],
    "disable_actor_constant_velocity": [[CAR]],
    "copy_opendrive_to_file": [["<OpenDRIVE/>", [2.0, 50.0, 1.0, 0.6, True, True, True]]],
    "get_ackermann_controller_settings": [[CAR]],
    "apply_ackermann_control_to_vehicle": [[CAR, [0.1, 0.2, 5.0, 1.0, 0.0]]],
    "apply_ackermann_controller_settings": [[CAR, list(AckermannGains())]],
    "freeze_traffic_light": [[LIGHT, True]],
    "add_actor_impulse_at_location": [[CAR, [3.0, 1.0, 0.0], POSE[0]]],
    "add_actor_force_at_location": [[CAR, [3.0, 1.0, 0.0], POSE[0]]],
    "query_lights_state": [["127.0.0.1:2000"]],
    "update_lights_state": [["127.0.0.1:2000", [[0, POSE[0], 1.0, 2, [1, 2, 3], True]], False]],
    "update_day_night_cycle": [["127.0.0.1:2000", True]],
    "draw_debug_shape": [
        [[[0, [POSE[0], 0.2]], [255, 0, 0], 1.0, True]],
        [[[2, [[POSE[0], [90.0, 2.0, 0.5], 0.1], 0.2]], [255, 0, 0], 1.0, True]],
        [[[3, [[POSE[0], POSE[0], POSE[1], 0], POSE[1], 0.1]], [255, 0, 0], -1.0, True]],
    ],
    "get_bones_transform": [[WALKER]],
    "set_bones_transform": [[WALKER, [[["crl_hand__L", POSE], ["crl_toe__R", POSE]]]]],
    "blend_pose": [[WALKER, 0.5]],
    "get_pose_from_animation": [[WALKER]],
    "get_actor_bone_names": [[CAR], [WALKER]],
    "get_actor_bone_world_transforms": [[CAR], [WALKER]],
    "get_actor_bone_relative_transforms": [[CAR], [WALKER]],
    "get_vehicle_bone_world_transforms": [[CAR]],
    "get_actor_component_names": [[CAR], [WALKER]],
    "get_actor_component_world_transform": [[CAR, "VehicleMesh"], [WALKER, "CharacterMesh0"]],
    "get_actor_component_relative_transform": [[CAR, "back-blinker-l-1"]],
    "get_actor_socket_names": [[CAR], [WALKER]],
    "get_actor_socket_world_transforms": [[CAR], [WALKER]],
    "get_actor_socket_relative_transforms": [[CAR], [WALKER]],
    "set_imui_gravity": [[9.0]],
    "start_recorder": [["kept.log", True]],
    "show_recorder_file_info": [["kept.log", True]],
    "show_recorder_collisions": [["kept.log", "v", ord("a")]],
    "show_recorder_actors_blocked": [["kept.log", 1.0, 10.0]],
    "replay_file": [["kept.log", 0.0, 0.0, CAR, True, POSE]],
    "stop_replayer": [[False]],
    "set_replayer_time_factor": [[2.0]],
    "set_replayer_ignore_hero": [[True]],
    "set_replayer_ignore_spectator": [[True]],
    "apply_batch": [
        [[[[0, [BLUEPRINT, POSE, [False], 0, "", [[[2, [0, list(VehicleControl())]]]]]]]], False],
        [[[[2, [CAR, list(VehicleControl(0.5))]]], [[6, [CAR, POSE]]], [[18, [CAR, 3]]]], False],
    ],
}
for _name in ("green", "yellow", "red"):
    ARGUMENTS[f"set_traffic_light_{_name}_time"] = [[LIGHT, 3.0]]
for _name in ("simulate_physics", "enable_gravity", "collisions"):
    ARGUMENTS[f"set_actor_{_name}"] = [[CAR, False], [WALKER, True]]
for _name in (
    "set_actor_target_velocity",
    "set_actor_target_angular_velocity",
    "enable_actor_constant_velocity",
    "add_actor_impulse",
    "add_actor_force",
    "add_actor_angular_impulse",
    "add_actor_torque",
):
    ARGUMENTS[_name] = [[CAR, [3.0, 1.0, 0.0]], [WALKER, [3.0, 1.0, 0.0]]]

NESTED: list[Any] = []
for _ in range(5000):
    NESTED = [NESTED]
HOSTILE: tuple[Any, ...] = (
    math.nan, math.inf, -math.inf, -1, 0, 1e-9, 1e12, -1e12, 1e200, 2**63, "1e200", "nan", "",
    None, True, b"\xff", [], [1.0], {"a": 1}, NESTED,
)  # fmt: skip


@pytest.fixture(scope="module")
def town(tiny_towns: Path) -> Town:
    straight = load_town(str(tiny_towns / "tiny.xodr"), 0)
    light = TrafficLightSpec(
        sign_id="7",
        junction_id=1,
        group=0,
        transform=Transform(Vector3D(100.0, 5.0, 0.0)),
        trigger_box=BoundingBox(Vector3D(), Vector3D(2.0, 2.0, 1.0)),
        facing_yaw_rad=math.pi,
        lamp_locations=(Vector3D(100.0, 5.0, 4.0),),
    )
    return replace(straight, traffic_lights=(light,))


@pytest.fixture
def simulator(town: Town, tmp_path: Path) -> Iterator[Simulator]:
    loop = EventLoop()
    rpc_socket, stream_socket = bind_pair("127.0.0.1", 0)
    rpc_socket.close()
    streams = StreamServer(loop, stream_socket)
    shelf = TownShelf(lambda _spec, _seed: town, 0, None)
    options = ServeOptions(town="tiny", recordings_folder=tmp_path)
    simulator = Simulator(options, loop, shelf, streams)
    keep_a_recording(simulator)
    yield simulator
    simulator.close()
    streams.close()
    loop.close()


def broken(example: Any) -> Iterator[Any]:
    """Yield the example with one of its parts replaced, for all parts and all hostile values."""
    yield from HOSTILE
    if isinstance(example, list | tuple):
        for index, part in enumerate(example):
            for other in broken(part):
                yield [*example[:index], other, *example[index + 1 :]]


def aimed(arguments: Any, ids: dict[str, int]) -> Any:
    """Put living actors' ids where the example names a kind."""
    if isinstance(arguments, list | tuple) and arguments is not NESTED:
        return [aimed(part, ids) for part in arguments]
    return ids.get(arguments, arguments) if isinstance(arguments, str) else arguments


def test_every_call_has_an_example() -> None:
    assert set(ARGUMENTS) == set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_no_argument_stops_the_world(simulator: Simulator, name: str) -> None:
    method = method_table(simulator)[name]
    lists = [
        arguments
        for example in ARGUMENTS[name]
        for arguments in (example, *broken(example))
        if isinstance(arguments, list)
    ]
    for arguments in lists:
        ids = populate(simulator)
        with contextlib.suppress(CallError, WireError):
            method.call(Caller("test"), aimed(arguments, ids))
        frame = simulator.world.frame
        assert simulator.tick() == frame + 1
        assert np.isfinite(told(simulator)).all(), arguments


def keep_a_recording(simulator: Simulator) -> None:
    """Leave a recording of a car in the folder, for the calls that read one."""
    simulator.tapes.record("kept.log", additional=True)
    populate(simulator)
    for _ in range(3):
        simulator.tick()
    simulator.tapes.stop()


def populate(simulator: Simulator) -> dict[str, int]:
    """Make sure that there is a moving car and a walker; return the ids of one actor a kind."""
    world = simulator.world
    if len(world.fleet) != 1 or len(world.crowd) != 1:
        simulator.load(world.town, EpisodeSettings(True, False, 0.05))
        world = simulator.world
        for type_id, y in (("vehicle.lincoln.mkz_2020", 1.75), ("walker.pedestrian.0001", 8.0)):
            spawn = method_table(simulator)["spawn_actor"]
            spawn.call(Caller("test"), [[0, type_id, []], [[50.0, y, 1.0], [0.0, 0.0, 0.0]]])
    return {
        CAR: int(world.fleet.actor_ids[0]),
        WALKER: int(world.crowd.actor_ids[0]),
        LIGHT: world.light_actors[0].actor_id,
    }


def told(simulator: Simulator) -> np.ndarray:
    """Return the poses and velocities of all actors, as they are sent."""
    table = simulator.world.table
    count = table.count
    columns = (
        table.location,
        table.rotation_deg,
        table.velocity,
        table.angular_velocity_dps,
        table.acceleration,
    )
    return np.concatenate([column[:count] for column in columns], axis=1).astype(np.float32)
