"""msgpack-rpc as the client speaks it: requests [0, id, method, [meta, ...]], wrapped answers."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

import msgpack

from evaluation.simulator.net.event_loop import Connection, EventLoop, Listener, Timer
from evaluation.simulator.wire.codec import WireError, describe
from evaluation.simulator.wire.errors import CallError, NotSimulatedError

logger = logging.getLogger(__name__)

_MAX_REQUEST_BYTES = 64 << 20
_MAX_UNSENT_BYTES = 64 << 20
_MOST_HELD = 64
_HELD_S = 0.005
"""Chosen: less than a tick, more than lies between its last control and the call of the next."""
_REQUEST = 0
_RESPONSE = 1
_NOTIFICATION = 2


class Reply(Enum):
    """How a result is wrapped; the client aborts or raises std::bad_cast on the wrong form."""

    VALUE = "value"
    VOID = "void"
    BARE = "bare"

    def success(self, value: object) -> object:
        """Wrap a result."""
        if self is Reply.VALUE:
            return ((1, value),)
        return ((False,),) if self is Reply.VOID else value

    def failure(self, message: str) -> object:
        """Wrap an error."""
        return ((True, (message,)),) if self is Reply.VOID else ((0, (message,)),)


class Deferred:
    """An answer that will be given later: hand it back from a handler, then call `resolve`.

    Args:
        make: computes the answer when it is time; None for answers without a value.
    """

    def __init__(self, make: Callable[[], object] | None = None) -> None:
        self._make = make
        self._answer: Callable[[Callable[[], object]], None] | None = None

    def resolve(self) -> None:
        """Compute and send the answer; must come after the handler has returned this object."""
        if self._answer is not None:
            self._answer(self._make or (lambda: None))

    def bind(self, answer: Callable[[Callable[[], object]], None]) -> None:
        """Set what runs a function and sends what comes of it."""
        self._answer = answer


class Caller:
    """One rpc connection, as handlers see it."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.on_closed: list[Callable[[], None]] = []


Handler = Callable[[Caller, Sequence[Any]], Any]


@dataclass(frozen=True)
class Method:
    """One entry of the method table: handler, form of the answer, least number of arguments.

    `tells` says whether its answer may tell of asynchronous calls that were refused before.
    """

    handler: Handler
    reply: Reply
    arity: int
    tells: bool = True

    def call(self, caller: Caller, arguments: Sequence[Any]) -> Any:
        """Run the handler; raise `WireError` where arguments are missing."""
        if len(arguments) < self.arity:
            raise WireError(f"expected {self.arity} arguments, got {len(arguments)}")
        return self.handler(caller, arguments)


class RpcServer:
    """Accepts clients and answers their calls from a table of methods."""

    def __init__(self, loop: EventLoop, sock: socket.socket, methods: Mapping[str, Method]) -> None:
        self._loop = loop
        self._methods = methods
        self._sessions: set[RpcSession] = set()
        self._listener = Listener(loop, sock, self._accept)
        self.port = self._listener.port

    def close(self) -> None:
        """Stop listening and disconnect everybody."""
        self._listener.close()
        for session in list(self._sessions):
            session.close("the simulator ends")

    def _accept(self, sock: socket.socket, peer: str) -> None:
        session = RpcSession(self._loop, sock, peer, self._methods, self._sessions.discard)
        self._sessions.add(session)


def _is_call(name: object, arguments: object) -> bool:
    return isinstance(name, str) and isinstance(arguments, list)


class RpcSession:
    """One client: unpacks its requests in order and answers them."""

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        peer: str,
        methods: Mapping[str, Method],
        on_closed: Callable[[RpcSession], None],
    ) -> None:
        self._methods = methods
        self._forget = on_closed
        self._caller = Caller(peer)
        self._untold: set[str] = set()
        self._loop = loop
        self._held: list[bytes] = []
        self._send_held: Timer | None = None
        self._unpacker = msgpack.Unpacker(max_buffer_size=_MAX_REQUEST_BYTES)
        self._connection = Connection(
            loop, sock, peer, self._on_bytes, self._on_closed, _MAX_UNSENT_BYTES
        )

    def close(self, reason: str) -> None:
        """Disconnect the client."""
        self._connection.close(reason)

    def _on_closed(self, reason: str) -> None:
        logger.debug("%s: disconnected: %s", self._caller.peer, reason)
        for callback in self._caller.on_closed:
            callback()
        self._forget(self)

    def _on_bytes(self, data: bytes) -> None:
        """Answer all complete requests; drop a peer that does not speak msgpack-rpc."""
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                self._on_message(message)
                if self._connection.closed:
                    return
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            # msgpack's own errors, over-long and undecodable messages, unhashable map keys.
            self._drop(f"{type(error).__name__}: {error}")

    def _drop(self, reason: str) -> None:
        logger.warning("%s: closed, it sent a malformed request: %s", self._caller.peer, reason)
        self._connection.close("malformed request")

    def _on_message(self, message: object) -> None:
        if isinstance(message, list):
            if len(message) == 4 and message[0] == _REQUEST:
                call_id, name, arguments = message[1:]
                if isinstance(call_id, int) and _is_call(name, arguments):
                    self._on_request(call_id, name, arguments)
                    return
            elif len(message) == 3 and message[0] == _NOTIFICATION and _is_call(*message[1:]):
                self._on_request(None, message[1], message[2])
                return
        self._drop(f"expected [0, id, method, arguments], got {describe(message)}")

    def _on_request(self, call_id: int | None, name: str, arguments: list[Any]) -> None:
        """Run one call; `arguments` starts with the client's meta data.

        A client does not look at the answers of its asynchronous calls. Where it asked for what is
        not simulated, the next call that it waits for is answered with that, and not run.
        """
        waits = arguments[:1] != [[True]]
        method = self._methods.get(name)
        if method is None:
            logger.warning("%s: unknown call %s", self._caller.peer, describe(name))
            message = f"the simulator does not know the call {describe(name)}"
            self._respond(call_id, Reply.VALUE.failure(message), waits)
            if not waits:
                self._untold.add(message)
        elif waits and self._untold and method.tells:
            untold = "; ".join(sorted(self._untold))
            self._untold.clear()
            refusal = method.reply.failure(f"refused before this call: {untold}")
            self._respond(call_id, refusal, waits)
        else:
            call = partial(method.call, self._caller, arguments[1:])
            if not waits:
                call = partial(self._remember_refusal, call)
            self._answer(call_id, name, method.reply, waits, call)

    def _remember_refusal(self, call: Callable[[], object]) -> object:
        try:
            return call()
        except NotSimulatedError as error:
            logger.warning("%s: %s", self._caller.peer, error)
            self._untold.add(str(error))
            raise

    def _answer(
        self,
        call_id: int | None,
        name: str,
        reply: Reply,
        waits: bool,
        function: Callable[[], object],
    ) -> None:
        """Run a function and send what comes of it, now or, for a `Deferred`, later."""
        result = self._run(name, reply, function)
        if isinstance(result, Deferred):
            result.bind(lambda make: self._answer(call_id, name, reply, waits, make))
        else:
            self._respond(call_id, result, waits)

    def _run(self, name: str, reply: Reply, function: Callable[[], object]) -> object:
        """Return the wrapped result or error, or the function's `Deferred`."""
        try:
            value = function()
        except CallError as error:
            logger.info("%s: %s refused: %s", self._caller.peer, name, error)
            return reply.failure(str(error))
        except WireError as error:
            logger.warning("%s: %s: %s", self._caller.peer, name, error)
            return reply.failure(f"{name}: {error}")
        except Exception as error:
            logger.exception("%s: %s failed", self._caller.peer, name)
            return reply.failure(f"{name}: internal error of the simulator: {describe(error)}")
        return value if isinstance(value, Deferred) else reply.success(value)

    def _respond(self, call_id: int | None, result: object, waits: bool) -> None:
        if call_id is None:
            return
        try:
            answer = self._packed(call_id, result)
        except (ValueError, TypeError, OverflowError, RecursionError):
            logger.exception("%s: an answer cannot be packed", self._caller.peer)
            answer = self._packed(call_id, Reply.VALUE.failure("the answer cannot be sent"))
        if waits:
            self._send(answer)
        else:
            self._hold(answer)

    def _hold(self, answer: bytes) -> None:
        """Send an answer that nobody waits for with the next one: each for itself would wake the
        client once more, for nothing."""
        self._held.append(answer)
        if len(self._held) >= _MOST_HELD:
            self._send()
        elif self._send_held is None:
            self._send_held = self._loop.call_later(_HELD_S, self._send)

    def _send(self, *answers: bytes) -> None:
        """Send what was held, and answers after it."""
        if self._send_held is not None:
            self._send_held.cancel()
            self._send_held = None
        held, self._held = self._held, []
        self._connection.send((*held, *answers))

    def _packed(self, call_id: int, result: object) -> bytes:
        # A packer of one answer: one that has failed keeps the half that it packed.
        packed: bytes = msgpack.packb((_RESPONSE, call_id, None, result), use_bin_type=True)
        return packed
