"""How often a route is tried, and when a run is given up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from evaluation.closed_loop.failure import Blame
from evaluation.runs.job import JobResult

TRIES = 2
"""A failed route is tried once more."""
FAILURES_IN_A_ROW = 3
"""Failed tries for each worker, with no route scored in between, before a run is given up."""


@dataclass
class Tries:
    """retry_agent: a route that the agent has failed is tried again too, not only one that failed
    by no fault of the agent's."""

    workers: int
    retry_agent: bool = False
    _begun: Counter[str] = field(default_factory=Counter)
    _failures: int = 0

    def begin(self, name: str) -> None:
        self._begun[name] += 1

    @property
    def given_up(self) -> bool:
        return self._failures >= FAILURES_IN_A_ROW * self.workers

    def judge(self, result: JobResult) -> JobResult:
        """The result with its number, its class where it failed, and whether it is the last one of
        its route."""
        attempt, extra = self._begun[result.name], result.extra
        if result.failure is not None:
            extra = {**extra, "failure_class": result.failure.failure_class}
        self._failures = 0 if result.is_finished else self._failures + 1
        is_last = not self._failed(result) or attempt >= TRIES
        return replace(result, attempt=attempt, is_last=is_last, extra=extra)

    def _failed(self, result: JobResult) -> bool:
        if result.failure is None:
            return False
        agents = self.retry_agent and result.failure.blame is Blame.AGENT
        return agents or not result.is_finished
