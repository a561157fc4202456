"""A try of a route in a worker of dask's."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from evaluation.runs.atomic_file import write_atomically
from evaluation.runs.job import Job, JobResult, Json
from evaluation.runs.worker import CannotBeginError
from evaluation.runs.worker_process import PARENT_CHECK_S, WorkerSettings
from evaluation.runs.workers import Supervisor

DRIVING = "driving"


@dataclass(frozen=True)
class Task:
    """folder: where results of all tasks are put, on every machine the same; key: digest of what
    decides how the route comes out; started_in: the folder of the command that was typed."""

    job: Job
    settings: WorkerSettings
    folder: Path
    key: str
    started_in: Path

    @property
    def part(self) -> Path:
        """The file of the route's result."""
        return self.folder / f"{self.job.name.replace('/', '+')}.json"

    def known(self) -> Json | None:
        """What the route came to, if it was finished under the same conditions."""
        try:
            content = json.loads(self.part.read_text(encoding="utf-8"))
            result: Json = content["result"]
            return result if content["key"] == self.key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def drive_on_worker(task: Task) -> Json:
    """The route's result as JSON: the one that is known, or that of a drive now.

    Raises CannotBeginError where no route can be driven on this machine.
    """
    task.folder.mkdir(parents=True, exist_ok=True)
    with _alone(task.part.with_suffix(".lock")):
        known = task.known()
        if known is None:
            result = _drive(task)
            known = result.to_json()
            if result.is_finished:
                write_atomically(task.part, json.dumps({"key": task.key, "result": known}))
    return known


def _drive(task: Task) -> JobResult:
    # Files that agents and routes name relatively are meant where the command was typed.
    os.chdir(task.started_in)
    workers = _supervisor(task.settings, task.folder)
    workers.begin(deque([task.job]), lambda _: None)
    try:
        while True:
            for event in workers.events():
                if isinstance(event, JobResult):
                    return event
    except CannotBeginError:
        workers.close()
        raise


_OF_THIS_PROCESS: list[Supervisor] = []
"""For as long as it lives: its worker keeps its simulator from one route to the next."""


def _supervisor(settings: WorkerSettings, folder: Path) -> Supervisor:
    if _OF_THIS_PROCESS:
        return _OF_THIS_PROCESS[0]
    place = _place(folder)
    own = settings.logs / f"{socket.gethostname()}_{place}_{os.getpid()}"
    own.mkdir(parents=True, exist_ok=True)
    mine = replace(settings, count=1, logs=own, number=0, first_place=place)
    _OF_THIS_PROCESS.append(Supervisor(mine))
    return _OF_THIS_PROCESS[0]


def _place(folder: Path) -> int:
    """The first place of this machine that no other worker has; it is this one's until it ends."""
    for place in count():
        lock = folder / f"{socket.gethostname()}_{place}.place"
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
        else:
            return place
    raise AssertionError("there is no end of places")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Waits until no other worker drives the route: one that dask has lost may still do so."""
    with lock.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if file.read() == DRIVING:
            # Its worker was killed: what that one has started notices it within this time.
            time.sleep(2 * PARENT_CHECK_S)
        _note(file.fileno(), DRIVING)
        yield
        _note(file.fileno(), "")


def _note(handle: int, text: str) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, text.encode(), 0)
