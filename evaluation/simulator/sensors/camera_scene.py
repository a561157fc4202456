"""The joint between the world and the renderer: bodies, lamps and cameras of one tick."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evaluation.simulator.render.context import describe_context, open_context
from evaluation.simulator.render.frame import Bodies, CameraView, LabelImage, RenderFrame
from evaluation.simulator.render.renderer import Renderer
from evaluation.simulator.sensors.body_survey import BodySurvey
from evaluation.simulator.town.shown import Shown
from evaluation.simulator.town.town import Town
from evaluation.simulator.world.world import World

logger = logging.getLogger(__name__)


class CameraScene:
    """Draws one town; remembers what does not change between ticks.

    `shadows`: whether what stands in the town casts shadows in colour images.
    """

    def __init__(self, town: Town, *, shadows: bool = False) -> None:
        self._renderer = Renderer(town.scenery, shadows=shadows)
        self._lamp_lights = town.scenery.lamp_heads.light_index
        self._survey = BodySurvey()
        self._shown: Shown | None = None

    def render(self, world: World, views: Sequence[CameraView]) -> list[npt.NDArray[np.uint8]]:
        """Return one BGRA image (height, width, 4) for each view."""
        self._show(world)
        frame = RenderFrame(
            self._survey.bodies(world),
            self._lamps(world),
            world.weather,
            world.elapsed_s,
            world.debug_shapes.seen(world.frame, world.elapsed_s),
            self._shine_rgb(world),
        )
        return self._renderer.render(frame, views)

    def render_labels(self, world: World, views: Sequence[CameraView]) -> list[LabelImage]:
        """Return the depths, tags and objects that each view sees."""
        self._show(world)
        frame = RenderFrame(self._survey.bodies(world), self._lamps(world))
        return self._renderer.render_labels(frame, views)

    def bodies(self, world: World) -> Bodies:
        """Return everything that moves, where it is now."""
        return self._survey.bodies(world)

    def close(self) -> None:
        """Release the renderer's graphics memory."""
        self._renderer.close()

    def _show(self, world: World) -> None:
        """Have the renderer draw what of the town is there."""
        if world.presence.shown is not self._shown:
            self._shown = world.presence.shown
            self._renderer.show(self._shown)

    def _shine_rgb(self, world: World) -> npt.NDArray[np.float32]:
        """What the street lamps shine with (n, 3), nothing where they are not there."""
        colours = world.street_lights.shine_rgb()
        if self._shown is None:
            return colours
        return np.where(self._shown.street_lamps[:, None], colours, np.float32(0.0))

    def _lamps(self, world: World) -> npt.NDArray[np.uint8]:
        states = np.asarray(world.lights.states, dtype=np.uint8)
        return states[self._lamp_lights]


def describe_renderer() -> str:
    """Name the graphics driver that cameras will use.

    Raises:
        RendererUnavailable: there is none; the text says what to install.
    """
    context = open_context()
    try:
        return describe_context(context)
    finally:
        context.release()
