"""The same jobs on many machines: dask schedules, each of its workers supervises one of ours.

A task is a try of a route. Its worker never drives itself: it watches a worker process of ours, as
`run_jobs` does on one machine, so that what a route does to its process costs no worker of dask's.
What a route came to is in a file of the shared folder before dask hears of it; whoever is asked for
the route again, after the scheduler or this process were lost, finds it there.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.closed_loop.failure import (
    EVALUATION_FAILED,
    MACHINE_FAILED,
    Blame,
    Failure,
    one_line,
)
from evaluation.errors import MachineError
from evaluation.runs.cluster_kinds import ClusterSettings, open_cluster
from evaluation.runs.cluster_task import Task, drive_on_worker
from evaluation.runs.job import Job, JobResult
from evaluation.runs.tries import Tries
from evaluation.runs.worker import CannotBeginError, unscored
from evaluation.runs.worker_process import WorkerSettings
from evaluation.runs.workers import Event, Watch, run_jobs

PARTS_FOLDER = "parts"
SCHEDULERS = 4
"""So often a scheduler may be lost before the run is given up."""
POLL_S = 1.0
LOST_S = 20.0
"""How long a scheduler may be out of reach before another one is started."""
FIRST_WORKER_S = 600.0
"""How long the first worker may take: a queue of SLURM's, a slow disk."""


class ClusterError(MachineError):
    """The cluster cannot be had, or was lost too often."""


class _SchedulerLostError(Exception):
    """The scheduler does not answer any more, or has had no worker for long."""


@dataclass(frozen=True)
class Cluster:
    """settings: which machines; keys: a digest of each job's conditions, by its name: results of
    other conditions are not taken for those that are asked for; shared: a folder that all machines
    see under this name."""

    settings: ClusterSettings
    keys: Mapping[str, str]
    shared: Path


def run_anywhere(
    jobs: Sequence[Job],
    settings: WorkerSettings,
    cluster: Cluster | None,
    prepare: Callable[[Job], None] = lambda _: None,
    watch: Watch = lambda *_: None,
) -> Generator[Event, None, None]:
    """As `run_jobs`, on the machines of the cluster if there is one; `watch` is not called then."""
    if cluster is None or not jobs:
        yield from run_jobs(jobs, settings, prepare, watch)
    else:
        yield from _ClusterRun(jobs, settings, cluster, prepare).events()


class _ClusterRun:
    def __init__(
        self,
        jobs: Sequence[Job],
        settings: WorkerSettings,
        cluster: Cluster,
        prepare: Callable[[Job], None],
    ) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._left = deque(jobs)
        self._settings = settings
        self._cluster = cluster
        self._prepare = prepare
        self._tries = Tries(settings.count, settings.retry_agent)
        self._proven = False

    def events(self) -> Generator[Event, None, None]:
        """Results as they come. Raises ClusterError, CannotBeginError."""
        for _ in range(SCHEDULERS):
            try:
                with open_cluster(self._cluster.settings) as client:
                    _await_worker(client)
                    yield from self._drive(client)
                return
            except _SchedulerLostError:
                continue
        raise ClusterError(
            f"the cluster's scheduler was lost {SCHEDULERS} times; the same command goes on"
        )

    def _drive(self, client: Any) -> Generator[Event, None, None]:
        done: queue.Queue[Any] = queue.Queue()
        under_way: dict[Any, str] = {}

        def submit(job: Job) -> None:
            self._tries.begin(job.name)
            self._prepare(job)
            # Pure tasks of the same arguments would be run once: a second try has its number.
            future = client.submit(drive_on_worker, self._task(job), pure=False)
            under_way[future] = job.name
            future.add_done_callback(done.put)

        try:
            while self._left or under_way:
                while self._left and not self._tries.given_up:
                    submit(self._left.popleft())
                if not under_way:
                    return
                future = self._next(client, done)
                if future.status in ("cancelled", "lost"):
                    raise _SchedulerLostError
                result = self._result(future, self._jobs[under_way[future]])
                del under_way[future]
                yield from self._taken(result)
                if self._tries.given_up:
                    return
        except _SchedulerLostError:
            lost = [self._jobs[name] for name in under_way.values()]
            self._left.extendleft(reversed(lost))
            raise

    @staticmethod
    def _next(client: Any, done: queue.Queue[Any]) -> Any:
        """The next future that is over; _SchedulerLostError if the scheduler is."""
        reached_s = manned_s = time.monotonic()
        while True:
            with suppress(queue.Empty):
                return done.get(timeout=POLL_S)
            now_s = time.monotonic()
            if client.status == "running":
                reached_s = now_s
                if client.scheduler_info()["workers"]:
                    manned_s = now_s
            late = now_s - reached_s > LOST_S or now_s - manned_s > FIRST_WORKER_S
            if client.status == "closed" or late:
                raise _SchedulerLostError

    def _task(self, job: Job) -> Task:
        return Task(
            job=job,
            settings=self._settings,
            folder=self._cluster.shared.resolve() / PARTS_FOLDER,
            key=self._cluster.keys[job.name],
            started_in=Path.cwd(),
        )

    def _taken(self, result: JobResult) -> Iterator[Event]:
        result = self._tries.judge(result)
        self._proven = self._proven or result.is_finished
        if not result.is_last:
            self._left.appendleft(self._jobs[result.name])
        yield result
        if result.is_finished and result.is_last:
            # It is in the ledger now.
            self._task(self._jobs[result.name]).part.unlink(missing_ok=True)

    def _result(self, future: Any, job: Job) -> JobResult:
        """What a task came to; a lost worker is the machine's fault. Raises CannotBeginError."""
        error = future.exception() if future.status == "error" else None
        if error is None:
            return JobResult.from_json(future.result())
        if isinstance(error, CannotBeginError) and not self._proven:
            raise error
        if type(error).__name__ == "KilledWorker":
            what = "the worker that drove it was lost, with its machine or by a kill"
            return unscored(job, Failure(Blame.MACHINE, MACHINE_FAILED, what))
        if isinstance(error, (CannotBeginError, OSError)):
            return unscored(job, Failure(Blame.MACHINE, MACHINE_FAILED, one_line(error)))
        return unscored(job, Failure(Blame.EVALUATION, EVALUATION_FAILED, one_line(error)))


def _await_worker(client: Any) -> None:
    """Raises ClusterError if none comes: dask itself would wait for ever, without a word."""
    deadline_s = time.monotonic() + FIRST_WORKER_S
    while not client.scheduler_info()["workers"]:
        if time.monotonic() > deadline_s or client.status == "closed":
            raise ClusterError(
                f"no worker of the cluster came within {FIRST_WORKER_S:.0f} s: look at its queue "
                "and its logs"
            )
        time.sleep(POLL_S)
