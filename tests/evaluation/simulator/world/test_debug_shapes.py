"""What clients draw: which strokes it is made of, for how long, and that cameras see it."""

from __future__ import annotations

import math

import carla
import numpy as np
import pytest

from evaluation.simulator.wire.codec import WireError
from evaluation.simulator.world.debug_shapes import MOST_STROKES, DebugShapes, read_lines
from tests.evaluation.simulator.client_session import ClientSession, pose
from tests.evaluation.simulator.render.render_scenes import needs_opengl

RED = [255, 0, 0]
LINE = [1, [[1.0, 2.0, 3.0], [4.0, 6.0, 3.0], 0.1]]
BOX = [3, [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0.0, 0.0, 0.0], 0], [0.0, 90.0, 0.0], 0.1]]
DELTA_S = 0.05


@pytest.mark.parametrize(
    ("primitive", "count"),
    [
        ([0, [[1.0, 2.0, 3.0], 0.5]], 1),
        (LINE, 1),
        ([2, [LINE[1], 0.5]], 5),
        (BOX, 12),
        ([4, [[1.0, 2.0, 3.0], "hi", True]], 0),
        ([6, LINE[1]], 0),
    ],
)
def test_strokes_of_each_kind(primitive: list[object], count: int) -> None:
    assert len(read_lines(primitive)) == count


def test_the_edges_of_a_turned_box() -> None:
    ends = np.array([end for start, end, _ in read_lines(BOX)] + [s for s, _, _ in read_lines(BOX)])
    # A quarter turn puts what was 4 m along x along y.
    np.testing.assert_allclose(ends.max(axis=0), (6.0, 6.0, 9.0))
    np.testing.assert_allclose(ends.min(axis=0), (-4.0, -2.0, -3.0))
    lengths = sorted(math.dist(start, end) for start, end, _ in read_lines(BOX))
    np.testing.assert_allclose(lengths, [8.0] * 4 + [10.0] * 4 + [12.0] * 4)


@pytest.mark.parametrize(("life_s", "frames"), [(0.0, 1), (2.5 * DELTA_S, 2), (-1.0, 9)])
def test_shapes_live_as_long_as_they_are_told(life_s: float, frames: int) -> None:
    shapes = DebugShapes()
    shapes.draw([LINE, RED, life_s, True], 10, 10 * DELTA_S)
    seen = [len(shapes.seen(n, n * DELTA_S).thickness_m) for n in range(11, 20)]
    assert seen == [1] * frames + [0] * (9 - frames)


def test_the_newest_strokes_are_kept() -> None:
    shapes = DebugShapes()
    for number in range(MOST_STROKES // 12 + 2):
        shapes.draw([BOX, [number % 256, 0, 0], -1.0, True], 0, 0.0)
    strokes = shapes.seen(1, DELTA_S)
    assert len(strokes.thickness_m) == MOST_STROKES
    assert strokes.colour_rgb[-1, 0] == (MOST_STROKES // 12 + 1) % 256
    shapes.clear()
    assert not len(shapes.seen(2, DELTA_S).thickness_m)


@pytest.mark.parametrize(
    "shape",
    [
        [LINE, RED],
        [[9, LINE[1]], RED, 1.0],
        [[1, [[math.nan, 0.0, 0.0], [0.0, 0.0, 0.0], 0.1]], RED, 1.0],
        [[1, [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], -1.0]], RED, 1.0],
        [LINE, ["red", 0, 0], 1.0],
    ],
)
def test_what_is_no_shape_is_refused(shape: list[object]) -> None:
    with pytest.raises(WireError):
        DebugShapes().draw(shape, 0, 0.0)


@needs_opengl
def test_cameras_see_them(session: ClientSession) -> None:
    camera = session.spawn(
        "sensor.camera.rgb", pose(40.0, 1.75, 2.0), image_size_x=64, image_size_y=64
    )
    images = session.listen(camera)
    ahead = carla.Location(50.0, 1.75, 2.0)
    session.world.debug.draw_point(ahead, 3.0, carla.Color(255, 0, 255), 0.0)
    for expected in (True, False):
        image = session.read(images, session.world.tick())
        pixel = np.frombuffer(image.raw_data, np.uint8).reshape(64, 64, 4)[32, 32, :3].tolist()
        assert (pixel == [255, 0, 255]) is expected
