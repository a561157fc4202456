"""How long the parts of a tick take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple

from evaluation.closed_loop.episode import Observer, Step
from evaluation.closed_loop.route_scenario import RouteScenario
from evaluation.closed_loop.sensor_interface import Spec
from model.latency import Latency


class Timing(Observer):
    """Median, 95th percentile and worst of each stage of the tick and of the agent's own stages."""

    def __init__(self) -> None:
        self._samples_ms: defaultdict[str, list[float]] = defaultdict(list)
        self._started_s = 0.0
        self._ended_s = 0.0

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        self._samples_ms.clear()
        self._started_s = self._ended_s = time.perf_counter()

    def step(self, step: Step) -> None:
        self._ended_s = time.perf_counter()
        for name, elapsed_ms in step.stage_ms.items():
            self._samples_ms[name].append(elapsed_ms)
        if step.agent_step is not None:
            for name, elapsed_ms in step.agent_step.stage_ms.items():
                self._samples_ms[f"agent/{name}"].append(elapsed_ms)

    @property
    def ticks_per_s(self) -> float:
        elapsed_s = self._ended_s - self._started_s
        return len(self._samples_ms["simulator"]) / elapsed_s if elapsed_s > 0.0 else 0.0

    def summary(self) -> Mapping[str, object]:
        """For the results file: stage -> [p50, p95, max] in milliseconds, and ticks per second."""
        stages = {
            name: [round(value, 2) for value in astuple(Latency.of(samples))]
            for name, samples in self._samples_ms.items()
            if samples
        }
        return {"stage_ms_p50_p95_max": stages, "ticks_per_s": round(self.ticks_per_s, 1)}
