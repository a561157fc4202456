"""Depth, segmentation and normals cameras: CARLA's encodings of scenes computed by hand."""

from __future__ import annotations

import math
import queue
from typing import Any

import carla
import numpy as np
import pytest

from evaluation.simulator.render.frame import LabelImage
from evaluation.simulator.sensors.label_images import encode
from evaluation.simulator.wire.snapshot import StreamType
from tests.evaluation.simulator.client_session import ClientSession, pose
from tests.evaluation.simulator.server_process import RunningSimulator
from tests.evaluation.simulator.test_server_process import RawPeer

CAR = "vehicle.lincoln.mkz_2020"
WIDTH_PX, HEIGHT_PX = 96, 64


@pytest.fixture(autouse=True)
def _needs_renderer(tiny_simulator: RunningSimulator) -> None:
    if tiny_simulator.renderer is None:
        pytest.skip("no OpenGL on this machine")


def look(session: ClientSession, kind: str, place: carla.Transform, fov_deg: float = 90.0) -> Any:
    """Return an image of one camera."""
    camera = session.spawn(
        f"sensor.camera.{kind}", place, None, image_size_x=WIDTH_PX, image_size_y=HEIGHT_PX,
        fov=fov_deg,
    )  # fmt: skip
    return session.read(session.listen(camera), session.ticks(3))


def pixels(image: Any) -> np.ndarray:
    """Return B, G, R, A (height, width, 4)."""
    flat: np.ndarray = np.frombuffer(image.raw_data, np.uint8)
    return flat.reshape(HEIGHT_PX, WIDTH_PX, 4).copy()


def depth_m(image: Any) -> np.ndarray:
    """Decode as CARLA's documentation says."""
    blue, green, red = pixels(image).astype(np.float64)[..., :3].transpose(2, 0, 1)
    depth: np.ndarray = 1000.0 * (red + green * 256.0 + blue * 65536.0) / (256.0**3 - 1.0)
    return depth


def from_above(x: float, height_m: float) -> carla.Transform:
    return carla.Transform(carla.Location(x, 0.0, height_m), carla.Rotation(pitch=-90.0))


def test_depth_is_measured_along_the_axis(session: ClientSession) -> None:
    image = look(session, "depth", from_above(200.0, 3.0))
    assert (image.width, image.height, image.fov) == (WIDTH_PX, HEIGHT_PX, 90.0)
    # Straight down on a level road every pixel is equally deep, the corners too; markings lie 2 cm
    # above it.
    deep_m = depth_m(image)
    assert np.unique(deep_m.round(2)).tolist() == [2.98, 3.0]
    assert (deep_m > 2.99).mean() > 0.98


def test_depth_of_the_road_ahead(session: ClientSession) -> None:
    measured = depth_m(look(session, "depth", pose(200.0, 0.0, 1.5)))
    focal_px = WIDTH_PX / 2.0
    for row in (45, 55, 63):
        below = (row + 0.5 - HEIGHT_PX / 2.0) / focal_px
        assert measured[row, WIDTH_PX // 2] == pytest.approx(1.5 / below, rel=0.02)
    assert measured[0, WIDTH_PX // 2] == pytest.approx(1000.0)


def test_depth_converters_of_the_client(session: ClientSession) -> None:
    image = look(session, "depth", from_above(200.0, 20.0))
    image.convert(carla.ColorConverter.LogarithmicDepth)
    grey = pixels(image)[..., :3]
    expected = 255.0 * (1.0 + math.log(20.0 / 1000.0) / 5.70378)
    assert grey[HEIGHT_PX // 2, WIDTH_PX // 2] == pytest.approx(expected, abs=2.0)


def test_segmentation_has_tags_in_red_and_carlas_palette(session: ClientSession) -> None:
    session.spawn(CAR, pose(200.0, 1.75))
    session.ticks(5)
    image = look(session, "semantic_segmentation", from_above(200.0, 6.0))
    labels = pixels(image)
    assert not labels[..., :2].any()
    tags = labels[..., 2]
    middle = WIDTH_PX // 2
    # Seen from above with x up: the car is right of the middle of the road.
    assert tags[HEIGHT_PX // 2, middle + 14] == 14
    assert tags[HEIGHT_PX // 2, middle - 14] == 1
    assert 24 in tags[:, middle - 2 : middle + 2]
    ahead = pixels(look(session, "semantic_segmentation", pose(200.0, -1.75, 1.5)))
    assert ahead[0, middle, 2] == 11
    image.convert(carla.ColorConverter.CityScapesPalette)
    assert pixels(image)[HEIGHT_PX // 2, middle + 14, :3].tolist() == [142, 0, 0]


def test_instances_are_told_apart(session: ClientSession) -> None:
    cars = [session.spawn(CAR, pose(200.0, y)) for y in (-1.75, 1.75)]
    session.ticks(5)
    labels = pixels(look(session, "instance_segmentation", from_above(200.0, 6.0)))
    row, middle = HEIGHT_PX // 2, WIDTH_PX // 2
    for car, column in zip(cars, (middle - 14, middle + 14), strict=True):
        blue, green, red, _ = labels[row, column].tolist()
        assert red == 14
        assert green + 256 * blue == car.id & 0xFFFF


def test_normals_are_in_the_axes_of_the_world(session: ClientSession) -> None:
    middle = HEIGHT_PX // 2, WIDTH_PX // 2
    # The road faces upwards from wherever it is seen.
    from_above_it = pixels(look(session, "normals", from_above(200.0, 6.0)))
    assert from_above_it[middle].tolist() == pytest.approx([255, 128, 128, 255], abs=1)
    ahead = pixels(look(session, "normals", pose(200.0, 0.0, 1.5)))
    assert ahead[-1, WIDTH_PX // 2].tolist() == pytest.approx([255, 128, 128, 255], abs=1)
    assert ahead[0, WIDTH_PX // 2].tolist() == [128, 128, 128, 255]
    session.spawn(CAR, pose(200.0, 1.75))
    session.ticks(5)
    # Its left side faces the left, -y; seen from behind it faces -x.
    blue, green, red, _ = pixels(look(session, "normals", pose(200.0, -2.0, 0.6, 90.0)))[middle]
    assert green < 20
    assert abs(int(red) - 128) < 50
    assert abs(int(blue) - 128) < 50
    blue, green, red, _ = pixels(look(session, "normals", pose(195.0, 1.75, 0.6)))[middle]
    assert red < 20
    assert abs(int(green) - 128) < 50
    assert abs(int(blue) - 128) < 50


def test_gbuffers_are_pictures_of_the_same_moment(session: ClientSession) -> None:
    camera = session.spawn(
        "sensor.camera.rgb", from_above(200.0, 6.0), None, image_size_x=WIDTH_PX,
        image_size_y=HEIGHT_PX,
    )  # fmt: skip
    session.spawn(CAR, pose(200.0, 1.75))
    pictures = {"camera": session.listen(camera)}
    names = ("SceneColor", "GBufferA", "CustomStencil", "GBufferF")
    for name in names:
        readings: queue.Queue[Any] = queue.Queue()
        camera.enable_gbuffers(True)
        camera.listen_to_gbuffer(getattr(carla.GBufferTextureID, name), readings.put)
        pictures[name] = readings
    frame = session.ticks(5)
    seen = {name: session.read(readings, frame) for name, readings in pictures.items()}
    assert {image.frame for image in seen.values()} == {frame}
    assert pixels(seen["SceneColor"]).tolist() == pixels(seen["camera"]).tolist()
    middle = HEIGHT_PX // 2
    assert pixels(seen["GBufferA"])[middle, WIDTH_PX // 2 - 14].tolist() == [255, 128, 128, 255]
    tags = pixels(seen["CustomStencil"])
    assert tags[middle, WIDTH_PX // 2 + 14].tolist() == [14, 14, 14, 255]
    assert tags[middle, WIDTH_PX // 2 - 14].tolist() == [1, 1, 1, 255]
    assert not pixels(seen["GBufferF"])[..., :3].any()
    for name in names:
        camera.stop_gbuffer(getattr(carla.GBufferTextureID, name))


def test_only_colour_cameras_have_gbuffers(
    session: ClientSession, tiny_simulator: RunningSimulator
) -> None:
    peer = RawPeer(tiny_simulator.port)
    depth = session.spawn("sensor.camera.depth", pose(0.0, 0.0))
    colour = session.spawn("sensor.camera.rgb", pose(0.0, 0.0))
    for arguments, message in [
        ((depth.id, 0), "is no sensor.camera.rgb"),
        ((colour.id, 13), "expected 0 to 12"),
        ((0, 0), "is no sensor.camera.rgb"),
    ]:
        ((index, (told,)),) = peer.call("get_gbuffer_token", *arguments)
        assert index == 0
        assert message in told
    with pytest.raises(RuntimeError, match=r"is no sensor\.camera\.rgb"):
        depth.enable_gbuffers(True)
    with pytest.raises(RuntimeError, match="leave some vehicles out are not simulated"):
        colour.set_ignored_vehicles([1])


def test_encodings() -> None:
    depth = np.array([[0.0, 1000.0, np.inf, 1000.0 * 256 / (2**24 - 1)]], np.float32)
    labels = LabelImage(
        depth,
        np.array([[1, 2, 3, 4]], np.uint8),
        np.array([[0, 1, 300, 65535]]),
        np.array([[0x808080, 0xFF8001, 0, 0]]),
    )
    deep = encode(labels, StreamType.DEPTH)[0].tolist()
    assert deep == [[0, 0, 0, 255], [255] * 4, [255] * 4, [0, 1, 0, 255]]
    assert encode(labels, StreamType.SEMANTIC_SEGMENTATION)[0, 2].tolist() == [0, 0, 3, 255]
    assert encode(labels, StreamType.INSTANCE_SEGMENTATION)[0, 2].tolist() == [1, 44, 3, 255]
    normals = encode(labels, StreamType.NORMALS)[0, :2].tolist()
    assert normals == [[128, 128, 128, 255], [1, 128, 255, 255]]
