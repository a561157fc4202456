"""Worker processes, which may hang or die without taking a finished route along.

The process above them hands out jobs and takes results; see `worker_process` for the rest.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import wait
from pathlib import Path

from evaluation.closed_loop.failure import SIMULATION_CRASHED, Blame, Failure
from evaluation.closed_loop.pulse import Reading
from evaluation.runs.job import Job, JobResult
from evaluation.runs.tries import Tries
from evaluation.runs.worker import CannotBeginError
from evaluation.runs.worker_process import WorkerProcess, WorkerSettings

POLL_S = 0.2


@dataclass(frozen=True)
class Ready:
    """A worker has a simulator and an agent. renderer: "" where the simulator did not tell."""

    town: str
    renderer: str


Event = Ready | JobResult
Watch = Callable[[Job, Reading], None]


class Supervisor:
    """The worker processes of this machine, each replaced when it has hung, died or failed.

    Use as a context manager; no process outlives it.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._numbers = count(settings.number)
        self._workers: list[WorkerProcess] = []
        self._proven = False

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes, whatever they do."""
        for worker in self._workers:
            worker.kill()
        self._workers = []

    @property
    def is_idle(self) -> bool:
        """Whether no route is under way."""
        return not any(worker.job for worker in self._workers)

    @property
    def has_room(self) -> bool:
        return sum(worker.job is not None for worker in self._workers) < self._settings.count

    def release(self) -> None:
        """Lets workers without a route go."""
        for worker in [one for one in self._workers if one.job is None]:
            self._workers.remove(worker)
            worker.stop()

    def begin(self, waiting: deque[Job], prepare: Callable[[Job], None]) -> None:
        """Hands out one of the waiting jobs, preferably one for a simulator that is there; prepare
        is called before."""
        worker = next((one for one in self._workers if one.job is None), None)
        if worker is None:
            taken = {one.place for one in self._workers}
            first = self._settings.first_place
            place = next(one for one in count(first) if one not in taken)
            worker = WorkerProcess(self._settings, next(self._numbers), place)
            self._workers.append(worker)
        job = _next_for(worker, waiting)
        prepare(job)
        self._settings.clear(job)
        worker.begin(job)

    def events(self, watch: Watch = lambda *_: None) -> Generator[Event, None, None]:
        """What the workers tell within one poll. Raises CannotBeginError where it shows before any
        success that no route can be driven."""
        heard = wait([worker.pipe for worker in self._workers], POLL_S)
        for worker in list(self._workers):
            if worker.pipe in heard:
                yield from self._hear(worker)
            elif worker.job is not None:
                watch(worker.job, worker.pulse.read())
                what = worker.overdue()
                if what:
                    failure = worker.hung(what)
                    self._dismiss(worker)
                    yield worker.verdict(failure)

    def _dismiss(self, worker: WorkerProcess) -> None:
        worker.kill()
        self._workers.remove(worker)

    def _hear(self, worker: WorkerProcess) -> Generator[Event, None, None]:
        try:
            kind, content = json.loads(worker.pipe.recv_bytes())
        except (EOFError, OSError):
            worker.process.join()
            phase = worker.pulse.read().phase
            self._dismiss(worker)
            if worker.job is not None:
                yield worker.verdict(worker.death(phase))
            return
        if kind == "ready":
            self._proven = True
            yield Ready(content["town"], content["renderer"])
        elif kind == "driven":
            worker.driven = JobResult.from_json(content)
        elif kind == "cannot begin":
            yield self._refused(worker, content["what"])
        else:
            result = JobResult.from_json(content)
            if result.failure is not None:
                result = worker.with_logs(result)
            worker.job = None
            if not result.is_finished:
                # The client's threads may end the process at any later time: another one goes on.
                self._dismiss(worker)
            self._proven = self._proven or result.is_finished
            yield result

    def _refused(self, worker: WorkerProcess, what: str) -> JobResult:
        """A worker that cannot begin ends the run, unless others could: a server that does not come
        up now may do so at the next try."""
        if not self._proven:
            raise CannotBeginError(what)
        self._dismiss(worker)
        return worker.verdict(Failure(Blame.SIMULATOR, SIMULATION_CRASHED, what))


def run_jobs(
    jobs: Sequence[Job],
    settings: WorkerSettings,
    prepare: Callable[[Job], None] = lambda _: None,
    watch: Watch = lambda *_: None,
) -> Generator[Event, None, None]:
    """Drives jobs in `settings.count` processes; yields each result as soon as it is there, and
    Ready whenever a simulator is.

    A failed route is tried again, see `Tries`, and its result comes again. Ends early after too
    many failed tries in a row. Close the iterator to end the processes.

    Args:
        prepare: called before each try.
        watch: called several times a second for each route under way.

    Raises:
        CannotBeginError: before any route was driven, it shows that none can be.
    """
    settings.logs.mkdir(parents=True, exist_ok=True)
    waiting, by_name = deque(jobs), {job.name: job for job in jobs}
    tries = Tries(settings.count, settings.retry_agent)

    def begin(job: Job) -> None:
        tries.begin(job.name)
        prepare(job)

    with Supervisor(settings) as workers:
        while True:
            while waiting and not tries.given_up and workers.has_room:
                workers.begin(waiting, begin)
            if not waiting or tries.given_up:
                workers.release()
            if workers.is_idle:
                return
            for event in workers.events(watch):
                if isinstance(event, JobResult):
                    event = tries.judge(event)
                    if not event.is_last:
                        waiting.appendleft(by_name[event.name])
                yield event


def next_log_number(logs: Path) -> int:
    """The first number that no log of an earlier session has."""
    numbers = [path.stem.rpartition("_")[2] for path in logs.glob("*_*.log")]
    return max((int(number) + 1 for number in numbers if number.isdecimal()), default=0)


def _next_for(worker: WorkerProcess, waiting: deque[Job]) -> Job:
    """The next job, preferably one for the simulator that the worker has."""
    last = worker.session_of
    if last is not None:
        for job in waiting:
            if (job.session, job.route.town) == (last.session, last.route.town):
                waiting.remove(job)
                return job
    return waiting.popleft()
