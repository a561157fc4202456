"""What a slow computer and bad sensors do to a drive: late controls, frozen and covered cameras,
noisy fixes and speeds.

The kinds and strengths are those of Bench2Drive-Robust (Zhang et al., arXiv 2605.18059): controls
late by 2, 4 or 10 ticks, cameras that now and then keep their last image for a third of a second,
0.5 or 0.8 of each image covered, fixes off by 5 or 15 m, the speed multiplied by a draw of
N(0.5 or 0.2, 0.2^2). Where the rectangle lies that covers an image is drawn once a route here.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.errors import UserError

TICK_MS = 50.0
FREEZE_TICKS = round(1.0 / 3.0 / (TICK_MS / 1000.0))
SPEED_DEVIATION = 0.2
METRES_PER_DEG = math.radians(6378137.0)
MEASURED = "measured"
LONGEST_DELAY_TICKS = 200
CLEAN = "clean"


class DisturbanceError(UserError, ValueError):
    """A disturbance that cannot be read; the message says what is possible."""


@dataclass(frozen=True)
class Disturbances:
    """How a drive is disturbed; the default is not at all.

    Attributes:
        delay: ticks by which each control is late, or "measured": the time that the agent took,
            in whole ticks.
        freeze: probability, in each tick, that all cameras keep their image for a third of a second
            (Bench2Drive-Robust: 0.01).
        occlusion: share of each image that is covered.
        gnss: standard deviation of the fixes' error on either axis, metres.
        speed: mean of the factor that the speed is multiplied by; its deviation is 0.2. None: none.
    """

    delay: int | str = 0
    freeze: float = 0.0
    occlusion: float = 0.0
    gnss: float = 0.0
    speed: float | None = None

    @property
    def name(self) -> str:
        """As `parse_disturbances` reads it; "clean" where nothing is disturbed."""
        said = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if self._is_set(f.name)]
        return ",".join(said) or CLEAN

    def _is_set(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(Disturbances(), name))


LIMITS: Mapping[str, tuple[float, float]] = {
    "delay": (0, LONGEST_DELAY_TICKS),
    "freeze": (0.0, 1.0),
    "occlusion": (0.0, 1.0),
    "gnss": (0.0, 1000.0),
    "speed": (0.0, 10.0),
}


ROBUST = "robust"
ROBUST_CELLS = (
    Disturbances(),
    *(Disturbances(delay=ticks) for ticks in (2, 4, 10)),
    Disturbances(freeze=0.01),
    *(Disturbances(occlusion=share) for share in (0.5, 0.8)),
    *(Disturbances(gnss=sigma_m) for sigma_m in (5.0, 15.0)),
    *(Disturbances(speed=factor) for factor in (0.5, 0.2)),
)
"""Bench2Drive-Robust's kinds and strengths, each alone, and none."""


def parse_disturbances(texts: Sequence[str]) -> tuple[Disturbances, ...]:
    """All combinations of what each text lists: `delay=0,2,4`, `gnss=5` are three. `robust` stands
    for `ROBUST_CELLS`.

    Raises DisturbanceError for an unknown kind, one given twice, or a value out of range.
    """
    if list(texts) == [ROBUST]:
        return ROBUST_CELLS
    listed: dict[str, list[Any]] = {}
    for text in texts:
        kind, equals, values = text.partition("=")
        if not equals or kind not in LIMITS or kind in listed:
            raise DisturbanceError(
                f"--disturb {text!r}: expected one of {', '.join(LIMITS)}, each once, with = and "
                f"one or several values, as in delay=0,2,4; or {ROBUST} alone"
            )
        listed[kind] = [_value(kind, value.strip()) for value in values.split(",")]
    cells = itertools.product(*listed.values())
    made = [replace(Disturbances(), **dict(zip(listed, cell, strict=True))) for cell in cells]
    return tuple(dict.fromkeys(made))


def _value(kind: str, text: str) -> float | int | str:
    if kind == "delay" and text == MEASURED:
        return MEASURED
    low, high = LIMITS[kind]
    try:
        value = int(text) if kind == "delay" else float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        expected = f"a number from {low:g} to {high:g}"
        or_measured = f", or {MEASURED}" if kind == "delay" else ""
        raise DisturbanceError(f"--disturb {kind}: expected {expected}{or_measured}, got {text!r}")
    return value


def relative_drop(perturbed_score: float, clean_score: float) -> float | None:
    """Bench2Drive-Robust's RD = 1 - DS_perturbed / DS_clean; None where the clean score is 0."""
    return None if clean_score <= 0.0 else 1.0 - perturbed_score / clean_score


class Disturber:
    """Disturbs one route. The same seed gives the same disturbances, but for measured delays."""

    def __init__(self, disturbances: Disturbances, seed: int) -> None:
        self._delays_ticks: list[int] = []
        self._how = disturbances
        # A stream of its own for each kind: one more kind leaves the others as they are.
        seeds = np.random.SeedSequence(seed).spawn(4)
        self._freezing, self._covering, self._fixes, self._speeds = map(
            np.random.default_rng, seeds
        )
        self._corner = self._covering.random(2)
        self._frozen_ticks = 0
        self._last: dict[str, NDArray[np.uint8]] = {}
        self._tick = 0
        self._waiting: deque[tuple[int, carla.VehicleControl]] = deque()
        self._acting = carla.VehicleControl(brake=1.0)

    @property
    def mean_delay_ticks(self) -> float:
        """By how much the controls so far are late in the mean."""
        return float(np.mean(self._delays_ticks)) if self._delays_ticks else 0.0

    def sense(self, data: dict[str, tuple[int, Any]]) -> dict[str, tuple[int, Any]]:
        """An agent's input as the disturbed sensors tell it; the frame numbers are today's."""
        starts = self._freezing.random() < self._how.freeze
        self._frozen_ticks = FREEZE_TICKS if starts else max(self._frozen_ticks - 1, 0)
        return {name: (frame, self._sensed(name, value)) for name, (frame, value) in data.items()}

    def _sensed(self, name: str, value: Any) -> Any:
        if isinstance(value, dict) and "speed" in value and self._how.speed is not None:
            factor = self._speeds.normal(self._how.speed, SPEED_DEVIATION)
            return {**value, "speed": value["speed"] * factor}
        if not isinstance(value, np.ndarray):
            return value
        if value.dtype == np.uint8:
            return self._covered(self._image(name, value))
        # A fix is three float64; IMUs have seven, points of LiDAR and radar are float32.
        if value.shape == (3,) and self._how.gnss > 0.0:
            return self._off(value)
        return value

    def _image(self, name: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._frozen_ticks == 0 or name not in self._last:
            self._last[name] = image
        return self._last[name]

    def _covered(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._how.occlusion <= 0.0:
            return image
        side = math.sqrt(self._how.occlusion)
        size = np.round(np.array(image.shape[:2]) * side).astype(int)
        top, left = (self._corner * (np.array(image.shape[:2]) - size)).astype(int)
        covered = image.copy()
        covered[top : top + size[0], left : left + size[1], :3] = 0
        return covered

    def _off(self, fix: NDArray[np.float64]) -> NDArray[np.float64]:
        north_m, east_m = self._fixes.normal(0.0, self._how.gnss, 2)
        shrink = math.cos(math.radians(float(fix[0])))
        off = fix.copy()
        off[:2] += north_m / METRES_PER_DEG, east_m / (METRES_PER_DEG * shrink)
        return off

    def act(self, control: carla.VehicleControl, took_ms: float) -> carla.VehicleControl:
        """The control that acts in this tick: the newest that is due. took_ms: how long the agent
        thought about `control`. Before the first is due the car is held."""
        how = self._how.delay
        delay = math.ceil(took_ms / TICK_MS) if isinstance(how, str) else how
        self._delays_ticks.append(delay)
        self._waiting.append((self._tick + delay, control))
        due = [index for index, (tick, _) in enumerate(self._waiting) if tick <= self._tick]
        for _ in range(due[-1] + 1 if due else 0):
            _, self._acting = self._waiting.popleft()
        self._tick += 1
        return self._acting
