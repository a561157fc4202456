"""The streaming port: one connection per subscription, length-prefixed messages for ever."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable, Sequence

from evaluation.simulator.net.event_loop import Connection, EventLoop, Listener
from evaluation.simulator.wire.snapshot import Buffer, stream_token

logger = logging.getLogger(__name__)

WORLD_STREAM_ID = 1
_MAX_UNSENT_BYTES = 512 << 20
_LENGTH = struct.Struct("<I")
_STREAM_ID = struct.Struct("<I")


class StreamServer:
    """Keeps who is subscribed to which stream and sends them its messages.

    Attributes:
        on_subscribed: called with the stream's id after every new subscription.
    """

    def __init__(self, loop: EventLoop, sock: socket.socket) -> None:
        self.on_subscribed: Callable[[int], None] = lambda _stream_id: None
        self._loop = loop
        self._listener = Listener(loop, sock, self._accept)
        self._subscribers: dict[int, list[Connection]] = {WORLD_STREAM_ID: []}
        self._connections: set[Connection] = set()
        self._next_id = WORLD_STREAM_ID + 1
        self.port = self._listener.port

    def open_stream(self) -> int:
        """Return the id of a new stream."""
        stream_id = self._next_id
        self._next_id += 1
        self._subscribers[stream_id] = []
        return stream_id

    def token(self, stream_id: int) -> bytes:
        """Return the 24 bytes with which a client subscribes to `stream_id`."""
        return stream_token(stream_id, self.port)

    def knows(self, stream_id: int) -> bool:
        """Whether this id was ever given out."""
        return stream_id in self._subscribers

    def is_heard(self, stream_id: int) -> bool:
        """Whether anybody is subscribed to the stream."""
        return bool(self._subscribers.get(stream_id))

    def subscriptions(self, stream_id: int) -> int:
        """Return how many connections are subscribed to the stream."""
        return len(self._subscribers.get(stream_id, ()))

    def publish(self, stream_id: int, parts: Sequence[Buffer]) -> None:
        """Send one message, given in parts that must not change afterwards, to all subscribers."""
        subscribers = self._subscribers[stream_id]
        if not subscribers:
            return
        message = (_LENGTH.pack(sum(memoryview(part).nbytes for part in parts)), *parts)
        for connection in tuple(subscribers):
            connection.send(message)

    def close(self) -> None:
        """Stop listening and disconnect everybody."""
        self._listener.close()
        for connection in list(self._connections):
            connection.close("the simulator ends")

    def _accept(self, sock: socket.socket, peer: str) -> None:
        subscription = _Subscription(self)
        connection = Connection(
            self._loop,
            sock,
            peer,
            subscription.on_bytes,
            subscription.on_closed,
            _MAX_UNSENT_BYTES,
        )
        subscription.connection = connection
        self._connections.add(connection)

    def subscribe(self, connection: Connection, stream_id: int) -> bool:
        """Add a subscriber; false (and a warning) where the stream never existed.

        The id of a destroyed sensor stays good: a client whose connection is closed comes back
        at once, for ever.
        """
        if stream_id not in self._subscribers:
            logger.warning("%s: closed, it asked for unknown stream %d", connection.peer, stream_id)
            return False
        self._subscribers[stream_id].append(connection)
        self.on_subscribed(stream_id)
        return True

    def drop(self, connection: Connection, stream_id: int | None, reason: str) -> None:
        """Forget a closed connection."""
        logger.debug("%s: stream %s closed: %s", connection.peer, stream_id, reason)
        self._connections.discard(connection)
        if stream_id is not None:
            self._subscribers[stream_id].remove(connection)


class _Subscription:
    """Reads the four bytes by which a connection says which stream it wants."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server
        self._received = b""
        self._stream_id: int | None = None
        self.connection: Connection | None = None

    def on_bytes(self, data: bytes) -> None:
        assert self.connection is not None
        self._received += data
        if len(self._received) > _STREAM_ID.size:
            logger.warning("%s: closed, it sent more than a stream id", self.connection.peer)
            self.connection.close("more than a stream id")
        elif len(self._received) == _STREAM_ID.size:
            (stream_id,) = _STREAM_ID.unpack(self._received)
            if self._server.subscribe(self.connection, stream_id):
                self._stream_id = stream_id
            else:
                self.connection.close("unknown stream")

    def on_closed(self, reason: str) -> None:
        assert self.connection is not None
        self._server.drop(self.connection, self._stream_id, reason)
