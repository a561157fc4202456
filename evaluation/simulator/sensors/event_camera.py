"""The event camera (DVS): where and when the brightness of a pixel passes a threshold.

CARLA's documentation: the intensity I is the grey of the colour image, 0.2989 R + 0.5870 G +
0.1140 B; the logarithmic one is log(log_eps + I / 255). An event falls where it has changed by a
threshold since the pixel's last event. Between two images it changes evenly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.simulator.wire.actor_records import Description

Floats = npt.NDArray[np.float64]

EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("t_ns", "<i8"), ("is_brighter", "u1")])
"""LibCarla, DVSEvent.h: packed, 13 bytes."""
_GREY_OF_BGR = (0.1140, 0.5870, 0.2989)
_SMALLEST_THRESHOLD = 0.01
_SMALLEST_EPSILON = 1e-6
"""Both chosen, so that a pixel has no more than some thousand events in an image."""
_NS = 1e9


class Thresholds(NamedTuple):
    """How far the brightness changes before an event, upwards and downwards; their spread."""

    up: float
    down: float
    spread_up: float
    spread_down: float


class EventCamera:
    """Remembers what each pixel has told last; the first image has no events."""

    def __init__(self, description: Description, generator: np.random.Generator) -> None:
        read = description.number
        self._thresholds = Thresholds(
            max(read("positive_threshold", 0.3), _SMALLEST_THRESHOLD),
            max(read("negative_threshold", 0.3), _SMALLEST_THRESHOLD),
            abs(read("sigma_positive_threshold", 0.0)),
            abs(read("sigma_negative_threshold", 0.0)),
        )
        self._refractory_ns = max(read("refractory_period_ns", 0.0), 0.0)
        self._is_logarithmic = description.value("use_log").lower() != "false"
        self._epsilon = max(read("log_eps", 0.001), _SMALLEST_EPSILON)
        self._generator = generator
        self._before: tuple[float, Floats] | None = None
        self._told = np.zeros((0, 0))
        self._told_ns = np.zeros((0, 0))

    def events(self, bgra: npt.NDArray[np.uint8], elapsed_s: float) -> npt.NDArray[np.void]:
        """Return the events (k,) between the image before and this one, by their time."""
        level = bgra[..., :3] @ np.array(_GREY_OF_BGR) / 255.0
        if self._is_logarithmic:
            level = np.log(self._epsilon + level)
        before, self._before = self._before, (elapsed_s, level)
        if before is None:
            self._told, self._told_ns = level.copy(), np.full(level.shape, -np.inf)
            return np.zeros(0, EVENT)
        then_s, then = before
        found = []
        rows, columns = np.nonzero(level != then)
        change = (level - then)[rows, columns]
        up = change > 0.0
        while len(rows):
            step = self._steps(up)
            told = self._told[rows, columns] + step
            passed = np.where(up, told <= level[rows, columns], told >= level[rows, columns])
            rows, columns, up, told, change = (
                part[passed] for part in (rows, columns, up, told, change)
            )
            share = np.clip((told - then[rows, columns]) / change, 0.0, 1.0)
            at_ns = (then_s + share * (elapsed_s - then_s)) * _NS
            self._told[rows, columns] = told
            fires = at_ns - self._told_ns[rows, columns] >= self._refractory_ns
            events = np.zeros(np.count_nonzero(fires), EVENT)
            events["x"], events["y"] = columns[fires], rows[fires]
            events["t_ns"], events["is_brighter"] = at_ns[fires], up[fires]
            self._told_ns[rows[fires], columns[fires]] = at_ns[fires]
            found.append(events)
        together = np.concatenate([np.zeros(0, EVENT), *found])
        return together[np.argsort(together["t_ns"], kind="stable")]

    def _steps(self, up: npt.NDArray[np.bool_]) -> Floats:
        """The signed threshold of each pixel's next event."""
        size = np.where(up, self._thresholds.up, self._thresholds.down)
        spread = np.where(up, self._thresholds.spread_up, self._thresholds.spread_down)
        if spread.any():
            size = size + spread * self._generator.standard_normal(len(up))
        return np.where(up, 1.0, -1.0) * np.maximum(size, _SMALLEST_THRESHOLD)
