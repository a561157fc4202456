"""A small single-threaded event loop: sockets, timers and buffered connections.

Written on `selectors` rather than asyncio because a synchronous client waits for each of its
several hundred calls a tick: what counts is the time from a readable socket to the answer.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from evaluation.simulator.wire.snapshot import Buffer

_RECEIVE_BYTES = 1 << 16


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
                    key.data(events)
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
                timer.callback()


class Connection:
    """One TCP connection: reads what comes, writes without blocking.

    Args:
        on_bytes: gets every piece of data received.
        on_closed: called once, whoever closes.
        max_unsent_bytes: a peer that leaves more than this unread is disconnected.
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
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.watch(sock, selectors.EVENT_READ, self._on_ready)

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
        if data:
            self._on_bytes(data)
        else:
            self.close("the peer closed")

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
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        loop.watch(self._socket, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Stop listening."""
        self._loop.forget(self._socket)
        self._socket.close()

    def _accept(self, _events: int) -> None:
        try:
            sock, address = self._socket.accept()
        except OSError:
            return  # The peer gave up between the event and here.
        self._on_accept(sock, f"{address[0]}:{address[1]}")
