"""Wakes the traffic manager of the carla package where it has fallen asleep for good.

`world.tick()` hands each step to the traffic manager's thread and waits, without a limit, until it
is done. The thread is told by a notification that is sent without holding the lock under which it
looks for work (`TrafficManagerLocal::Run` and `SynchronousTick` of LibCarla 0.9.15 and 0.9.16), so
that now and then, on a busy machine, it sleeps through it: both sides wait for ever. Switching
synchronous mode off and on sends the notification again. The switch has to come through the
traffic manager's own port, because the one in Python waits for the lock that the tick holds.

The end of a traffic manager has the same flaw, and there Python is locked out as well: `shut_down`
waits first.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import carla
import msgpack

logger = logging.getLogger(__name__)

STALLED_S = 5.0
CHECK_S = 0.5
ANSWER_S = 2.0
SETTLE_S = 0.2
IDLE_S = 20.0
IDLE_CPU_S = 0.05
"""What the threads of a process that waits may spend meanwhile."""


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


class IdleWatch:
    """Watches another process whose ticks cannot be seen: one that takes no processor time at all
    waits for its traffic manager (or for an answer, and then waking it does no harm).

    Args:
        pid: of the process.
        port: of its traffic manager.
        idle_s: how long it may rest; longer than anything that it rightly waits for.
    """

    def __init__(self, pid: int, port: int, idle_s: float = IDLE_S) -> None:
        self.woken = 0
        self._pid = pid
        self._port = port
        self._idle_s = idle_s
        self._spent_s = processor_time_s(pid)
        self._since_s = time.monotonic()

    def check(self) -> None:
        """To be called every now and then."""
        now_s, spent_s = time.monotonic(), processor_time_s(self._pid)
        if spent_s is None or self._spent_s is None or spent_s > self._spent_s + IDLE_CPU_S:
            self._spent_s, self._since_s = spent_s, now_s
        elif now_s - self._since_s > self._idle_s:
            self._since_s = now_s
            self.woken += 1
            logger.warning("process %d does nothing: waking its traffic manager", self._pid)
            wake(self._port)


def processor_time_s(pid: int) -> float | None:
    """Time that a process has spent computing; None where the system does not tell."""
    try:
        # The name before it, in brackets, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def wake(port: int) -> None:
    """Switch the synchronous mode of the traffic manager on `port` off and on again."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as connection:
            for number, mode in enumerate((False, True)):
                connection.sendall(msgpack.packb([0, number, "set_synchronous_mode", [mode]]))
                connection.recv(1024)
    except OSError as error:
        logger.warning("no traffic manager answers on port %d: %s", port, error)


def shut_down(manager: carla.TrafficManager) -> None:
    """End a traffic manager of this process. Its thread is given the time to finish the step and
    to fall asleep: what is sent to a thread on its way there is lost."""
    time.sleep(SETTLE_S)
    manager.set_synchronous_mode(False)
    manager.shut_down()
