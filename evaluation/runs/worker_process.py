"""A worker process as the one above it sees it, and what runs in it.

The process above holds nothing that a library's thread could end: it watches the worker's pulse,
ends it when it takes too long, and blames whoever was at work when it died.
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
from collections.abc import Callable, MutableSequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
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
from evaluation.closed_loop.pulse import CELLS, Phase, Pulse, TimeLimits
from evaluation.runs.job import Job, JobResult, Json
from evaluation.runs.worker import CannotBeginError, RouteWorker, WorkerFactory, unscored
from evaluation.servers.gpus import pin_gpu
from evaluation.servers.session import addresses_of

PARENT_CHECK_S = 1.0
STOP_S = 10.0
"""How long a worker may take to wind up when there is nothing left to do."""
STALL_S = 300.0
"""How long code of the simulator's client or of ours may run without a sign of life. Starting an
embedded simulator may take 120 s, a tick 30 s."""
START_S = 300.0
"""How long a process may take to import what it needs."""
OFFICIAL_S = 7200.0
"""How long an official evaluator may take for one route. It has limits of its own for an agent or a
simulator that hangs; this one is for itself."""
PORTS_PER_WORKER = 4
"""A CARLA server takes three; with one between the workers' the numbers are easy to tell."""
LOG_TAIL_LINES = 15


def nothing_to_clear(job: Job) -> None:
    """Of routes that leave nothing behind."""


@dataclass(frozen=True)
class WorkerSettings:
    """What all workers of a run share.

    Attributes:
        logs: folder for the workers' and simulators' logs.
        number: of the first worker, so that logs of an earlier session are kept.
        port: of the first worker's simulator, further ones follow; 0 takes free ones.
        first_place: of the workers' places on this machine, which decide port and GPU.
        retry_agent: see `Tries`.
        clear: takes away what an earlier try has left; called before each try, on the machine that
            drives.
    """

    count: int
    logs: Path
    limits: TimeLimits = field(default_factory=TimeLimits)
    stall_s: float = STALL_S
    number: int = 0
    factory: WorkerFactory = RouteWorker
    port: int = 0
    first_place: int = 0
    retry_agent: bool = False
    clear: Callable[[Job], None] = nothing_to_clear


class WorkerProcess:
    """place: which of the workers at a time it is, for what no two of them may share."""

    def __init__(self, settings: WorkerSettings, number: int, place: int) -> None:
        context = multiprocessing.get_context("spawn")
        cells: MutableSequence[float] = context.RawArray("d", CELLS)
        self.pulse = Pulse(cells)
        self.number = number
        self.place = place
        self.log = settings.logs / f"worker_{number}.log"
        self.job: Job | None = None
        self.driven: JobResult | None = None
        self.began_s = 0.0
        self.session_of: Job | None = None
        self._settings = settings
        self.pipe, theirs = context.Pipe()
        arguments = (settings.factory, number, place, settings.logs, theirs, cells, os.getpid())
        self.process: SpawnProcess = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        # With no other copy of that end open, the pipe ends when the process does.
        theirs.close()

    def begin(self, job: Job) -> None:
        self.job, self.driven, self.session_of = job, None, job
        self.began_s = time.monotonic()
        # Until it drives, nobody is to see how far the route before this one was.
        self.pulse.show(0.0, 1.0, 0.0, 0.0)
        with suppress(OSError):
            # A process that has died meanwhile is found when its pipe is read.
            self.pipe.send(placed(job, self.place, self._settings.port))

    def overdue(self) -> str:
        """What has taken too long, "" if nothing has."""
        reading, limits = self.pulse.read(), self._settings.limits
        stall_s = self._settings.stall_s
        allowed = {
            Phase.IDLE: ("the start of a worker", START_S),
            Phase.SIMULATOR: ("the simulator's client", stall_s),
            Phase.EVALUATION: ("the evaluation", stall_s),
            Phase.AGENT_SETUP: ("the agent's setup", limits.setup_s),
            Phase.AGENT_STEP: ("run_step", limits.step_s),
            Phase.AGENT_DESTROY: ("the agent's destroy", limits.destroy_s),
            # Whoever looks at a paused drive may take their time.
            Phase.PERSON: ("a person", math.inf),
            Phase.OFFICIAL: ("the official evaluator", OFFICIAL_S),
        }
        what, limit_s = allowed[reading.phase]
        since_s = max(reading.since_s, self.began_s)
        late = time.monotonic() - since_s > limit_s
        return f"{what} took longer than {limit_s:g} s" if late else ""

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

    def verdict(self, failure: Failure) -> JobResult:
        """The result of a route whose worker has ended: what was told before, if it had been
        driven."""
        assert self.job is not None
        if self.driven is not None:
            note = {"after_the_route": failure.what}
            return replace(self.driven, extra={**self.driven.extra, **note})
        return self.with_logs(unscored(self.job, failure, time.monotonic() - self.began_s))

    def with_logs(self, result: JobResult) -> JobResult:
        """A failed route with the ends of the logs: the ledger alone tells what happened."""
        logs = {"worker": self.log, "simulator": self.log.with_name(f"simulator_{self.number}.log")}
        tails = {name: tail for name, path in logs.items() if (tail := tail_of(path))}
        return replace(result, extra={**result.extra, "logs": tails})

    def hung(self, what: str) -> Failure:
        phase = self.pulse.read().phase
        if phase.is_agents:
            return Failure(Blame.AGENT, _agent_status(phase), f"{what}: its process was ended")
        if phase is Phase.EVALUATION:
            return Failure(Blame.EVALUATION, EVALUATION_FAILED, what)
        blame = Blame.SIMULATOR if phase is Phase.SIMULATOR else Blame.MACHINE
        status = SIMULATION_CRASHED if phase is Phase.SIMULATOR else MACHINE_FAILED
        return Failure(blame, status, what)

    def death(self, phase: Phase) -> Failure:
        """Who is to blame for the end of the process, by what it was doing."""
        code, tail = self.process.exitcode, tail_of(self.log)
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
        what = f"the process ended with {ended}"
        return Failure(Blame.EVALUATION, EVALUATION_FAILED, what, tail)


def placed(job: Job, place: int, port: int) -> Job:
    """The job with what is this place's own: its simulator among several, its ports."""
    session = job.session
    addresses = addresses_of(session.simulator)
    if addresses:
        session = replace(session, simulator=addresses[place % len(addresses)])
    if port:
        own = port + PORTS_PER_WORKER * place
        session = replace(session, server=replace(session.server, port=own))
    official = job.official
    if official is not None:
        simulator = session.simulator or official.simulator
        official = replace(official, simulator=simulator, port=session.server.port)
    return replace(job, session=session, official=official)


def tail_of(log: Path) -> str:
    """The last lines of a log, "" where there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])


def _agent_status(phase: Phase) -> str:
    return AGENT_NOT_SET_UP if phase is Phase.AGENT_SETUP else AGENT_CRASHED


def _serve(
    factory: WorkerFactory,
    number: int,
    place: int,
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
    pin_gpu(place, os.environ)

    def tell(kind: str, content: Json) -> None:
        pipe.send_bytes(json.dumps([kind, content]).encode())

    worker = factory(number, logs, Pulse(cells), tell)
    for job in iter(pipe.recv, None):
        try:
            result = worker.drive(job)
        except CannotBeginError as error:
            tell("cannot begin", {"what": str(error)})
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
