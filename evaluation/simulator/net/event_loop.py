"""A small single-threaded event loop: sockets, timers and buffered connections.

Written on `selectors` rather than asyncio because a synchronous client waits for each of its
several hundred calls a tick: what counts is the time from a readable socket to the answer.

Nothing that a callback raises ends the loop: a connection that cannot be served is closed, a timer
that fails has run. Where the process has no handle left for a new peer, the connection that has
been idle for longest gives way.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import logging
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from evaluation.simulator.wire.snapshot import Buffer

logger = logging.getLogger(__name__)

_RECEIVE_BYTES = 1 << 16
_OUT_OF_HANDLES = (errno.EMFILE, errno.ENFILE)
_ACCEPT_PAUSE_S = 1.0


class Timer:
    """A callback that the loop runs once at `due_s` (monotonic), unless cancelled."""

    def __init__(self, due_s: float, callback: Callable[[], None]) -> None:
        self.due_s = due_s
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Never run the callback."""
        self.cancelled = True


class EventLoop:
    """Waits for sockets and timers and runs their callbacks, all in the calling thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._running = False
        self._connections: set[Connection] = set()

    def watch(self, sock: socket.socket, events: int, callback: Callable[[int], None]) -> None:
        """Call `callback(events)` whenever `sock` is ready for one of `events`."""
        self._selector.register(sock, events, callback)

    def change(self, sock: socket.socket, events: int, callback: Callable[[int], None]) -> None:
        """Replace the events and the callback of a watched socket."""
        self._selector.modify(sock, events, callback)

    def forget(self, sock: socket.socket) -> None:
        """Stop watching `sock`."""
        self._selector.unregister(sock)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` once after `delay_s`."""
        timer = Timer(time.monotonic() + delay_s, callback)
        heapq.heappush(self._timers, (timer.due_s, next(self._order), timer))
        return timer

    def enlist(self, connection: Connection) -> None:
        """Count a connection among those that may have to give way."""
        self._connections.add(connection)

    def strike_off(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._connections.discard(connection)

    def close_idlest(self) -> bool:
        """Close the connection that was used last the longest ago; False if there is none.

        Those that have never sent anything go first.
        """
        if not self._connections:
            return False
        idlest = min(self._connections, key=lambda one: (one.has_spoken, one.last_used_s))
        logger.warning("%s: closed, idle for longest: no file handle is left", idlest.peer)
        idlest.close("no file handle is left for a new connection")
        return True

    def stop(self) -> None:
        """Make `run` return after the callbacks in progress."""
        self._running = False

    def run(self) -> None:
        """Serve until `stop` is called."""
        self._running = True
        while self._running:
            for key, events in self._selector.select(self._wait_s()):
                # A callback may have closed a socket that is still in this list.
                if self._selector.get_map().get(key.fd) is key:
                    _guarded(key.data, events)
            self._run_due_timers()

    def close(self) -> None:
        """Release the selector."""
        self._selector.close()

    def _wait_s(self) -> float | None:
        """Return how long the selector may sleep: to the next timer, or for ever."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        return max(self._timers[0][0] - time.monotonic(), 0.0)

    def _run_due_timers(self) -> None:
        now_s = time.monotonic()
        while self._timers and self._timers[0][0] <= now_s:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                _guarded(timer.callback)


def _guarded(callback: Callable[..., None], *arguments: object) -> None:
    """Run a callback; what it raises is logged and goes no further."""
    try:
        callback(*arguments)
    except Exception:
        logger.exception("a callback of the event loop failed")


class Connection:
    """One TCP connection: reads what comes, writes without blocking.

    Args:
        on_bytes: gets every piece of data received.
        on_closed: called once, whoever closes.
        max_unsent_bytes: a peer that leaves more than this unread is disconnected.

    Attributes:
        has_spoken: whether the peer has ever sent anything.
        last_used_s: when data last went either way (monotonic).
    """

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        peer: str,
        on_bytes: Callable[[bytes], None],
        on_closed: Callable[[str], None],
        max_unsent_bytes: int,
    ) -> None:
        self.peer = peer
        self._loop = loop
        self._socket = sock
        self._on_bytes = on_bytes
        self._on_closed = on_closed
        self._max_unsent_bytes = max_unsent_bytes
        self._unsent: deque[memoryview] = deque()
        self._unsent_bytes = 0
        self.closed = False
        self.has_spoken = False
        self.last_used_s = time.monotonic()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.watch(sock, selectors.EVENT_READ, self._on_ready)
        loop.enlist(self)

    def send(self, buffers: Sequence[Buffer]) -> None:
        """Send the buffers in order; what the peer cannot take yet is kept and sent later.

        The buffers hold bytes (a view of anything else must be cast) and must not change
        afterwards.
        """
        if self.closed:
            return
        if self._unsent:
            self._keep(buffers, 0)
            return
        self.last_used_s = time.monotonic()
        try:
            sent = self._socket.sendmsg(buffers)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self.close(str(error))
            return
        if sent < sum(map(len, buffers)):
            self._loop.change(
                self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self._on_ready
            )
            self._keep(buffers, sent)

    def close(self, reason: str) -> None:
        """Close at once; what was not sent yet is lost."""
        if self.closed:
            return
        self.closed = True
        self._loop.strike_off(self)
        self._loop.forget(self._socket)
        self._socket.close()
        self._unsent.clear()
        self._on_closed(reason)

    def _keep(self, buffers: Sequence[Buffer], sent: int) -> None:
        """Queue the buffers without their first `sent` bytes."""
        for buffer in buffers:
            view = memoryview(buffer).cast("B")
            if sent >= len(view):
                sent -= len(view)
                continue
            self._unsent.append(view[sent:])
            self._unsent_bytes += len(view) - sent
            sent = 0
        if self._unsent_bytes > self._max_unsent_bytes:
            self.close(f"the peer left {self._unsent_bytes} bytes unread")

    def _on_ready(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush()
        if events & selectors.EVENT_READ and not self.closed:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close(str(error))
            return
        if not data:
            self.close("the peer closed")
            return
        self.has_spoken = True
        self.last_used_s = time.monotonic()
        try:
            self._on_bytes(data)
        except Exception:
            logger.exception("%s: closed, what it sent cannot be served", self.peer)
            self.close("what it sent cannot be served")

    def _flush(self) -> None:
        try:
            while self._unsent:
                view = self._unsent[0]
                sent = self._socket.send(view)
                self._unsent_bytes -= sent
                if sent < len(view):
                    self._unsent[0] = view[sent:]
                    return
                self._unsent.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close(str(error))
            return
        self._loop.change(self._socket, selectors.EVENT_READ, self._on_ready)


class Listener:
    """Takes a listening TCP socket and hands what it accepts to `on_accept(socket, peer)`."""

    def __init__(
        self, loop: EventLoop, sock: socket.socket, on_accept: Callable[[socket.socket, str], None]
    ) -> None:
        self._loop = loop
        self._on_accept = on_accept
        self._socket = sock
        self._closed = False
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._watch()

    def close(self) -> None:
        """Stop listening."""
        if not self._paused:
            self._loop.forget(self._socket)
        self._closed = True
        self._socket.close()

    def _watch(self) -> None:
        self._paused = False
        if not self._closed:
            self._loop.watch(self._socket, selectors.EVENT_READ, self._accept)

    def _pause(self) -> None:
        """Leave new peers, who cannot be taken now, in the queue without polling for them."""
        self._loop.forget(self._socket)
        self._paused = True
        self._loop.call_later(_ACCEPT_PAUSE_S, self._watch)

    def _accept(self, _events: int) -> None:
        try:
            sock, address = self._socket.accept()
        except OSError as error:
            if error.errno in _OUT_OF_HANDLES and not self._loop.close_idlest():
                self._pause()
            return  # Otherwise the peer gave up between the event and here.
        self._on_accept(sock, f"{address[0]}:{address[1]}")
