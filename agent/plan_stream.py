"""One open gRPC call for all the plans of a drive, with a time for each.

A call for every tick costs its setting up: through a stream, a plan was there and back in two
thirds of the time.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import grpc


class LateAnswerError(RuntimeError):
    """The answer was not there in time; the stream is closed."""


class PlanStream:
    """Requests in, answers out, one at a time.

    Args:
        open_call: a method of a channel that takes and gives streams.
        deadline: shared by the streams of one policy.
    """

    def __init__(self, open_call: grpc.StreamStreamMultiCallable, deadline: Deadline) -> None:
        self._requests: SimpleQueue[bytes | None] = SimpleQueue()
        self._call = open_call(iter(self._requests.get, None))
        self._deadline = deadline

    @property
    def is_open(self) -> bool:
        """Whether neither side has ended it, as far as is known."""
        return bool(self._call.is_active())

    def ask(self, request: bytes) -> bytes:
        """The answer; whatever is raised ends the stream.

        Raises LateAnswerError, grpc.RpcError as the server or the way to it has it, and
        StopIteration where the server has ended the stream in good order.
        """
        self._deadline.begin(self._call.cancel)
        try:
            self._requests.put(request)
            answer: bytes = next(self._call)
        except grpc.RpcError as error:
            self.close()
            if self._deadline.end():
                raise LateAnswerError from error
            raise
        except BaseException:
            self.close()
            raise
        finally:
            self._deadline.end()
        return answer

    def close(self) -> None:
        """May be called again."""
        # gRPC's thread waits for the next request until there is none.
        self._requests.put(None)
        self._call.cancel()


class Deadline:
    """Calls a function where something takes longer than it may.

    The thread behind it wakes once within every such time, and looks what there is to wait for: so
    that to begin wakes nobody, which would be paid for in every tick.

    Args:
        timeout_s: how long each thing may take.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._due_s = math.inf
        self._overdue: Callable[[], object] = lambda: None
        self._fired = False
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="plan deadline", daemon=True).start()

    def begin(self, overdue: Callable[[], object]) -> None:
        """From now on; `overdue` is called, from another thread, where no `end` comes in time."""
        with self._lock:
            self._overdue, self._fired = overdue, False
            self._due_s = time.monotonic() + self._timeout_s

    def end(self) -> bool:
        """It is over; whether it was too late."""
        with self._lock:
            self._due_s = math.inf
            return self._fired

    def close(self) -> None:
        """End the thread; may be called again."""
        self._closed.set()

    def _watch(self) -> None:
        wait_s = self._timeout_s
        while not self._closed.wait(wait_s):
            with self._lock:
                left_s = self._due_s - time.monotonic()
                if left_s <= 0.0:
                    self._fired, self._due_s = True, math.inf
                    self._overdue()
            wait_s = min(max(left_s, 0.0) or self._timeout_s, self._timeout_s)
