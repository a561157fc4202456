"""Small disturbances of the control, so that recordings show how to get back to good driving.

The recorded control and path are the undisturbed ones.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from planner.records import Control

LARGEST_STEER = 0.06
SHORTEST_S, LONGEST_S = 0.3, 0.8
LEAST_BRAKE, MOST_BRAKE = 0.15, 0.7
SHORTEST_BRAKE_S, LONGEST_BRAKE_S = 0.5, 2.0


class SteerPerturbation:
    """Adds a constant steer for a short while, `rate_per_min` times a minute on average."""

    def __init__(self, rate_per_min: float, rng: np.random.Generator) -> None:
        self._rate_per_s = rate_per_min / 60.0
        self._rng = rng
        self._left_s = 0.0
        self._steer = 0.0

    def apply(self, control: Control, dt_s: float) -> Control:
        """The control, disturbed or not."""
        if self._rate_per_s <= 0.0:
            return control
        if self._left_s > 0.0:
            self._left_s -= dt_s
            steer = min(1.0, max(-1.0, control.steer + self._steer))
            return dataclasses.replace(control, steer=steer)
        if self._rng.random() < self._rate_per_s * dt_s:
            self._left_s = float(self._rng.uniform(SHORTEST_S, LONGEST_S))
            self._steer = float(self._rng.uniform(-LARGEST_STEER, LARGEST_STEER))
        return control


class Hesitation:
    """Brakes for no reason, `rate_per_min` times a minute on average.

    An expert is slow only where there is a reason to be, from which a network learns that slow cars
    stay slow. After a hesitation it sees a slow car that has to speed up.

    Attributes:
        active: whether the last control was changed.
    """

    def __init__(self, rate_per_min: float, rng: np.random.Generator) -> None:
        self._rate_per_s = rate_per_min / 60.0
        self._rng = rng
        self._left_s = 0.0
        self._brake = 0.0
        self.active = False

    def apply(self, control: Control, dt_s: float) -> Control:
        """The control, or one that brakes."""
        self.active = self._left_s > 0.0
        if self.active:
            self._left_s -= dt_s
            return Control(control.steer, 0.0, max(control.brake, self._brake))
        if self._rate_per_s > 0.0 and self._rng.random() < self._rate_per_s * dt_s:
            self._left_s = float(self._rng.uniform(SHORTEST_BRAKE_S, LONGEST_BRAKE_S))
            self._brake = float(self._rng.uniform(LEAST_BRAKE, MOST_BRAKE))
        return control
