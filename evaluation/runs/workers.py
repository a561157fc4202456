"""Worker processes, which may hang or die without taking a finished route along.

The process above them holds nothing that a library's thread could end: it hands out jobs, watches
each worker's pulse, ends those that take too long, and blames whoever was at work when one died.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, MutableSequence, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from evaluation.closed_loop.failure import (
    AGENT_CRASHED,
    AGENT_NOT_SET_UP,
    EVALUATION_FAILED,
    MACHINE_FAILED,
    SIMULATION_CRASHED,
    Blame,
    Failure,
)
from evaluation.closed_loop.pulse import CELLS, Phase, Pulse, Reading, TimeLimits
from evaluation.runs.job import Job, JobResult, Json
from evaluation.runs.worker import CannotBeginError, RouteWorker, WorkerFactory, unscored

POLL_S = 0.2
PARENT_CHECK_S = 1.0
STOP_S = 10.0
"""How long a worker may take to wind up when there is nothing left to do."""
STALL_S = 300.0
"""How long code of the simulator's client or of ours may run without a sign of life. Starting an
embedded simulator may take 120 s, a tick 30 s."""
START_S = 300.0
"""How long a process may take to import what it needs."""
TRIES = 2
"""A route that failed by no fault of the agent's is tried once more."""
FAILURES_IN_A_ROW = 3
"""Failed tries for each worker, with no route scored in between, before a run is given up."""
LOG_TAIL_LINES = 15


@dataclass(frozen=True)
class WorkerSettings:
    """logs: folder for the workers' and simulators' logs; number: of the first worker, so that logs
    of an earlier session are kept."""

    count: int
    logs: Path
    limits: TimeLimits = field(default_factory=TimeLimits)
    stall_s: float = STALL_S
    number: int = 0
    factory: WorkerFactory = RouteWorker


@dataclass(frozen=True)
class Ready:
    """A worker has a simulator and an agent. renderer: "" where the simulator did not tell."""

    town: str
    renderer: str


Watch = Callable[[Job, Reading], None]


class _Process:
    """One worker process as the parent sees it."""

    def __init__(self, settings: WorkerSettings, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        cells: MutableSequence[float] = context.RawArray("d", CELLS)
        self.pulse = Pulse(cells)
        self.number = number
        self.log = settings.logs / f"worker_{number}.log"
        self.job: Job | None = None
        self.driven: JobResult | None = None
        self.began_s = 0.0
        self.session_of: Job | None = None
        self.pipe, theirs = context.Pipe()
        arguments = (settings.factory, number, settings.logs, theirs, cells, os.getpid())
        self.process: SpawnProcess = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        # With no other copy of that end open, the pipe ends when the process does.
        theirs.close()

    def begin(self, job: Job) -> None:
        self.job, self.driven, self.session_of = job, None, job
        self.began_s = time.monotonic()
        self.pipe.send(job)

    def overdue(self, limits: TimeLimits, stall_s: float) -> str:
        """What has taken too long, "" if nothing has."""
        reading = self.pulse.read()
        allowed = {
            Phase.IDLE: ("the start of a worker", START_S),
            Phase.SIMULATOR: ("the simulator's client", stall_s),
            Phase.EVALUATION: ("the evaluation", stall_s),
            Phase.AGENT_SETUP: ("the agent's setup", limits.setup_s),
            Phase.AGENT_STEP: ("run_step", limits.step_s),
            Phase.AGENT_DESTROY: ("the agent's destroy", limits.destroy_s),
            # Whoever looks at a paused drive may take their time.
            Phase.PERSON: ("a person", math.inf),
        }
        what, limit_s = allowed[reading.phase]
        since_s = max(reading.since_s, self.began_s)
        return f"{what} took longer than {limit_s:g} s" if self._late(since_s, limit_s) else ""

    @staticmethod
    def _late(since_s: float, limit_s: float) -> bool:
        return time.monotonic() - since_s > limit_s

    def kill(self) -> None:
        """Ends the process and what its agent has started; its simulator follows by itself."""
        with suppress(ProcessLookupError, PermissionError):
            if self.process.pid is not None:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def stop(self) -> None:
        with suppress(OSError):
            self.pipe.send(None)
        self.process.join(STOP_S)
        self.kill()

    def log_tail(self) -> str:
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])


def run_jobs(
    jobs: Sequence[Job],
    settings: WorkerSettings,
    prepare: Callable[[Job], None] = lambda _: None,
    watch: Watch = lambda *_: None,
) -> Generator[Ready | JobResult, None, None]:
    """Drives jobs in `settings.count` processes; yields each result as soon as it is there, and
    Ready whenever a simulator is.

    A route that failed by no fault of the agent's is tried again, and its result comes again. Ends
    early after too many failed tries in a row. Close the iterator to end the processes.

    Args:
        prepare: called before each try.
        watch: called several times a second for each route under way.

    Raises:
        CannotBeginError: before any route was driven, it shows that none can be.
    """
    settings.logs.mkdir(parents=True, exist_ok=True)
    waiting, numbers = deque(jobs), count(settings.number)
    tries: dict[str, int] = {}
    running: list[_Process] = []
    failures, limit = 0, FAILURES_IN_A_ROW * settings.count
    try:
        while True:
            given_up = failures >= limit
            for worker in [one for one in running if one.job is None]:
                if given_up or not waiting:
                    running.remove(worker)
                    worker.stop()
            while waiting and not given_up and _free(running, settings.count):
                worker = next((one for one in running if one.job is None), None) or _Process(
                    settings, next(numbers)
                )
                if worker not in running:
                    running.append(worker)
                job = _next_for(worker, waiting)
                tries[job.name] = tries.get(job.name, 0) + 1
                prepare(job)
                worker.begin(job)
            if not running:
                return
            for event in _events(running, settings, watch):
                if isinstance(event, JobResult):
                    again = not event.is_finished and tries[event.name] < TRIES
                    event = replace(event, attempt=tries[event.name], is_last=not again)
                    failures = 0 if event.is_finished else failures + 1
                    if again:
                        waiting.appendleft(next(job for job in jobs if job.name == event.name))
                yield event
    finally:
        for worker in running:
            worker.kill()


def next_log_number(logs: Path) -> int:
    """The first number that no log of an earlier session has."""
    numbers = [path.stem.rpartition("_")[2] for path in logs.glob("*_*.log")]
    return max((int(number) + 1 for number in numbers if number.isdecimal()), default=0)


def _free(running: Sequence[_Process], most: int) -> bool:
    return len(running) < most or any(worker.job is None for worker in running)


def _next_for(worker: _Process, waiting: deque[Job]) -> Job:
    """The next job, preferably one for the simulator that the worker has."""
    last = worker.session_of
    if last is not None:
        for job in waiting:
            if (job.session, job.route.town) == (last.session, last.route.town):
                waiting.remove(job)
                return job
    return waiting.popleft()


def _events(
    running: list[_Process], settings: WorkerSettings, watch: Watch
) -> Generator[Ready | JobResult, None, None]:
    """What the workers tell within one poll; those that have ended leave `running`."""
    heard = wait([worker.pipe for worker in running], POLL_S)
    for worker in list(running):
        if worker.pipe in heard:
            yield from _hear(worker, running)
        elif worker.job is not None:
            watch(worker.job, worker.pulse.read())
            what = worker.overdue(settings.limits, settings.stall_s)
            if what:
                phase = worker.pulse.read().phase
                worker.kill()
                running.remove(worker)
                yield _verdict(worker, _hung(phase, what))


def _hear(worker: _Process, running: list[_Process]) -> Generator[Ready | JobResult, None, None]:
    try:
        kind, content = json.loads(worker.pipe.recv_bytes())
    except (EOFError, OSError):
        worker.process.join()
        phase = worker.pulse.read().phase
        worker.kill()
        running.remove(worker)
        if worker.job is not None:
            yield _verdict(worker, _death(worker, phase))
        return
    if kind == "ready":
        yield Ready(content["town"], content["renderer"])
    elif kind == "driven":
        worker.driven = JobResult.from_json(content)
    elif kind == "cannot begin":
        raise CannotBeginError(content["problem"])
    else:
        result = JobResult.from_json(content)
        worker.job = None
        if not result.is_finished:
            # The client's threads may end this process at any later time: another one goes on.
            running.remove(worker)
            worker.kill()
        yield result


def _verdict(worker: _Process, failure: Failure) -> JobResult:
    """The result of a route whose worker has ended: what was told before, if it had been driven."""
    assert worker.job is not None
    if worker.driven is not None:
        note = {"after_the_route": failure.what}
        return replace(worker.driven, extra={**worker.driven.extra, **note})
    return unscored(worker.job, failure, time.monotonic() - worker.began_s)


def _hung(phase: Phase, what: str) -> Failure:
    if phase.is_agents:
        return Failure(Blame.AGENT, _agent_status(phase), f"{what}: its process was ended")
    if phase is Phase.EVALUATION:
        return Failure(Blame.EVALUATION, EVALUATION_FAILED, what)
    blame = Blame.SIMULATOR if phase is Phase.SIMULATOR else Blame.MACHINE
    status = SIMULATION_CRASHED if phase is Phase.SIMULATOR else MACHINE_FAILED
    return Failure(blame, status, what)


def _death(worker: _Process, phase: Phase) -> Failure:
    """Who is to blame for the end of a process, by what it was doing."""
    code, tail = worker.process.exitcode, worker.log_tail()
    if code == -signal.SIGKILL:
        what = "the process was killed, as happens when memory runs out"
        return Failure(Blame.MACHINE, MACHINE_FAILED, what, tail)
    ended = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    if phase.is_agents:
        return Failure(
            Blame.AGENT, _agent_status(phase), f"the agent ended its process with {ended}", tail
        )
    if phase is Phase.SIMULATOR or (code is not None and code < 0):
        what = f"the process was ended by {ended} from inside the simulator's client"
        return Failure(Blame.SIMULATOR, SIMULATION_CRASHED, what, tail)
    return Failure(Blame.EVALUATION, EVALUATION_FAILED, f"the process ended with {ended}", tail)


def _agent_status(phase: Phase) -> str:
    return AGENT_NOT_SET_UP if phase is Phase.AGENT_SETUP else AGENT_CRASHED


def _serve(
    factory: WorkerFactory,
    number: int,
    logs: Path,
    pipe: Connection,
    cells: MutableSequence[float],
    parent_pid: int,
) -> None:
    """The process: jobs in, results out, until there are no more."""
    # Ctrl-C reaches the whole group; the parent is the one that acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setpgid(0, 0)
    _write_to(logs / f"worker_{number}.log")
    _end_with(parent_pid)

    def tell(kind: str, content: Json) -> None:
        pipe.send_bytes(json.dumps([kind, content]).encode())

    worker = factory(number, logs, Pulse(cells), tell)
    for job in iter(pipe.recv, None):
        try:
            result = worker.drive(job)
        except CannotBeginError as error:
            tell("cannot begin", {"problem": str(error)})
            break
        except BaseException:
            traceback.print_exc()
            raise
        tell("result", result.to_json())
    else:
        worker.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not by way of the client's destructors, which may hang or abort.
    os._exit(0)


def _write_to(path: Path) -> None:
    """Sends what this process and the libraries in it print to a file."""
    with path.open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())


def _end_with(parent_pid: int) -> None:
    """Let this process end when the one that it works for was killed."""

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
