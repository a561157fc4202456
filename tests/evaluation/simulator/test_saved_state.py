"""A saved world goes on as the one that it was saved from, and nothing of it is forgotten."""

from __future__ import annotations

import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from math import inf, nan, sin
from typing import Any, NamedTuple

import msgpack
import numpy as np
import pytest

from evaluation.simulator.options import ServeOptions
from evaluation.simulator.server import SimulatorServer
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.town.town import load_town
from evaluation.simulator.wire.actor_records import AttributeValue, Description
from evaluation.simulator.wire.codec import (
    Transform,
    Vector3D,
    VehicleControl,
    WalkerControl,
    WeatherParameters,
)
from evaluation.simulator.wire.state_codec import StateError, decode, encode
from evaluation.simulator.world.saved_world import CLASSES, DERIVED, SAVED
from evaluation.simulator.world.street_lights import Lamp
from evaluation.simulator.world.world import World

TICKS = 40


LOAD = cache(load_town)


def simulator(seed: int = 0) -> SimulatorServer:
    return SimulatorServer(ServeOptions(port=0, seed=seed), lambda spec, _seed: LOAD(spec, 0))


@pytest.fixture
def driven() -> Iterator[Simulator]:
    """A world with cars, a walker and sensors, in the middle of it all."""
    server = simulator()
    found = server.simulator
    world = found.world
    car = Description(0, "vehicle.lincoln.mkz_2020")
    places = world.town.spawn_points
    cars = [found.spawn(car, place) for place in places[:3]]
    noise = (AttributeValue("noise_lat_stddev", 1, "0.00001"),)
    found.spawn(Description(0, "sensor.other.gnss", noise), Transform(), cars[0].actor_id)
    tick = (AttributeValue("sensor_tick", 1, "0.2"),)
    found.spawn(Description(0, "sensor.other.imu", tick), Transform(), cars[1].actor_id)
    beside = places[0].location
    walker = found.spawn(
        Description(0, "walker.pedestrian.0001"),
        Transform(Vector3D(beside.x + 6.0, beside.y + 4.0, beside.z + 1.0)),
    )
    world.apply_walker_control(walker, WalkerControl(Vector3D(0.0, 1.0, 0.0), 1.5))
    found.destroy(cars[2].actor_id)
    for tick_number in range(TICKS):
        world.apply_vehicle_control(cars[0], VehicleControl(0.7, 0.2 * sin(tick_number)))
        found.tick()
    # Handed over, but not taken by a step yet.
    world.apply_vehicle_control(cars[1], VehicleControl(1.0))
    yield found
    server.close()


def trace(found: Simulator) -> list[tuple[bytes, list[bytes]]]:
    """States and noise of the coming ticks."""
    seen = []
    for _ in range(TICKS):
        found.tick()
        readings = [
            b"".join(bytes(part) for part in sensor.measure(found.world))  # type: ignore[call-arg,union-attr]
            for sensor in found._sensors.values()
            if sensor.schedule.is_due(found.world.elapsed_s)  # type: ignore[union-attr]
        ]
        seen.append((found.world.table.to_bytes(), readings))
    return seen


def test_a_restored_world_goes_on_with_the_same_trace(driven: Simulator) -> None:
    state = driven.save_state()
    expected = trace(driven)
    other = simulator(seed=7)
    try:
        for _ in range(2):
            other.simulator.restore_state(state)
            assert trace(other.simulator) == expected
    finally:
        other.close()


def test_every_attribute_is_saved_or_follows_from_what_is(driven: Simulator) -> None:
    world = driven.world
    for part, names in SAVED.items():
        found = set(vars(getattr(world, part) if part else world))
        known = {*names, *DERIVED.get(part, ())}
        assert found == known, f"{part or 'world'}: add new attributes to SAVED or DERIVED"
    parts = {name for name, value in vars(world).items() if hasattr(value, "__dict__")}
    stateless = {"town", "blueprints", "table", "spectator", "ray_targets"}
    assert parts - stateless == {part for part in SAVED if part}
    assert isinstance(world, World)


def changed(state: bytes, **marks: object) -> bytes:
    content = msgpack.unpackb(zlib.decompress(state), strict_map_key=False)
    return zlib.compress(msgpack.packb({**content, **marks}))


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ({"format": 99}, "format 99, this simulator reads .*: save it anew"),
        ({"client": "0.9.15"}, "saved for carla 0.9.15.*install that version"),
        ({"town": "Elsewhere"}, "of the town Elsewhere, this one is .*--town"),
        ({"map": "0" * 16}, "map has changed since the state was saved.*save it anew"),
        ({"world": encode({"parts": {}}, CLASSES)}, "a damaged state"),
        ({"world": ["record", ["Popen", [["list", ["true"]]]]]}, "unreadable"),
    ],
)
def test_states_of_others_are_refused_and_the_world_goes_on(
    driven: Simulator, marks: dict[str, object], message: str
) -> None:
    state = driven.save_state()
    with pytest.raises(StateError, match=message):
        driven.restore_state(changed(state, **marks))
    assert driven.save_state() == state


@pytest.mark.parametrize("data", [b"", b"nonsense", zlib.compress(b"\xc1"), zlib.compress(b"\x01")])
def test_what_is_no_state_is_refused(driven: Simulator, data: bytes) -> None:
    with pytest.raises(StateError, match="not a saved state"):
        driven.restore_state(data)


def test_a_cut_state_is_refused(driven: Simulator) -> None:
    with pytest.raises(StateError, match="not a saved state"):
        driven.restore_state(driven.save_state()[:-20])


def test_values_come_back_with_their_types() -> None:
    value = {(1, 2): [None, True, 0.1, "a", b"b"], "set": {3}, "pose": Transform(Vector3D(1.0))}
    assert decode(msgpack.unpackb(msgpack.packb(encode(value, CLASSES))), CLASSES) == value


class Unlisted(NamedTuple):
    value: int


class Lamp2(NamedTuple):
    """Named as a record of the list, which it is not."""

    on: bool


Lamp2.__name__ = "Lamp"


@dataclass
class Counted:
    """Tells of a field that it is not made with."""

    made: int = field(default=0, init=False)


class Shade(Enum):
    DARK = (0, 0, 0)


MINE = {**CLASSES, "Counted": Counted, "Shade": Shade}


@pytest.mark.parametrize(
    "value",
    [
        Unlisted(1),
        Lamp2(True),
        {"deep": [(Unlisted(1),)]},
        Shade.DARK,
        Counted(),
        defaultdict(list),
        frozenset({1}),
        deque([1]),
        np.array([None]),
        np.float32(1.0),
        np.ma.array([1.0]),
        1j,
    ],
)
def test_what_could_not_be_read_again_is_not_saved(value: object) -> None:
    classes = CLASSES if value is Shade.DARK else MINE
    with pytest.raises(TypeError, match="cannot be"):
        encode(value, classes)


def test_an_enum_of_tuples_comes_back() -> None:
    plain = msgpack.unpackb(msgpack.packb(encode(Shade.DARK, MINE)))
    assert decode(plain, MINE) is Shade.DARK


def test_a_world_with_something_unknown_in_it_is_not_saved(driven: Simulator) -> None:
    driven.world.street_lights._told[0] = Unlisted(1)  # type: ignore[assignment]
    with pytest.raises(TypeError, match="Unlisted cannot be saved"):
        driven.save_state()


def damaged(state: bytes, damage: Callable[[dict[str, Any]], None]) -> bytes:
    """The state with something in its decoded world changed."""
    content = msgpack.unpackb(zlib.decompress(state), strict_map_key=False)
    world = decode(content["world"], CLASSES)
    whole = {"world": world, "sensors": content["sensors"]}
    damage(whole)
    return changed(state, world=encode(whole["world"], CLASSES), sensors=whole["sensors"])


def body(part: str, name: str, value: float) -> Callable[[dict[str, Any]], None]:
    def damage(whole: dict[str, Any]) -> None:
        whole["world"]["parts"][part]["state"][name][0] = value

    return damage


def attribute(part: str, name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def damage(whole: dict[str, Any]) -> None:
        whole["world"]["parts"][part][name] = value

    return damage


def of_car(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def damage(whole: dict[str, Any]) -> None:
        whole["world"]["actors"][0] = replace(whole["world"]["actors"][0], **{name: value})

    return damage


def drop_a_body(whole: dict[str, Any]) -> None:
    fleet = whole["world"]["parts"]["fleet"]
    fleet["state"] = fleet["state"][:-1]


def light_stage(whole: dict[str, Any]) -> None:
    whole["world"]["parts"]["lights"]["_stage"][0] = 7


def lose_the_sensor(whole: dict[str, Any]) -> None:
    whole["sensors"][0][0] = 987654


def sensor_time(whole: dict[str, Any]) -> None:
    whole["sensors"][0][1]["schedule"]["interval_s"] = nan


def sensor_noise(whole: dict[str, Any]) -> None:
    for _, values in whole["sensors"]:
        if "noise" in values:
            values["noise"] = "{}"


@pytest.mark.parametrize(
    "damage",
    [
        attribute("presence", "_hidden", {10**6}),
        attribute("presence", "_loaded", 0),
        attribute("presence", "has_layers", 1),
        body("fleet", "position_m", nan),
        body("fleet", "velocity_mps", 1e5),
        body("fleet", "mass_kg", 0.0),
        body("fleet", "pedals", 3.0),
        body("fleet", "actor_id", 123456),
        body("crowd", "yaw_rad", inf),
        body("crowd", "wanted_mps", -1e9),
        attribute("", "frame", -1),
        attribute("", "elapsed_s", nan),
        attribute("", "_next_id", 1),
        attribute("", "weather", WeatherParameters(nan)),
        attribute("fleet", "_specs", []),
        attribute("street_lights", "_told", {0: Lamp(True, (1, 2, 3), nan)}),
        attribute("street_lights", "_told", {10**6: Lamp(True, (1, 2, 3), 1.0)}),
        attribute("lights", "times_s", np.full((1, 3), 5.0)),
        of_car("row", 9999),
        of_car("actor_id", 10**7),
        of_car("parent_id", 987654),
        drop_a_body,
        light_stage,
        lose_the_sensor,
        sensor_time,
        sensor_noise,
    ],
)
def test_a_world_that_cannot_be_is_refused_and_the_present_one_goes_on(
    driven: Simulator, damage: Callable[[dict[str, Any]], None]
) -> None:
    state = driven.save_state()
    with pytest.raises(StateError, match="damaged state"):
        driven.restore_state(damaged(state, damage))
    assert driven.save_state() == state
    # Unchanged but for having been taken apart, it is taken.
    driven.restore_state(damaged(state, lambda _: None))


@pytest.mark.parametrize("gear", [0, 5])
def test_new_vehicles_and_those_that_shift_up_at_no_speed_are_kept(
    driven: Simulator, gear: int
) -> None:
    first = next(iter(driven.world.fleet.actor_ids.tolist()))
    last_gear = VehicleControl(0.5, manual_gear_shift=True, gear=gear)
    driven.world.fleet.set_control(first, last_gear)
    driven.tick()
    assert driven.world.fleet.gears()[driven.world.fleet.row(first)] == gear
    place = driven.world.town.spawn_points[-1]
    new = driven.spawn(Description(0, "vehicle.audi.tt"), place)
    driven.restore_state(driven.save_state())
    assert new.actor_id in driven.world.fleet
    driven.destroy(new.actor_id)
