"""What a sensor remembers from one measurement to the next: its schedule, its noise, its start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation.simulator.sensors.measure import AnySensor

SCHEDULE = ("interval_s", "_next_s", "_last_s")
STARTED = ("_spawned_s", "_spawned_frame")


def save_sensor(sensor: AnySensor) -> dict[str, Any]:
    """Plain msgpack values for `restore_sensor`."""
    saved: dict[str, Any] = {name: vars(sensor)[name] for name in STARTED if name in vars(sensor)}
    schedule = getattr(sensor, "schedule", None)
    if schedule is not None:
        saved["schedule"] = {name: getattr(schedule, name) for name in SCHEDULE}
    generator = getattr(sensor, "_generator", None)
    if isinstance(generator, np.random.Generator):
        # As text: its numbers have 128 bits.
        saved["noise"] = json.dumps(generator.bit_generator.state)
    return saved


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
