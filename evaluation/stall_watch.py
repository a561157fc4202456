"""Wakes the traffic manager of the carla package where it has fallen asleep for good.

`world.tick()` hands each step to the traffic manager's thread and waits, without a limit, until it
is done. The thread is told by a notification that is sent without holding the lock under which it
looks for work (`TrafficManagerLocal::Run` and `SynchronousTick` of LibCarla 0.9.15 and 0.9.16), so
that now and then, on a busy machine, it sleeps through it: both sides wait for ever. Switching
synchronous mode off and on sends the notification again. The switch has to come through the
traffic manager's own port, because the one in Python waits for the lock that the tick holds.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from dataclasses import dataclass

import msgpack

logger = logging.getLogger(__name__)

STALLED_S = 5.0
CHECK_S = 0.5
ANSWER_S = 2.0


@dataclass
class TickClock:
    """since_s: when the tick in progress began, on the monotonic clock; None between ticks."""

    since_s: float | None = None

    def __enter__(self) -> None:
        self.since_s = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.since_s = None


class StallWatch:
    """Watches the ticks of a session that has a traffic manager on `port` of this machine.

    Attributes:
        woken: how often it had to step in.
    """

    def __init__(self, clock: TickClock, port: int, stalled_s: float = STALLED_S) -> None:
        self.woken = 0
        self._clock = clock
        self._port = port
        self._stalled_s = stalled_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching; may be called again."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        acted_s = 0.0
        while not self._ended.wait(min(CHECK_S, self._stalled_s)):
            began_s = self._clock.since_s
            if began_s is None:
                continue
            if time.monotonic() - max(began_s, acted_s) > self._stalled_s:
                acted_s = time.monotonic()
                self.woken += 1
                logger.warning("the traffic manager sleeps through a tick: waking it")
                wake(self._port)


def wake(port: int) -> None:
    """Switch the synchronous mode of the traffic manager on `port` off and on again."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as connection:
            for number, mode in enumerate((False, True)):
                connection.sendall(msgpack.packb([0, number, "set_synchronous_mode", [mode]]))
                connection.recv(1024)
    except OSError as error:
        logger.warning("no traffic manager answers on port %d: %s", port, error)
