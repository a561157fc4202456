"""The simulator as a process: ready line, ports, signals, and peers that misbehave."""

from __future__ import annotations

import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import carla
import msgpack
import pytest

from evaluation.simulator.options import ServeOptions
from evaluation.simulator.server import serve
from tests.evaluation.simulator.server_process import (
    ROOT,
    RunningSimulator,
    command,
    running_simulator,
)

TIMEOUT_S = 20.0


class RawPeer:
    """Speaks to the rpc port without the official client."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self._unpacker = msgpack.Unpacker()

    def call(self, name: str, *arguments: object) -> Any:
        self.socket.sendall(msgpack.packb([0, 7, name, [[False], *arguments]]))
        while True:
            for message in self._unpacker:
                assert message[:3] == [1, 7, None]
                return message[3]
            self._unpacker.feed(self.socket.recv(65536))

    def is_disconnected(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def still_serves(running: RunningSimulator) -> bool:
    return bool(RawPeer(running.port).call("version") == [[1, "0.9.16"]])


def test_ready_line_names_ports_and_town(tiny_simulator: RunningSimulator) -> None:
    assert tiny_simulator.streaming_port == tiny_simulator.port + 1
    assert tiny_simulator.town == "tiny"
    assert still_serves(tiny_simulator)


def test_unknown_call_is_named(tiny_simulator: RunningSimulator) -> None:
    ((index, (message,)),) = RawPeer(tiny_simulator.port).call("make_coffee")
    assert index == 0
    assert "make_coffee" in message


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("destroy_actor", [], "expected 1 arguments, got 0"),
        ("destroy_actor", ["seven"], "expected an integer"),
        ("get_vehicle_light_state", [424242], "424242"),
        ("spawn_actor", [[0, "vehicle.flying.carpet", []], [[0, 0, 0], [0, 0, 0]]], "carpet"),
        ("get_sensor_token", [4711], "4711"),
        ("load_new_episode", ["Atlantis", True, 0], "Atlantis"),
        ("set_actor_transform", [1, [[float("nan"), 0, 0], [0, 0, 0]]], "finite"),
        ("set_episode_settings", [[1, False]], "synchronous_mode"),
    ],
)
def test_wrong_arguments_are_explained(
    tiny_simulator: RunningSimulator, name: str, arguments: list[object], wanted: str
) -> None:
    ((failed, (message,)),) = RawPeer(tiny_simulator.port).call(name, *arguments)
    assert failed in (0, True)
    assert wanted in message


def test_a_spectator_is_no_vehicle(tiny_simulator: RunningSimulator) -> None:
    peer = RawPeer(tiny_simulator.port)
    ((_, spectator),) = peer.call("get_spectator")
    ((_, (message,)),) = peer.call("get_vehicle_light_state", spectator[0])
    assert "not a vehicle" in message


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xc1" * 64,
        msgpack.packb({"no": "request"}),
        msgpack.packb([0, "id", "version", []]),
        msgpack.packb([0, 1, b"\xff\xfe", []]),
        b"\xdd\xff\xff\xff\xff" + b"\x00" * 32,
        random.Random(5).randbytes(4096),
        b"\x91" * 900 + b"\xc0",
        b"\x91" * 200_000 + b"\xc0",
    ],
)
def test_garbage_closes_only_its_connection(
    tiny_simulator: RunningSimulator, garbage: bytes
) -> None:
    bystander = RawPeer(tiny_simulator.port)
    peer = RawPeer(tiny_simulator.port)
    peer.socket.sendall(garbage)
    if garbage[0] != 0xDD:  # An array announced as huge is only known to be wrong when it goes on.
        assert peer.is_disconnected()
    peer.socket.close()
    assert bystander.call("version") == [[1, "0.9.16"]]
    assert still_serves(tiny_simulator)


@pytest.mark.parametrize("greeting", [struct.pack("<I", 999_999), b"\x01\x00\x00\x00 and more"])
def test_garbage_on_the_streaming_port(tiny_simulator: RunningSimulator, greeting: bytes) -> None:
    peer = RawPeer(tiny_simulator.streaming_port)
    peer.socket.sendall(greeting)
    assert peer.is_disconnected()
    assert still_serves(tiny_simulator)


def test_half_a_request_is_waited_for(tiny_simulator: RunningSimulator) -> None:
    peer = RawPeer(tiny_simulator.port)
    request = msgpack.packb([0, 7, "version", [[False]]])
    peer.socket.sendall(request[:5])
    time.sleep(0.05)
    peer.socket.sendall(request[5:] + request)
    unpacker = msgpack.Unpacker()
    answers: list[Any] = []
    while len(answers) < 2:
        unpacker.feed(peer.socket.recv(65536))
        answers += list(unpacker)
    assert answers == [[1, 7, None, [[1, "0.9.16"]]]] * 2


def test_taken_port_is_named_and_another_offered(
    tiny_simulator: RunningSimulator,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for port in (tiny_simulator.port, tiny_simulator.port - 1):
        caplog.clear()
        assert serve(ServeOptions(port=port)) == 2
        assert f"port {tiny_simulator.port}" in caplog.text
        offered = int(caplog.text.partition("for example --port ")[2].split()[0])
        assert 0 < offered != port
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("port", [65535, 70000, -1])
def test_impossible_port_is_one_line_with_the_fix(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert serve(ServeOptions(port=port)) == 2
    (record,) = caplog.records
    assert f"port {port} cannot be used" in record.getMessage()
    assert "--port 1 to 65534" in record.getMessage()
    assert record.exc_info is None


def test_idle_peers_give_way_where_handles_run_out(tiny_towns: Path) -> None:
    town = str(tiny_towns / "tiny.xodr")
    with running_simulator("--town", town, stderr=subprocess.DEVNULL) as running:
        pid = running.process.pid
        held = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (held + 20, held + 20))
        busy = RawPeer(running.port)
        assert busy.call("version")
        idle = [socket.create_connection(("127.0.0.1", running.port), TIMEOUT_S) for _ in range(60)]
        assert RawPeer(running.port).call("version") == [[1, "0.9.16"]]
        assert busy.call("version") == [[1, "0.9.16"]]
        assert idle[0].recv(1) == b""
        for peer in idle:
            peer.close()


def test_unknown_town_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    assert serve(ServeOptions(port=0, town="nowhere.xodr")) == 2
    assert "nowhere.xodr" in caplog.text
    assert "Traceback" not in caplog.text


def test_interrupt_ends_the_simulator(tiny_towns: Path) -> None:
    with running_simulator("--town", str(tiny_towns / "tiny.xodr")) as running:
        client = carla.Client("127.0.0.1", running.port)
        client.set_timeout(TIMEOUT_S)
        client.get_world()
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(timeout=TIMEOUT_S) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", running.port), TIMEOUT_S)


def test_simulator_ends_with_its_parent(tiny_towns: Path) -> None:
    town = str(tiny_towns / "tiny.xodr")
    starter = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([*sys.argv[1:], '--parent-pid', str(os.getpid())],\n"
        "                         stdout=subprocess.PIPE, text=True)\n"
        "print(child.pid, child.stdout.readline(), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", starter, *command("--port", "0", "--town", town)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=60.0,
        check=True,
    )
    pid, _, line = done.stdout.partition(" ")
    assert line.startswith("READY")
    until_s = time.monotonic() + TIMEOUT_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until_s:
        if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_simulator_ends_if_its_parent_is_gone_before_it_is_ready(tiny_towns: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(TIMEOUT_S)
    town = str(tiny_towns / "tiny.xodr")
    done = subprocess.run(
        command("--port", "0", "--town", town, "--parent-pid", str(gone.pid)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0
    assert f"process {gone.pid} has ended, so does the simulator" in done.stderr
