"""Unscented Kalman filter over GNSS position, compass and speedometer.

State: x, y (world metres), yaw (radians), forward speed (m/s) and a slowly varying slip angle that
the steering command does not explain (radians). The last one lets the filter follow cars whose
steering differs from the fitted bicycle model without lagging sideways in curves; the compass makes
it observable.

The motion is propagated through sigma points (S. Julier, J. Uhlmann, "Unscented filtering and
nonlinear estimation", Proc. IEEE 2004; symmetric set with kappa = 1, so that all weights are
positive). The measurements are state components, for which the ordinary Kalman update is exact.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from planner.bicycle import BicycleConstants, predict
from planner.frames import wrap_angle_rad
from planner.records import Control, EgoState, FloatArray

_X, _Y, _YAW, _SPEED, _SLIP = range(5)
_SIZE = 5
_KAPPA = 1.0
_MEASUREMENTS = (("position", (_X, _Y)), ("yaw", (_YAW,)), ("speed", (_SPEED,)))


@dataclass(frozen=True)
class StateFilterSettings:
    """Noise of the sensors and trust in the model (standard deviations).

    Attributes:
        bicycle: constants of the motion model.
        position_noise_m: of a GNSS fix per axis; 5e-6 degrees are 0.55 m.
        yaw_noise_rad: of the compass.
        speed_noise_mps: of the speedometer.
        position_drift_m: what the model misses in one second, standing still.
        position_drift_per_m: what it misses in one second besides, per m/s of speed.
        yaw_drift_rad: growth of the yaw error in one second.
        speed_drift_mps: growth of the speed error in one second.
        slip_drift_rad: growth of the unexplained slip angle in one second.
        slip_memory_s: time constant with which the unexplained slip angle decays.
        gate_sigma: fixes further off than this many deviations are ignored ...
        gate_limit: ... unless so many came one after another; then the position starts afresh.
        largest_value: measurements beyond this (m, rad, m/s) are none; a town is smaller.
    """

    bicycle: BicycleConstants = field(default_factory=BicycleConstants)
    position_noise_m: float = 0.55
    yaw_noise_rad: float = 0.005
    speed_noise_mps: float = 0.05
    position_drift_m: float = 0.02
    position_drift_per_m: float = 0.01
    yaw_drift_rad: float = 0.02
    speed_drift_mps: float = 2.0
    slip_drift_rad: float = 0.15
    slip_memory_s: float = 1.0
    gate_sigma: float = 6.0
    gate_limit: int = 10
    largest_value: float = 1e6


class StateFilter:
    """Estimates the ego state from one noisy measurement per tick.

    Attributes:
        warnings: number of missing measurements per kind, of rejected fixes and of fresh starts.
    """

    def __init__(self, settings: StateFilterSettings | None = None) -> None:
        self.warnings: Counter[str] = Counter()
        self._settings = settings or StateFilterSettings()
        self._mean = np.zeros(_SIZE)
        self._covariance = np.diag(self._first_variance())
        self._seen: set[str] = set()
        self._rejected_in_a_row = 0

    @property
    def covariance(self) -> FloatArray:
        """(4, 4) covariance of x, y, yaw and speed."""
        return self._covariance[:_SLIP, :_SLIP].copy()

    def step(
        self,
        position_world_m: npt.ArrayLike,
        yaw_rad: float,
        speed_mps: float,
        last_control: Control,
        dt_s: float,
    ) -> EgoState:
        """Predict with the last control, then correct with what was measured.

        Args:
            position_world_m: (2,) GNSS position; not finite if missing.
            yaw_rad: compass heading in the world; not finite if missing.
            speed_mps: speedometer reading; not finite if missing.
            last_control: what was applied since the last step.
            dt_s: time since the last step; without one (not finite, not > 0) nothing is predicted.

        Returns:
            The estimate. A component that was never measured is NaN.
        """
        if not (math.isfinite(dt_s) and dt_s > 0.0):
            self.warnings["time step unusable"] += 1
        elif self._seen:
            self._predict(last_control, dt_s)
        measured = np.array([*np.asarray(position_world_m, np.float64), yaw_rad, speed_mps])
        for name, index in _MEASUREMENTS:
            values = measured[list(index)]
            if not (np.abs(values) <= self._settings.largest_value).all():
                # What is not finite fails the comparison too.
                self.warnings[f"{name} missing"] += 1
            elif name not in self._seen:
                self._start(name, index, values)
            else:
                self._correct(name, index, values)
        return self._estimate()

    def _predict(self, control: Control, dt_s: float) -> None:
        settings = self._settings
        root = np.linalg.cholesky((_SIZE + _KAPPA) * self._covariance)
        points = self._mean + np.vstack([np.zeros(_SIZE), root.T, -root.T])
        weights = np.full(2 * _SIZE + 1, 0.5 / (_SIZE + _KAPPA))
        weights[0] = _KAPPA / (_SIZE + _KAPPA)
        moved = np.empty_like(points)
        moved[:, :_SLIP] = predict(
            points[:, :_SLIP], control, dt_s, settings.bicycle, points[:, _SLIP]
        )
        moved[:, _SLIP] = points[:, _SLIP] * math.exp(-dt_s / settings.slip_memory_s)
        # The points' yaws lie around an unwrapped centre: their plain mean is the angular mean.
        mean = weights @ moved
        deviation = moved - mean
        self._mean = mean
        self._mean[_YAW] = wrap_angle_rad(float(mean[_YAW]))
        self._covariance = (deviation.T * weights) @ deviation + self._process_noise(dt_s)

    def _process_noise(self, dt_s: float) -> FloatArray:
        settings = self._settings
        speed_mps = abs(float(self._mean[_SPEED]))
        position_m = settings.position_drift_m + settings.position_drift_per_m * speed_mps
        per_second = [
            position_m,
            position_m,
            settings.yaw_drift_rad,
            settings.speed_drift_mps,
            settings.slip_drift_rad,
        ]
        return np.diag(np.square(per_second) * dt_s)

    def _correct(self, name: str, index: tuple[int, ...], values: FloatArray) -> None:
        rows = list(index)
        innovation = values - self._mean[rows]
        if name == "yaw":
            innovation[0] = wrap_angle_rad(float(innovation[0]))
        noise = np.diag(self._noise_variance()[rows])
        innovation_covariance = self._covariance[np.ix_(rows, rows)] + noise
        if name == "position" and self._is_outlier(innovation, innovation_covariance):
            self.warnings["position rejected"] += 1
            self._rejected_in_a_row += 1
            if self._rejected_in_a_row >= self._settings.gate_limit:
                self.warnings["position started afresh"] += 1
                self._start(name, index, values)
            return
        if name == "position":
            self._rejected_in_a_row = 0
        gain = np.linalg.solve(innovation_covariance, self._covariance[rows]).T
        self._mean = self._mean + gain @ innovation
        self._mean[_YAW] = wrap_angle_rad(float(self._mean[_YAW]))
        # Joseph's form stays symmetric and positive however often it is applied.
        remaining = np.eye(_SIZE)
        remaining[:, rows] -= gain
        self._covariance = remaining @ self._covariance @ remaining.T + gain @ noise @ gain.T

    def _is_outlier(self, innovation: FloatArray, covariance: FloatArray) -> bool:
        distance_squared = float(innovation @ np.linalg.solve(covariance, innovation))
        return distance_squared > self._settings.gate_sigma**2

    def _start(self, name: str, index: tuple[int, ...], values: FloatArray) -> None:
        """Take a measurement as it is, forgetting what was believed of these components."""
        rows = list(index)
        self._mean[rows] = values
        self._mean[_YAW] = wrap_angle_rad(float(self._mean[_YAW]))
        self._covariance[rows, :] = 0.0
        self._covariance[:, rows] = 0.0
        self._covariance[rows, rows] = self._noise_variance()[rows]
        self._seen.add(name)
        self._rejected_in_a_row = 0

    def _noise_variance(self) -> FloatArray:
        s = self._settings
        return np.square(
            [s.position_noise_m, s.position_noise_m, s.yaw_noise_rad, s.speed_noise_mps]
        )

    def _first_variance(self) -> FloatArray:
        return np.append(self._noise_variance(), self._settings.slip_drift_rad**2 * 0.1)

    def _estimate(self) -> EgoState:
        position = self._mean[[_X, _Y]].copy()
        return EgoState(
            position_world_m=position if "position" in self._seen else np.full(2, np.nan),
            yaw_rad=float(self._mean[_YAW]) if "yaw" in self._seen else math.nan,
            speed_mps=float(self._mean[_SPEED]) if "speed" in self._seen else math.nan,
        )
