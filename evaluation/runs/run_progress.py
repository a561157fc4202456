"""How far a run is: routes done, the score so far with its interval, when it will be over."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from statistics import fmean

from evaluation.runs.job import JobResult
from evaluation.scoring.comparison import mean_interval

MINUTE_S, HOUR_S = 60.0, 3600.0


class RunProgress:
    """total: routes of the run, repetitions counted; finished: those that were so before."""

    def __init__(
        self, total: int, finished: Iterable[JobResult], now_s: float | None = None
    ) -> None:
        self._total = total
        self._scores: dict[str, list[float]] = defaultdict(list)
        self._failures: Counter[str] = Counter()
        for result in finished:
            self._score(result)
        self._before = self._done
        self._began_s = time.monotonic() if now_s is None else now_s

    @property
    def _done(self) -> int:
        return sum(map(len, self._scores.values()))

    def add(self, result: JobResult) -> None:
        """A try is over."""
        if result.failure is not None:
            self._failures[result.failure.failure_class] += 1
        if result.is_last and result.is_finished:
            self._score(result)

    def _score(self, result: JobResult) -> None:
        route = str(result.record["route_id"]).rpartition("_rep")[0]
        self._scores[route].append(float(result.record["scores"]["score_composed"]))

    def text(self, now_s: float | None = None) -> str:
        """One line. The interval is over routes, with a route's repetitions averaged."""
        parts = [f"{self._done} of {self._total} routes"]
        means = [fmean(scores) for scores in self._scores.values()]
        if means:
            found = mean_interval(means)
            width = "" if found is None else f" [{found.low:.1f}, {found.high:.1f}]"
            parts.append(f"score {fmean(means):.1f}{width}")
        parts += [f"{number} {kind} failures" for kind, number in sorted(self._failures.items())]
        driven = self._done - self._before
        if driven and self._done < self._total:
            since_s = (time.monotonic() if now_s is None else now_s) - self._began_s
            parts.append(f"{_duration(since_s / driven * (self._total - self._done))} to go")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / 60:.0f} min"
    return f"{int(seconds // HOUR_S)} h {seconds % HOUR_S / 60:02.0f} min"
