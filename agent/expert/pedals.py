"""Throttle and brake for a wanted acceleration, on a car whose exact response is not known.

A reference speed integrates the wanted acceleration and is held near the measured speed; a
proportional-integral law tracks it on top of a rough feed-forward.
"""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_CORRECTION_MPS2 = 1.0


@dataclass(frozen=True)
class PedalSettings:
    """Rough response of CARLA's passenger cars and the gains that correct it."""

    full_throttle_mps2: float = 5.0
    full_brake_mps2: float = 8.0
    rolling_mps2: float = 0.15
    drag_per_s: float = 0.04
    """Deceleration at closed throttle: rolling + drag x speed."""
    proportional: float = 1.2
    integral_per_s: float = 0.8
    band_mps: float = 0.5
    """The reference stays within this of the measured speed."""
    hold_brake: float = 0.6
    """Brake that keeps the car at rest."""


class Pedals:
    """Tracks an acceleration; remembers the reference speed and the correction."""

    def __init__(self, settings: PedalSettings | None = None) -> None:
        self.settings = settings or PedalSettings()
        self._reference_mps = 0.0
        self._correction_mps2 = 0.0

    def step(self, speed_mps: float, wanted_mps2: float, dt_s: float) -> tuple[float, float]:
        """Throttle and brake, each in [0, 1] and never both above zero."""
        settings = self.settings
        if speed_mps < 0.15 and wanted_mps2 <= 0.0:
            self._reference_mps = 0.0
            self._correction_mps2 = 0.0
            return 0.0, settings.hold_brake
        reference = self._reference_mps + wanted_mps2 * dt_s
        low, high = speed_mps - settings.band_mps, speed_mps + settings.band_mps
        self._reference_mps = max(0.0, low, min(high, reference))
        error_mps = self._reference_mps - speed_mps
        if abs(error_mps) < settings.band_mps:
            self._correction_mps2 += settings.integral_per_s * error_mps * dt_s
            self._correction_mps2 = max(
                -LARGEST_CORRECTION_MPS2, min(LARGEST_CORRECTION_MPS2, self._correction_mps2)
            )
        resistance = settings.rolling_mps2 + settings.drag_per_s * max(speed_mps, 0.0)
        force = wanted_mps2 + resistance + settings.proportional * error_mps + self._correction_mps2
        if force >= 0.0:
            return min(1.0, force / settings.full_throttle_mps2), 0.0
        if wanted_mps2 > 0.3:
            return 0.0, 0.0
        return 0.0, min(1.0, -force / settings.full_brake_mps2)
