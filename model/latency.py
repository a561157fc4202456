"""How long each stage of a tick takes, over the last few thousand ticks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KEPT_TICKS = 4096


@dataclass(frozen=True)
class Latency:
    """Milliseconds: median, 95th percentile and the worst."""

    p50_ms: float
    p95_ms: float
    max_ms: float

    @classmethod
    def of(cls, samples_ms: Sequence[float] | NDArray[np.floating]) -> Latency:
        """The figures of at least one sample."""
        return cls(*np.percentile(samples_ms, [50, 95, 100]).tolist())


class LatencyLog:
    """Collects the milliseconds of named stages; forgets all but the last ``kept`` ticks."""

    def __init__(self, kept: int = KEPT_TICKS) -> None:
        self._ticks: deque[Mapping[str, float]] = deque(maxlen=kept)

    def add(self, stage_ms: Mapping[str, float]) -> None:
        self._ticks.append(stage_ms)

    def summary(self) -> dict[str, Latency]:
        """Figures by stage, and of their sum as ``total``; empty before the first tick."""
        if not self._ticks:
            return {}
        columns = {name: np.array([tick[name] for tick in self._ticks]) for name in self._ticks[0]}
        columns["total"] = np.sum(list(columns.values()), axis=0)
        return {name: Latency.of(column) for name, column in columns.items()}
