"""A person at the wheel: what the keys mean, whatever they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import carla

from evaluation.closed_loop.sensor_interface import SensorData
from evaluation.scoring.tick import Tick

TAKE_OVER, PAUSE, STEP = "m", "p", "n"
UP, DOWN, LEFT, RIGHT = "up", "down", "left", "right"
DRIVING_KEYS = (UP, DOWN, LEFT, RIGHT)
KEYS_HELP = "m: take over or give back   arrows: drive   p: pause or go on   n: single step"
# Chosen: full throttle and brake at once, full steer after a second, back to the middle in half.
THROTTLE, BRAKE = 0.6, 1.0
STEER_PER_TICK, CENTRE_PER_TICK = 0.05, 0.1
LARGEST_STEER = 0.8


@dataclass(frozen=True)
class Keys:
    """pressed: keys that went down since the last look; held: keys that are down now; closed:
    whether the window, or the terminal, is gone."""

    pressed: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()
    closed: bool = False


@dataclass(frozen=True)
class HandsSettings:
    """keys: pipe from a terminal, None for a window; paused: begin with single steps."""

    keys: Path | None = None
    paused: bool = False


@dataclass(frozen=True)
class Wheel:
    """Who drives and how. steps: single steps that were asked for while paused."""

    by_person: bool = False
    paused: bool = False
    steps: int = 0
    steer: float = 0.0


def press(wheel: Wheel, keys: Keys) -> Wheel:
    """The wheel after the keys that went down; a closed window gives everything back."""
    if keys.closed:
        return Wheel()
    for key in keys.pressed:
        if key == TAKE_OVER:
            wheel = replace(wheel, by_person=not wheel.by_person, steer=0.0)
        elif key == PAUSE:
            wheel = replace(wheel, paused=not wheel.paused, steps=0)
        elif key == STEP:
            wheel = replace(wheel, paused=True, steps=wheel.steps + 1)
    return wheel


def turn(wheel: Wheel, held: frozenset[str]) -> Wheel:
    """The wheel one tick later: it turns while a key is held and goes back by itself."""
    way = (RIGHT in held) - (LEFT in held)
    if way:
        steer = wheel.steer + way * STEER_PER_TICK
        return replace(wheel, steer=min(max(steer, -LARGEST_STEER), LARGEST_STEER))
    back = min(abs(wheel.steer), CENTRE_PER_TICK)
    return replace(wheel, steer=wheel.steer - (back if wheel.steer > 0.0 else -back))


def pedals(wheel: Wheel, held: frozenset[str]) -> carla.VehicleControl:
    """The control of a tick that a person drives."""
    braking = DOWN in held
    return carla.VehicleControl(
        throttle=THROTTLE if UP in held and not braking else 0.0,
        steer=wheel.steer,
        brake=BRAKE if braking else 0.0,
    )


@dataclass(frozen=True)
class Scene:
    """What a person is shown before a tick is driven. answer: what the agent would do."""

    tick: Tick
    inputs: SensorData
    answer: carla.VehicleControl


class Seat(Protocol):
    """A window, or a terminal: shows what happens and reads keys."""

    def look(self, scene: Scene, wheel: Wheel) -> Keys: ...

    def close(self) -> None: ...


class Hands:
    """Decides, tick by tick, between the agent's control and a person's.

    paused: the drive begins with single steps.
    """

    def __init__(self, open_seat: Callable[[], Seat], paused: bool = False) -> None:
        self._open_seat = open_seat
        self._seat: Seat | None = None
        self._begin = Wheel(paused=paused)
        self._wheel = self._begin

    def begin(self) -> None:
        """Takes the seat for a route."""
        self._wheel = self._begin
        self._seat = self._open_seat()

    def drive(self, scene: Scene) -> tuple[carla.VehicleControl, bool, bool]:
        """The control, whether it is a person's, and whether the tick is a single step; waits while
        paused."""
        if self._seat is None:
            return scene.answer, False, False
        keys = self._look(scene)
        while self._seat is not None and self._wheel.paused and not self._wheel.steps:
            keys = self._look(scene)
        single = self._wheel.paused
        self._wheel = replace(self._wheel, steps=max(self._wheel.steps - 1, 0))
        if not self._wheel.by_person:
            return scene.answer, False, single
        self._wheel = turn(self._wheel, keys.held)
        return pedals(self._wheel, keys.held), True, single

    def _look(self, scene: Scene) -> Keys:
        assert self._seat is not None
        keys = self._seat.look(scene, self._wheel)
        self._wheel = press(self._wheel, keys)
        if keys.closed:
            self.end()
        return keys

    def end(self) -> None:
        """Leaves the seat; may be called again."""
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.close()
