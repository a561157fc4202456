"""Edges of the renderer's contract: nothing to draw, wrong input, no driver, closing."""

from __future__ import annotations

import threading

import moderngl
import numpy as np
import pytest

from evaluation.simulator.render.context import RendererUnavailable
from evaluation.simulator.render.frame import MAX_SIDE_PX, Bodies, BodyKind, CameraView, RenderFrame
from evaluation.simulator.render.renderer import Renderer
from evaluation.simulator.town.scenery import Scenery
from tests.evaluation.simulator.render.render_scenes import body, camera, needs_opengl, street


@needs_opengl
def test_empty_scenery_shows_sky_over_haze() -> None:
    with Renderer(Scenery()) as renderer:
        assert renderer.render(RenderFrame(), []) == []
        image = renderer.render(RenderFrame(), [camera()])[0].astype(int)
        assert image[0, 96, 0] > image[0, 96, 2] + 20
        assert np.ptp(image[60:].reshape(-1, 4), axis=0).max() <= 2


@needs_opengl
def test_two_renderers_take_turns() -> None:
    with Renderer(Scenery()) as plain, Renderer(street()) as town:
        frame = RenderFrame(lamp_states=np.array([0], np.uint8))
        first = town.render(frame, [camera()])[0]
        sky = plain.render(RenderFrame(), [camera()])[0]
        assert np.array_equal(town.render(frame, [camera()])[0], first)
        plain.close()
        assert np.array_equal(town.render(frame, [camera()])[0], first)
        assert not np.array_equal(sky, first)


@needs_opengl
def test_another_thread_may_render() -> None:
    images = []
    with Renderer(Scenery()) as renderer:
        here = renderer.render(RenderFrame(), [camera()])[0]
        worker = threading.Thread(
            target=lambda: images.append(renderer.render(RenderFrame(), [camera()])[0])
        )
        worker.start()
        worker.join()
        assert np.array_equal(images[0], here)
        assert np.array_equal(renderer.render(RenderFrame(), [camera()])[0], here)


@needs_opengl
def test_close_is_final_and_may_be_repeated() -> None:
    renderer = Renderer(Scenery())
    renderer.close()
    renderer.close()
    with pytest.raises(RuntimeError, match="after close"):
        renderer.render(RenderFrame(), [camera()])


@needs_opengl
def test_many_bodies_and_line_ups_of_cameras() -> None:
    count = 3000
    rng = np.random.default_rng(3)
    many = Bodies(
        rng.integers(0, 8, count).astype(np.uint8),
        rng.uniform(-100.0, 100.0, (count, 3)) * [1.0, 1.0, 0.0],
        rng.uniform(-3.0, 3.0, (count, 3)) * [0.0, 0.0, 1.0],
        rng.uniform(0.0, 3.0, (count, 3)),
        np.zeros((count, 3)),
        rng.integers(0, 255, (count, 3)).astype(np.uint8),
        rng.integers(0, 2**32, count).astype(np.uint32),
    )
    with Renderer(Scenery()) as renderer:
        for side in range(8, 20):
            view = camera(size=(side, side))
            assert renderer.render(RenderFrame(bodies=many), [view, view])[1].shape[0] == side


@needs_opengl
def test_description_names_the_driver() -> None:
    with Renderer(Scenery()) as renderer:
        assert "OpenGL 4." in renderer.describe()


@needs_opengl
def test_lamp_states_must_fit_the_scenery() -> None:
    with (
        Renderer(street()) as renderer,
        pytest.raises(ValueError, match="one state for each of 1 lamp heads"),
    ):
        renderer.render(RenderFrame(lamp_states=np.zeros(3, np.uint8)), [camera()])


@needs_opengl
def test_samples_are_checked() -> None:
    with pytest.raises(ValueError, match=r"expected one of \[1, 4, 16\], got 3"):
        Renderer(Scenery(), samples=3)


def test_no_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("libEGL.so: cannot open shared object file")

    monkeypatch.setattr(moderngl, "create_context", refuse)
    with pytest.raises(RendererUnavailable, match=r"libegl1 libgl1") as caught:
        Renderer(Scenery())
    assert "libEGL.so" in str(caught.value)


def test_records_are_checked() -> None:
    for fov_deg in (0.0, 1e-9, 180.0, float("nan")):
        with pytest.raises(ValueError, match="fov"):
            CameraView(np.eye(4), 8, 8, fov_deg)
    for side_px in (0, MAX_SIDE_PX + 1):
        with pytest.raises(ValueError, match="1 to 4096 pixels"):
            CameraView(np.eye(4), side_px, 8, 90.0)
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        CameraView(np.eye(3), 8, 8, 90.0)
    good = body(BodyKind.CAR, (0, 0, 0), (1, 1, 1))
    with pytest.raises(ValueError, match=r"Bodies.rotation_rad: expected shape \(1, 3\)"):
        Bodies(good.kind, good.position_world_m, np.zeros((2, 3)))
