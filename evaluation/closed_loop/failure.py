"""Why a route could not be driven to its end, and whose fault it was."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from evaluation.errors import MachineError
from evaluation.routes.route import RouteFileError
from evaluation.servers.embedded import SimulatorError

# The leaderboard's own words (leaderboard_evaluator.py), where it has any.
AGENT_NOT_SET_UP = "Agent couldn't be set up"
AGENT_CRASHED = "Agent crashed"
SENSORS_INVALID = "Agent's sensors were invalid"
SIMULATION_CRASHED = "Simulation crashed"
# Faults that it does not tell apart.
MACHINE_FAILED = "Machine failed"
ROUTE_INVALID = "Route cannot be driven"
EVALUATION_FAILED = "Evaluation failed"

MACHINE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What the system says when the disk is full or read-only, or handles or memory have run out."""


class Blame(Enum):
    """Whose fault a failure is."""

    AGENT = "agent"
    SIMULATOR = "simulator"
    MACHINE = "machine"
    ROUTE = "route"
    EVALUATION = "evaluation"


@dataclass(frozen=True)
class Failure:
    """status: as a record says it after "Failed - "; what: one line; trace: of the exception."""

    blame: Blame
    status: str
    what: str
    trace: str = ""

    @property
    def is_infrastructure(self) -> bool:
        """Whether the route says nothing about the agent and has to be driven again."""
        return self.blame in (Blame.SIMULATOR, Blame.MACHINE)

    @property
    def failure_class(self) -> str:
        """`policy` where the agent is to blame, else `infrastructure`."""
        return "policy" if self.blame is Blame.AGENT else "infrastructure"

    def to_json(self) -> dict[str, str]:
        return {
            "blame": self.blame.value,
            "status": self.status,
            "what": self.what,
            "trace": self.trace,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Failure:
        """Raises KeyError or ValueError for what `to_json` has not written."""
        texts = (str(content[key]) for key in ("status", "what", "trace"))
        return Failure(Blame(content["blame"]), *texts)


class AgentError(RuntimeError):
    """The agent raised; the message is the leaderboard's word for it, the cause what it raised."""


def failure_of(error: BaseException) -> Failure:
    """The failure behind an exception that has ended a route."""
    if isinstance(error, AgentError):
        cause = error.__cause__ or error
        if not is_machine_fault(cause):
            return Failure(Blame.AGENT, str(error), one_line(cause), trace_of(cause))
        error = cause
    if is_machine_fault(error):
        return Failure(Blame.MACHINE, MACHINE_FAILED, one_line(error), trace_of(error))
    if isinstance(error, SimulatorError):
        return Failure(Blame.SIMULATOR, SIMULATION_CRASHED, one_line(error), trace_of(error))
    if isinstance(error, RouteFileError):
        return Failure(Blame.ROUTE, ROUTE_INVALID, str(error))
    return Failure(Blame.EVALUATION, EVALUATION_FAILED, one_line(error), trace_of(error))


def is_machine_fault(error: BaseException) -> bool:
    """Whether the machine lacks something: graphics, disk space, handles, memory."""
    if isinstance(error, (MachineError, MemoryError)):
        return True
    return isinstance(error, OSError) and error.errno in MACHINE_ERRNOS


def one_line(error: BaseException) -> str:
    """Kind of an exception and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def trace_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
