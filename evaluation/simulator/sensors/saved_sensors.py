"""What a sensor remembers from one measurement to the next: its schedule, its noise, its start."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.sensors.awareness import CamRhythm
from evaluation.simulator.sensors.measure import AnySensor
from evaluation.simulator.sensors.v2x import CustomV2xSensor, V2xSensor
from evaluation.simulator.wire.codec import MAX_NUMBER
from evaluation.simulator.wire.state_codec import StateError
from evaluation.simulator.wire.v2x_records import CUSTOM_TEXT_BYTES
from evaluation.simulator.world.world import World

SCHEDULE = ("interval_s", "_next_s", "_last_s")
STARTED = ("_spawned_s", "_spawned_frame")


def save_sensor(sensor: AnySensor) -> dict[str, Any]:
    """Plain msgpack values for `restore_sensor`."""
    saved: dict[str, Any] = {name: vars(sensor)[name] for name in STARTED if name in vars(sensor)}
    schedule = getattr(sensor, "schedule", None)
    if schedule is not None:
        saved["schedule"] = {name: getattr(schedule, name) for name in SCHEDULE}
    if isinstance(sensor, V2xSensor):
        saved["rhythm"] = sensor.service.rhythm.to_plain()
    if isinstance(sensor, CustomV2xSensor):
        saved["text"] = sensor.text
    generator = getattr(sensor, "_generator", None)
    if isinstance(generator, np.random.Generator):
        # As text: its numbers have 128 bits.
        saved["noise"] = json.dumps(generator.bit_generator.state)
    return saved


def require_sensors(saved: Sequence[tuple[int, Mapping[str, Any]]], world: World) -> None:
    """Raises StateError where these cannot be sensors of this world."""
    for actor_id, values in saved:
        actor = world.actors.get(actor_id)
        if actor is None or actor.kind is not ActorKind.SENSOR:
            raise StateError(f"a damaged state: actor {actor_id} is no sensor")
        times = [
            *values.get("schedule", {}).items(),
            *((name, values.get(name)) for name in STARTED),
        ]
        for name, value in times:
            # Before its first measurement a sensor has been due for ever.
            if value is not None and value != -math.inf and not abs(value) <= MAX_NUMBER:
                raise StateError(f"a damaged state: sensor {actor_id}: {name} is {value}")
        if not set(values.get("schedule", {})) <= set(SCHEDULE):
            raise StateError(f"a damaged state: sensor {actor_id}: another schedule")
        if "noise" in values:
            # A generator of its own: it refuses what is no state.
            np.random.default_rng(0).bit_generator.state = json.loads(values["noise"])
        if "rhythm" in values:
            CamRhythm.of(actor.description).restore(values["rhythm"])
        text = values.get("text")
        if text is not None and not (isinstance(text, bytes) and len(text) <= CUSTOM_TEXT_BYTES):
            raise StateError(f"a damaged state: sensor {actor_id}: its text is no message")


def restore_sensor(sensor: AnySensor, saved: Mapping[str, Any]) -> None:
    """Lets a sensor that was made anew go on where the saved one was."""
    for name in STARTED:
        if name in saved:
            setattr(sensor, name, saved[name])
    for name, value in saved.get("schedule", {}).items():
        setattr(getattr(sensor, "schedule"), name, value)  # noqa: B009 (not all have one)
    generator = getattr(sensor, "_generator", None)
    if isinstance(generator, np.random.Generator) and "noise" in saved:
        generator.bit_generator.state = json.loads(saved["noise"])
    if isinstance(sensor, V2xSensor) and "rhythm" in saved:
        sensor.service.rhythm.restore(saved["rhythm"])
    if isinstance(sensor, CustomV2xSensor):
        sensor.text = saved.get("text")
