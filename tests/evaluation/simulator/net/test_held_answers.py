"""Answers that nobody waits for go with the next one that somebody does, or a little later."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import msgpack
import pytest

from evaluation.simulator.net.event_loop import Connection, EventLoop
from evaluation.simulator.net.rpc import Method, Reply, RpcServer
from evaluation.simulator.wire.snapshot import Buffer

METHODS = {
    "control": Method(lambda _caller, _arguments: None, Reply.VOID, 0),
    "ask": Method(lambda _caller, _arguments: 7, Reply.VALUE, 0),
}
IGNORED, AWAITED = [True], [False]
"""The meta data with which a client says whether it looks at the answer."""


@contextmanager
def client() -> Iterator[socket.socket]:
    loop = EventLoop()
    listening = socket.create_server(("127.0.0.1", 0))
    server = RpcServer(loop, listening, METHODS)
    thread = Thread(target=loop.run)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10.0) as sock:
        thread.start()
        try:
            yield sock
        finally:
            loop.stop()
            # Something to wake it.
            sock.sendall(request(99, "ask", AWAITED))
            thread.join()
            server.close()
            loop.close()


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many answers each sending held."""
    counts: list[int] = []
    send = Connection.send

    def counted(self: Connection, buffers: tuple[Buffer, ...]) -> None:
        counts.append(len(buffers))
        send(self, buffers)

    monkeypatch.setattr(Connection, "send", counted)
    return counts


def request(number: int, name: str, meta: list[bool]) -> bytes:
    packed: bytes = msgpack.packb([0, number, name, [meta]])
    return packed


def answers(sock: socket.socket, count: int) -> list[Any]:
    """The ids of so many answers."""
    unpacker = msgpack.Unpacker()
    ids: list[Any] = []
    while len(ids) < count:
        unpacker.feed(sock.recv(4096))
        ids += [answer[1] for answer in unpacker]
    return ids


def test_controls_are_answered_with_the_tick_in_one_sending(sends: list[int]) -> None:
    with client() as sock:
        requests = [request(number, "control", IGNORED) for number in range(40)]
        sock.sendall(b"".join([*requests, request(40, "ask", AWAITED)]))
        assert answers(sock, 41) == list(range(41))
        assert len(sends) <= 2
        assert sum(sends) == 41


def test_what_nobody_asks_after_is_answered_all_the_same() -> None:
    with client() as sock:
        sock.sendall(b"".join(request(number, "control", IGNORED) for number in range(3)))
        assert answers(sock, 3) == [0, 1, 2]


def test_not_more_than_a_few_dozen_are_held(sends: list[int]) -> None:
    with client() as sock:
        sock.sendall(b"".join(request(number, "control", IGNORED) for number in range(200)))
        assert answers(sock, 200) == list(range(200))
        assert max(sends) <= 64
