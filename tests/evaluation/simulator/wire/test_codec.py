"""Wire records survive the wire, and refuse what is not theirs."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.simulator.wire.actor_records import (
    AttributeValue,
    Command,
    CommandKind,
    Description,
    SpawnCommand,
)
from evaluation.simulator.wire.codec import (
    BoundingBox,
    Rotation,
    Transform,
    Vector3D,
    VehicleControl,
    WalkerControl,
    WeatherParameters,
    WireError,
    describe,
)
from evaluation.simulator.wire.dialect import DIALECTS
from evaluation.simulator.wire.settings_records import (
    EpisodeSettings,
    GearPhysics,
    VehiclePhysics,
    WheelPhysics,
)

numbers = st.floats(-1e6, 1e6)
shares = st.floats(0.0, 1.0)
vectors = st.builds(Vector3D, numbers, numbers, numbers)
rotations = st.builds(Rotation, numbers, numbers, numbers)
transforms = st.builds(Transform, vectors, rotations)
boxes = st.builds(BoundingBox, vectors, vectors, rotations, st.integers(0, 2**32 - 1))
controls = st.builds(
    VehicleControl,
    shares,
    st.floats(-1.0, 1.0),
    shares,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(-1, 8),
)
walks = st.builds(WalkerControl, vectors, st.floats(0.0, 10.0), st.booleans())
weathers = st.builds(WeatherParameters, *[numbers] * 14)
settings = st.builds(
    EpisodeSettings,
    st.booleans(),
    st.booleans(),
    st.none() | st.floats(1e-3, 1.0),
    st.booleans(),
    numbers,
    st.integers(0, 16),
    numbers,
    st.booleans(),
    numbers,
    numbers,
    st.booleans(),
)
descriptions = st.builds(
    Description,
    st.integers(0, 2**32 - 1),
    st.text(max_size=20),
    st.lists(
        st.builds(AttributeValue, st.text(max_size=9), st.integers(0, 5), st.text(max_size=9)),
        max_size=3,
    ).map(tuple),
)
curves = st.lists(st.tuples(numbers, numbers), max_size=3).map(tuple)
gears = st.lists(st.tuples(numbers, numbers, numbers), max_size=3)
wheels = st.lists(st.tuples(st.tuples(*[numbers] * 9), vectors), max_size=2)


@st.composite
def physics(draw: st.DrawFn) -> VehiclePhysics:
    return VehiclePhysics(
        torque_curve=draw(curves),
        mass=draw(numbers),
        forward_gears=tuple(GearPhysics(*gear) for gear in draw(gears)),
        wheels=tuple(WheelPhysics(*(*values, place)) for values, place in draw(wheels)),
    )


def over_the_wire(record: object) -> Any:
    return msgpack.unpackb(msgpack.packb(record))


@given(
    st.one_of(
        vectors,
        rotations,
        transforms,
        boxes,
        controls,
        walks,
        weathers,
        descriptions,
        physics(),
    )
)
def test_round_trip(record: Any) -> None:
    assert type(record).from_wire(over_the_wire(record)) == record


@given(settings)
def test_settings_round_trip(record: EpisodeSettings) -> None:
    assert EpisodeSettings.from_wire(over_the_wire(record.to_wire())) == record


@given(st.lists(numbers, max_size=5))
def test_missing_fields_are_defaults_and_more_are_ignored(values: list[float]) -> None:
    vector = Vector3D.from_wire(values)
    assert list(vector) == [*values, 0.0, 0.0, 0.0][:3]


@given(st.lists(numbers, max_size=20))
def test_short_settings_of_old_clients(values: list[float]) -> None:
    wire: list[Any] = [True, False, [True, 0.1], True, 0.01, 10, 5.0, False]
    read = EpisodeSettings.from_wire(wire)
    assert read == EpisodeSettings(True, False, 0.1, max_culling_distance=5.0,
                                   deterministic_ragdolls=False)  # fmt: skip
    assert EpisodeSettings.from_wire([*read.to_wire(), *values]) == read


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(anything)
def test_anything_else_is_a_wire_error(data: object) -> None:
    records: tuple[Any, ...] = (
        Vector3D,
        Transform,
        BoundingBox,
        VehicleControl,
        WalkerControl,
        WeatherParameters,
        EpisodeSettings,
        VehiclePhysics,
        Description,
        Command,
    )
    for record in records:
        with contextlib.suppress(WireError):
            assert isinstance(record.from_wire(data), record)


def test_a_brake_that_is_not_a_number_is_full_brake() -> None:
    nan = float("nan")
    assert VehicleControl.from_wire([0.0, 0.1, nan, False, False, False, 0]).brake == 1.0
    with pytest.raises(WireError, match=r"VehicleControl\.throttle: expected a finite number"):
        VehicleControl.from_wire([nan, 0.1, 0.0, False, False, False, 0])


def test_controls_are_clipped() -> None:
    control = VehicleControl.from_wire([3.0, -7.0, -1.0, False, False, False, 1])
    assert control[:3] == (1.0, -1.0, 0.0)


@pytest.mark.parametrize("version", sorted(DIALECTS))
def test_spawn_command_of_each_version(version: str) -> None:
    description = [5, "vehicle.audi.tt", []]
    pose = [[1.0, 2.0, 3.0], [0.0, 90.0, 0.0]]
    after = [[[CommandKind.SET_AUTOPILOT, [0, True]]]]
    socket = [0, ""] if DIALECTS[version].spawn_has_socket else []
    wire = over_the_wire([description, pose, [True, 42], *socket, after])
    command = SpawnCommand.from_wire(wire, DIALECTS[version])
    assert command.parent_id == 42
    assert command.transform.rotation.yaw == 90.0
    assert [item.kind for item in command.do_after] == [CommandKind.SET_AUTOPILOT]


def test_spawn_command_of_the_wrong_version_names_the_option() -> None:
    wire = [[5, "vehicle.audi.tt", []], [[0, 0, 0], [0, 0, 0]], [False], []]
    with pytest.raises(WireError, match="--client-version"):
        SpawnCommand.from_wire(wire, DIALECTS["0.9.16"])


@pytest.mark.parametrize("value", [1e200, -1e200, math.inf, math.nan, 2**63])
def test_finite_is_not_enough(value: float) -> None:
    for record, data in (
        (Vector3D, [0.0, value]),
        (Transform, [[0.0, 0.0, value]]),
        (Transform, [[], [0.0, value]]),
        (WalkerControl, [[1.0, 0.0, 0.0], value, False]),
        (WeatherParameters, [value]),
    ):
        with pytest.raises(WireError, match="expected a finite number"):
            record.from_wire(data)


@pytest.mark.parametrize("delta_s", [1e-9, 1e4, -0.05])
def test_impossible_time_steps_are_refused(delta_s: float) -> None:
    with pytest.raises(WireError, match="fixed_delta_seconds"):
        EpisodeSettings.from_wire([True, False, [True, delta_s]])


def test_anything_can_be_described() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    for data in (nested, "x" * 10_000_000, {"a": nested}, [nested] * 1000):
        assert len(describe(data)) < 300


@pytest.mark.parametrize("value", ["inf", "nan", "1e400", "many"])
def test_attributes_must_be_numbers_that_can_be_computed_with(value: str) -> None:
    camera = Description(0, "sensor.camera.rgb", (AttributeValue("fov", 3, value),))
    with pytest.raises(WireError, match="fov"):
        camera.number("fov", 90.0)
