"""Runs a simulator until it is told to end: sockets, signals, the ready line."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress

from evaluation.simulator.calls.table import method_table
from evaluation.simulator.net.event_loop import EventLoop
from evaluation.simulator.net.ports import bind_pair
from evaluation.simulator.net.rpc import RpcServer
from evaluation.simulator.net.stream import StreamServer
from evaluation.simulator.options import ServeOptions
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.town.library import TownLoader, TownShelf
from evaluation.simulator.town.town import load_town

logger = logging.getLogger(__name__)

READY_PREFIX = "READY "
EXIT_OK = 0
EXIT_CANNOT_START = 2
_PARENT_CHECK_S = 0.5
PR_SET_PDEATHSIG = 1
"""Of Linux (sys/prctl.h)."""


class SimulatorServer:
    """A simulator with its two listening sockets.

    Args:
        load: builds a town from its specification and a seed.

    Raises:
        OSError, ValueError: a port is in use, or the town cannot be loaded.
    """

    def __init__(self, options: ServeOptions, load: TownLoader = load_town) -> None:
        # The ports come first: a town takes seconds to build, a taken port is known at once.
        rpc_socket, stream_socket = bind_pair(options.host, options.port)
        self._options = options
        self._loop = EventLoop()
        self._streams = StreamServer(self._loop, stream_socket)
        shelf = TownShelf(load, options.seed, options.towns_folder)
        self.simulator = Simulator(options, self._loop, shelf, self._streams)
        self._rpc = RpcServer(self._loop, rpc_socket, method_table(self.simulator))

    def ready_line(self) -> str:
        """Return the line that tells a parent process where to connect.

        `renderer` names the driver that draws the cameras, or is null on a machine that has none.
        """
        facts = {
            "port": self._rpc.port,
            "streaming_port": self._streams.port,
            "town": self.simulator.world.town.name,
            "renderer": _describe_renderer(),
        }
        return READY_PREFIX + json.dumps(facts)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or until the parent process ends."""
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        # The handlers do nothing: the byte that a signal writes into `writer` wakes the loop.
        numbers = (signal.SIGTERM, signal.SIGINT)
        previous = {number: signal.signal(number, lambda *_: None) for number in numbers}
        wakeup = signal.set_wakeup_fd(writer.fileno())
        self._loop.watch(reader, selectors.EVENT_READ, lambda _events: self._loop.stop())
        parent_pid, started_by = self._options.parent_pid, os.getppid()
        if parent_pid is not None:
            if parent_pid == started_by:
                _die_with_parent()
            # From within the loop, so that a process that is gone already ends it too.
            self._loop.call_later(0.0, lambda: self._watch_parent(parent_pid, started_by))
        try:
            self._loop.run()
        finally:
            self.close()
            signal.set_wakeup_fd(wakeup)
            for number, handler in previous.items():
                signal.signal(number, handler)
            reader.close()
            writer.close()

    def close(self) -> None:
        """Disconnect everybody, free the ports and the graphics memory."""
        self._rpc.close()
        self._streams.close()
        self.simulator.close()
        self._loop.close()

    def _watch_parent(self, pid: int, started_by: int) -> None:
        """End the loop when `pid` is gone; a dead process that nobody waited for also counts."""
        orphaned = pid == started_by and os.getppid() != started_by
        if orphaned or not _is_alive(pid):
            logger.info("process %d has ended, so does the simulator", pid)
            self._loop.stop()
            return
        self._loop.call_later(_PARENT_CHECK_S, lambda: self._watch_parent(pid, started_by))


def _die_with_parent() -> None:
    """Has the kernel end this process when its parent ends, even while it hangs or is stopped.
    Where there is no such call the parent is watched all the same."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _describe_renderer() -> str | None:
    try:
        # Imported here: a machine without OpenGL serves everything but cameras.
        from evaluation.simulator.sensors.camera_scene import describe_renderer

        return describe_renderer()
    except (ImportError, OSError, RuntimeError) as error:
        logger.warning("no cameras: %s", error)
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def serve(options: ServeOptions, load: TownLoader = load_town) -> int:
    """Run a simulator; return the exit code of the process.

    Prints one line to stdout when clients may connect, and logs to stderr.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    started_s = time.monotonic()
    try:
        server = SimulatorServer(options, load)
    except (OSError, ValueError) as error:
        logger.error("the simulator cannot start: %s", error)
        return EXIT_CANNOT_START
    print(server.ready_line(), flush=True)
    logger.info("ready after %.1f s", time.monotonic() - started_s)
    server.run()
    logger.info("ended")
    return EXIT_OK
