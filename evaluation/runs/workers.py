"""Batches of routes in processes of their own, which may die without taking the others along."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from evaluation.collection.settings import CollectSettings
from evaluation.collection.summary import BAD_ROUTE, WORKER_DIED, Drive
from evaluation.routes.route import Route

PARENT_CHECK_S = 1.0
FAILURES_IN_A_ROW = 3
"""Drives for each simulator at a time that may fail, none of another being scored meanwhile, before
the collection is given up."""


@dataclass(frozen=True)
class Batch:
    """Routes in one town for one simulator. number: that of its logs."""

    settings: CollectSettings
    town: str
    routes: tuple[Route, ...]
    number: int = 0

    def failed(self, route: Route, status: str, text: str) -> Drive:
        """A drive that did not come to its end; the text goes to the failures of this batch."""
        name = self.settings.drive_name(route)
        self.note(f"{name}: {status}\n{text}")
        return Drive(name, status, 0, 0.0, problem=last_words(text))

    def note(self, text: str) -> None:
        path = self.settings.logs / f"failure_{self.number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{text.rstrip()}\n")


Tell = Callable[[Drive], None]
Task = Callable[[Batch, Tell], None]
"""Drives the routes of a batch in their order and tells of each; it may stop after a failed one."""


@dataclass
class _Worker:
    batch: Batch
    process: SpawnProcess
    pipe: Connection
    told: list[Drive] = field(default_factory=list)

    def next(self) -> Drive | None:
        """What the process tells next; None when it has ended."""
        try:
            drive: Drive = self.pipe.recv()
        except (EOFError, OSError):
            self.pipe.close()
            self.process.join()
            return None
        self.told.append(drive)
        return drive

    def blamed(self) -> Drive | None:
        """The drive on which the process has died, if it was driving."""
        if not self.left or (self.told and self.told[-1].failed):
            return None
        drive = self.batch.failed(self.left[0], WORKER_DIED, _obituary(self.process.exitcode))
        self.told.append(drive)
        return drive

    @property
    def left(self) -> tuple[Route, ...]:
        return self.batch.routes[len(self.told) :]


def drive_all(
    batches: Sequence[Batch], jobs: int, first_number: int, task: Task
) -> Generator[Drive, None, None]:
    """Drives batches, `jobs` at a time, and yields each drive as soon as it is over.

    What a batch leaves undone goes to a new process. Ends early after too many failures in a row.
    task: a function of a module, because the processes have to find it. Close the iterator to end
    the processes; their simulators see that they are gone.
    """
    waiting, numbers = deque(batches), count(first_number)
    running: dict[Connection, _Worker] = {}
    failures, limit = 0, FAILURES_IN_A_ROW * jobs
    try:
        while running or (waiting and failures < limit):
            while waiting and len(running) < jobs and failures < limit:
                worker = _start(task, replace(waiting.popleft(), number=next(numbers)))
                running[worker.pipe] = worker
            for worker in [running[pipe] for pipe in wait(list(running)) if pipe in running]:
                drive = worker.next()
                if drive is None:
                    del running[worker.pipe]
                    drive = worker.blamed()
                    if worker.left:
                        waiting.appendleft(replace(worker.batch, routes=worker.left))
                if drive is None:
                    continue
                if drive.status != BAD_ROUTE:
                    failures = failures + 1 if drive.failed else 0
                yield drive
    finally:
        for worker in running.values():
            worker.process.terminate()
        for worker in running.values():
            worker.process.join()


def last_words(text: str) -> str:
    """The line of a message or a trace that says what happened."""
    lines = text.strip().splitlines()
    frames = [index for index, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] :] if frames else lines
    return next((line for line in after if line and not line.startswith(" ")), "no reason given")


def _start(task: Task, batch: Batch) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, batch, theirs, os.getpid()), daemon=True)
    process.start()
    # With no other copy of that end open, the pipe ends when the process does.
    theirs.close()
    return _Worker(batch, process, ours)


def _work(task: Task, batch: Batch, pipe: Connection, parent_pid: int) -> None:
    # Ctrl-C reaches the whole group; the parent is the one that acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with(parent_pid)
    try:
        task(batch, pipe.send)
    except Exception:
        batch.note(traceback.format_exc())
        raise


def _end_with(parent_pid: int) -> None:
    """Let this process end when the one that it works for was killed."""

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _obituary(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        hint = ", as happens when memory runs out" if exit_code == -signal.SIGKILL else ""
        return f"the process was ended by signal {-exit_code}{hint}"
    return f"the process ended with exit code {exit_code}"
