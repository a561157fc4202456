"""Shadows of the sun that can be computed by hand: a house of 8 m, the sun 45 degrees high."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.simulator.render.atmosphere import Atmosphere
from evaluation.simulator.render.frame import CameraView, ClearWeather, RenderFrame
from evaluation.simulator.render.renderer import Renderer
from evaluation.simulator.town.scenery import Buildings, Material, Scenery
from evaluation.simulator.town.shown import Inventory, MapLayer
from tests.evaluation.simulator.render.render_scenes import camera, ground, needs_opengl

pytestmark = needs_opengl

SUN = ClearWeather(sun_altitude_angle=45.0, sun_azimuth_angle=0.0)
"""In +x: the shadow lies from the wall at x = -5 to x = -13, as broad as the house."""
ABOVE = camera((0.0, 0.0, 60.0), (0.0, -90.0, 0.0), (240, 240), 90.0)
"""2 pixels a metre on the ground, x upwards and y to the right."""
SCENERY = Scenery(
    meshes=(ground(Material.ROAD, (-50.0, 50.0), (-50.0, 50.0), 0.0),),
    buildings=Buildings(
        np.array([[0.0, 0.0, 4.0]], np.float32),
        np.array([[5.0, 5.0, 4.0]], np.float32),
        np.zeros(1, np.float32),
        np.array([5], np.uint32),
    ),
)


@pytest.fixture(scope="module")
def plain() -> Iterator[Renderer]:
    with Renderer(SCENERY) as renderer:
        yield renderer


@pytest.fixture(scope="module")
def shaded() -> Iterator[Renderer]:
    with Renderer(SCENERY, shadows=True) as renderer:
        yield renderer


def look(
    renderer: Renderer, weather: ClearWeather, view: CameraView = ABOVE
) -> NDArray[np.float64]:
    image = renderer.render(RenderFrame(weather=weather), [view])[0]
    return image[..., :3].astype(np.float64)


def on_the_ground(image: NDArray[np.float64], x: float, y: float = 0.0) -> NDArray[np.float64]:
    row, column = round(119.5 - 2.0 * x), round(119.5 + 2.0 * y)
    pixels: NDArray[np.float64] = image[row, column]
    return pixels


@pytest.mark.parametrize(
    ("x", "y", "dark"),
    [
        (-8.0, 0.0, True),
        (-12.0, 4.0, True),
        (-14.0, 0.0, False),
        (-12.0, 6.0, False),
        (8.0, 0.0, False),
    ],
)
def test_a_house_keeps_the_sun_from_the_ground_behind_it(
    plain: Renderer, shaded: Renderer, x: float, y: float, dark: bool
) -> None:
    lit, image = on_the_ground(look(plain, SUN), x, y), on_the_ground(look(shaded, SUN), x, y)
    air = Atmosphere.of(SUN)
    # What is left is the light of the sky; images hold square roots.
    share = air.sky_light / (air.sky_light + air.sun_colour * np.sin(np.radians(45.0)))
    expected = lit * (np.sqrt(share[::-1]) if dark else 1.0)
    assert image == pytest.approx(expected, abs=5.0)
    assert not dark or (lit - image).min() > 20.0


def test_the_shadow_follows_the_sun(plain: Renderer, shaded: Renderer) -> None:
    # Twice as low: twice as long; from the other side: on the other side.
    low = ClearWeather(sun_altitude_angle=np.degrees(np.arctan(0.5)), sun_azimuth_angle=180.0)
    darker = look(plain, low) - look(shaded, low)
    assert on_the_ground(darker, 20.0).min() > 10.0
    assert on_the_ground(darker, 22.0).max() < 2.0
    assert on_the_ground(darker, -8.0).max() < 2.0
    darker = look(plain, SUN) - look(shaded, SUN)
    assert on_the_ground(darker, -8.0).min() > 20.0


def test_a_sunlit_wall_does_not_shade_itself(plain: Renderer, shaded: Renderer) -> None:
    view = camera((30.0, 0.0, 4.0), (0.0, 0.0, 180.0), (96, 96), 30.0)
    assert np.abs(look(plain, SUN, view) - look(shaded, SUN, view))[30:66, 30:66].max() <= 1.0


def test_what_is_hidden_casts_no_shadow(plain: Renderer, shaded: Renderer) -> None:
    shown = Inventory(SCENERY).shown(MapLayer.ALL, {0})
    try:
        for renderer in (plain, shaded):
            renderer.show(shown)
        assert np.abs(look(plain, SUN) - look(shaded, SUN)).max() <= 1.0
    finally:
        for renderer in (plain, shaded):
            renderer.show(None)
    assert on_the_ground(look(plain, SUN) - look(shaded, SUN), -8.0).min() > 20.0
