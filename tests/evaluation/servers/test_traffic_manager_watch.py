"""Waking a traffic manager that sleeps through a tick."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import msgpack
import pytest

from evaluation.servers.traffic_manager_watch import IdleWatch, StallWatch, TickClock, wake

WAIT_S = 5.0


class SleepingManager:
    """Answers like the traffic manager's own server and notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[list[object]] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            unpacker = msgpack.Unpacker()
            while data := connection.recv(1024):
                unpacker.feed(data)
                for message in unpacker:
                    self.heard.append(message[2:])
                    connection.sendall(msgpack.packb([1, message[1], None, None]))


@pytest.fixture
def manager() -> SleepingManager:
    return SleepingManager()


def wait_until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.01)
    assert condition()


def test_a_tick_that_does_not_end_wakes_the_manager(manager: SleepingManager) -> None:
    clock = TickClock()
    watch = StallWatch(clock, manager.port, stalled_s=0.2)
    with clock:
        wait_until(lambda: watch.woken == 1 and len(manager.heard) == 2)
    watch.close()
    assert manager.heard == [
        ["set_synchronous_mode", [False]],
        ["set_synchronous_mode", [True]],
    ]
    manager.close()


def test_ticks_that_end_are_left_alone(manager: SleepingManager) -> None:
    clock = TickClock()
    watch = StallWatch(clock, manager.port, stalled_s=0.2)
    for _ in range(30):
        with clock:
            time.sleep(0.01)
        time.sleep(0.01)
    time.sleep(0.4)  # an agent that thinks for long is no tick
    watch.close()
    assert watch.woken == 0
    assert manager.heard == []
    manager.close()


def test_nobody_to_wake_is_only_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    wake(port)
    assert f"port {port}" in caplog.text


@pytest.mark.parametrize(
    ("work", "woken"), [("time.sleep(60)", True), ("while True: sum(range(1000))", False)]
)
def test_a_process_that_does_nothing_is_woken(
    manager: SleepingManager, work: str, woken: bool
) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", f"import time\n{work}"]) as process:
        try:
            time.sleep(1.0)
            watch = IdleWatch(process.pid, manager.port, idle_s=0.5)
            for _ in range(10):
                time.sleep(0.09)
                watch.check()
        finally:
            process.kill()
    assert (watch.woken > 0) is woken
    assert len(manager.heard) == 2 * watch.woken
    manager.close()
