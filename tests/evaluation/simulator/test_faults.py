"""What one callback or sensor raises stays with it."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from evaluation.simulator.catalogue.blueprints import BlueprintLibrary
from evaluation.simulator.net.event_loop import Connection, EventLoop
from evaluation.simulator.sensors.camera import CameraSensor
from evaluation.simulator.sensors.geo_frame import GeoFrame
from evaluation.simulator.sensors.gnss import GnssSensor
from evaluation.simulator.sensors.measure import AnySensor, measure
from evaluation.simulator.town.town import load_town
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import Transform
from evaluation.simulator.wire.dialect import DIALECTS
from evaluation.simulator.wire.snapshot import Buffer
from evaluation.simulator.world.world import World


def fail(*_: object) -> None:
    raise ValueError("a fault of this test")


def test_the_loop_outlives_its_callbacks(caplog: pytest.LogCaptureFixture) -> None:
    loop = EventLoop()
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
    reasons: list[str] = []
    Connection(loop, served, "peer", fail, reasons.append, 100)
    loop.watch(ours, selectors.EVENT_READ, fail)
    for sock in (theirs, peer):
        sock.sendall(b"x")
    loop.call_later(0.0, fail)
    loop.call_later(0.02, loop.stop)
    loop.run()
    assert reasons == ["what it sent cannot be served"]
    assert caplog.text.count("a fault of this test") >= 3
    for sock in (ours, theirs, peer):
        sock.close()
    loop.close()


class BrokenGnss(GnssSensor):
    def measure(self, world: World) -> Sequence[Buffer]:
        raise ValueError("a fault of this test")


def test_a_sensor_that_fails_stops_no_other(
    tiny_towns: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(load_town(str(tiny_towns / "tiny.xodr"), 0), BlueprintLibrary(), 0, 1)
    frame = GeoFrame(0.0, 0.0, True, True)
    gnss = Description(0, "sensor.other.gnss")
    good = GnssSensor(world, world.spawn(gnss, Transform()), frame)
    bad = BrokenGnss(world, world.spawn(gnss, Transform()), frame)
    camera = Description(0, "sensor.camera.rgb")
    cameras = [CameraSensor(world, world.spawn(camera, Transform())) for _ in range(3)]
    for number, actor in enumerate([good.actor, bad.actor, *(one.actor for one in cameras)], 2):
        actor.stream_id = number

    def take(
        _world: object, _scene: object, wanted: Sequence[CameraSensor], *_how: object
    ) -> list[object]:
        if cameras[1] in wanted:
            raise ValueError("a fault of this test")
        return [(one.actor.stream_id, ()) for one in wanted]

    monkeypatch.setattr("evaluation.simulator.sensors.measure.take_images", take)
    sensors: dict[int, AnySensor] = {
        one.actor.actor_id: one for one in (bad, good, cameras[0], cameras[1], cameras[2])
    }
    messages, _ = measure(
        world,
        sensors,
        [],
        object(),  # type: ignore[arg-type]
        None,
        lambda _id: True,
        DIALECTS["0.9.16"],
    )
    assert [stream_id for stream_id, _ in messages] == [2, 4, 6]
    assert f"sensor {bad.actor.actor_id} (sensor.other.gnss) failed" in caplog.text
    assert f"sensor {cameras[1].actor.actor_id} (sensor.camera.rgb) failed" in caplog.text
