"""Draws the cameras of a tick: the only class of this package that the simulator needs."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.atlas import AtlasPage, Place, pack, page_sizes
from evaluation.simulator.render.atmosphere import UNIFORM_FLOATS, Atmosphere
from evaluation.simulator.render.chunk_pass import ChunkPass
from evaluation.simulator.render.context import describe_context, open_context
from evaluation.simulator.render.decal_pass import DecalPass
from evaluation.simulator.render.facades import (
    FACADE_ATTRIBUTES,
    FACADE_FORMAT,
    STOREY_M,
    facade_chunks,
)
from evaluation.simulator.render.frame import (
    NO_NORMAL,
    SKY_TAG,
    CameraView,
    LabelImage,
    RenderFrame,
)
from evaluation.simulator.render.model_pass import ModelPass
from evaluation.simulator.render.posed import PosedBodies
from evaluation.simulator.render.projection import Viewpoint, Viewpoints
from evaluation.simulator.render.shaders import (
    common,
    facade,
    labels,
    model,
    overlay,
    sky,
    surface,
)
from evaluation.simulator.render.sky_pass import SkyPass
from evaluation.simulator.render.stroke_pass import StrokePass
from evaluation.simulator.render.sun_shadows import SunShadows
from evaluation.simulator.render.surfaces import (
    SURFACE_ATTRIBUTES,
    SURFACE_FORMAT,
    shown_meshes,
    surface_chunks,
)
from evaluation.simulator.town.scenery import Scenery
from evaluation.simulator.town.shown import Shown

Image = NDArray[np.uint8]

_LineUp = tuple[bool, tuple[tuple[int, int], ...]]
"""Whether labels are drawn, and the sizes of the images."""
_BLOCK_BYTES = 4 * UNIFORM_FLOATS
_VERSION = "#version 430"
_SUN_MAP_FLOATS = slice(58, 64)
"""Places in the uniform block, weather.zw and sun_map_place."""
_KEPT_LAYOUTS = 4
"""Camera line-ups whose framebuffers are kept."""
_BLINDING_RAIN = 0.05


def _grain_of(samples: int) -> int:
    """Samples along each side of a pixel."""
    grains = {1: 1, 4: 2, 16: 4}
    if samples not in grains:
        raise ValueError(f"Renderer samples: expected one of {sorted(grains)}, got {samples}")
    return grains[samples]


def _label_image(numbers: NDArray[np.float32]) -> LabelImage:
    depth_m, tag, number, normal = (numbers[..., part] for part in range(4))
    return LabelImage(
        np.ascontiguousarray(depth_m),
        np.rint(tag).astype(np.uint8),
        number.astype(np.uint32),
        normal.astype(np.uint32),
    )


class Renderer:
    """RGB images of a town, and images of what things are and how far away.

    Takes the scenery once; `render` draws any number of cameras. `samples` a pixel smooth the
    edges: 1, 4 or 16. With `shadows`, buildings, trees and poles cast shadows on ground and walls,
    for a fifth more processor time on a CPU. Equal calls return equal bytes on one driver (the
    same camera in other company may differ by a few grey levels). Any thread may call, but only
    one at a time. Use it as a context manager or call `close`. Raises RendererUnavailable where
    the machine has no OpenGL.
    """

    def __init__(self, scenery: Scenery, samples: int = 4, *, shadows: bool = False) -> None:
        self._context = open_context()
        self._grain = _grain_of(samples)
        self._layouts: dict[_LineUp, tuple[list[Place], list[AtlasPage]]] = {}
        self._open = True
        self._scenery, self._has_terrain = scenery, True
        self._has_shadows = shadows
        with self._context:
            self._description = describe_context(self._context)
            self._build(scenery)
            self._shadows = SunShadows(self._context, scenery) if shadows else None

    def show(self, shown: Shown | None) -> None:
        """Draw from now on only what of the scenery is `shown`; None: all of it. What shines from
        lamps that are not is for the caller to leave out of `RenderFrame.street_lights`."""
        scenery = self._scenery
        terrain = shown is None or shown.terrain
        with self._context:
            self._facades.show(facade_chunks(scenery.buildings, shown))
            if terrain != self._has_terrain:
                self._has_terrain = terrain
                self._surfaces.show(surface_chunks(shown_meshes(scenery.meshes, shown)))
            self._models.show(shown)
            if self._shadows is not None:
                self._shadows.show(shown)

    def _build(self, scenery: Scenery) -> None:
        """Compile the programs and upload the town."""
        context = self._context

        def program(vertex: str, fragment: str) -> moderngl.Program:
            parts = [vertex, fragment]
            if self._has_shadows:
                parts = [text.replace(_VERSION, f"{_VERSION}\n#define SHADOWS") for text in parts]
            return context.program(vertex_shader=parts[0], fragment_shader=parts[1])

        self._surfaces = ChunkPass(
            context,
            surface_chunks(scenery.meshes),
            (SURFACE_FORMAT, SURFACE_ATTRIBUTES),
            (
                program(surface.VERTEX, surface.FRAGMENT),
                program(
                    surface.PLAIN_VERTEX,
                    common.SHADED_FRAGMENT if self._has_shadows else common.PASS_FRAGMENT,
                ),
            ),
            program(labels.SURFACE_VERTEX, labels.FRAGMENT),
            texture_m=1.0,
        )
        self._facades = ChunkPass(
            context,
            facade_chunks(scenery.buildings),
            (FACADE_FORMAT, FACADE_ATTRIBUTES),
            (
                program(facade.VERTEX, facade.FRAGMENT),
                program(facade.PLAIN_VERTEX, common.PASS_FRAGMENT),
            ),
            program(labels.FACADE_VERTEX, labels.FRAGMENT),
            texture_m=STOREY_M,
        )
        models = program(model.VERTEX, common.PASS_FRAGMENT)
        model_labels = program(labels.MODEL_VERTEX, labels.FRAGMENT)
        self._models = ModelPass(context, models, model_labels, scenery)
        lamps = scenery.street_lamps
        self._decals = DecalPass(
            context, program(overlay.DECAL_VERTEX, overlay.DECAL_FRAGMENT), lamps
        )
        triangle = context.buffer(np.array([[-1, -1], [3, -1], [-1, 3]], np.float32).tobytes())
        self._sky = SkyPass(context, program(sky.SKY_VERTEX, sky.SKY_FRAGMENT))
        self._strokes = StrokePass(
            context, program(overlay.STROKE_VERTEX, common.PASS_FRAGMENT), lamps
        )
        self._rain = context.vertex_array(
            program(sky.RAIN_VERTEX, sky.RAIN_FRAGMENT), triangle, "in_corner"
        )
        self._uniforms = context.buffer(reserve=_BLOCK_BYTES, dynamic=True)

    def describe(self) -> str:
        """Name the OpenGL driver in use."""
        return self._description

    def render(self, frame: RenderFrame, cameras: Sequence[CameraView]) -> list[Image]:
        """Draw all cameras: (height, width, 4) uint8 arrays, BGRA, top row first, alpha 255.

        The arrays are the caller's own. Raises ValueError for cameras that are too large and for
        lamp states that do not fit the scenery, RuntimeError after `close`.
        """
        if not self._open:
            raise RuntimeError("Renderer.render called after close()")
        if not cameras:
            return []
        with self._context:
            places, pages = self._layout(cameras)
            air = Atmosphere.of(frame.weather)
            views = Viewpoints([Viewpoint.of(camera) for camera in cameras])
            sun_map = None
            if self._shadows is not None:
                sun_map = self._shadows.follow(air.sun_direction)
            self._prepare(frame, air, views, sun_map)
            for number, page in enumerate(pages):
                page.target.use()
                blue, green, red = np.sqrt(np.minimum(air.horizon[::-1], 1.0)).tolist()
                page.target.clear(blue, green, red, 1.0)
                for index, place in enumerate(places):
                    if place.page == number:
                        self._context.viewport = page.viewport(place)
                        self._draw(index, air)
                page.read()
        return [pages[place.page].image(place) for place in places]

    def render_labels(self, frame: RenderFrame, cameras: Sequence[CameraView]) -> list[LabelImage]:
        """Draw depths, semantic tags, objects and normals instead of colours, one sample a pixel.

        Shadows, rain and fog hide nothing. Raises as `render` does.
        """
        if not self._open:
            raise RuntimeError("Renderer.render_labels called after close()")
        if not cameras:
            return []
        with self._context:
            places, pages = self._layout(cameras, labels=True)
            views = Viewpoints([Viewpoint.of(camera) for camera in cameras])
            self._prepare(frame, Atmosphere.of(frame.weather), views)
            for number, page in enumerate(pages):
                page.target.use()
                page.target.clear(np.inf, SKY_TAG, 0.0, NO_NORMAL)
                for index, place in enumerate(places):
                    if place.page == number:
                        self._context.viewport = page.viewport(place)
                        self._draw_labels(index)
                page.read()
        return [_label_image(pages[place.page].numbers(place)) for place in places]

    def _layout(
        self, cameras: Sequence[CameraView], *, labels: bool = False
    ) -> tuple[list[Place], list[AtlasPage]]:
        """The atlas for this line-up of cameras, made at its first use."""
        sizes = tuple((camera.width_px, camera.height_px) for camera in cameras)
        if (labels, sizes) not in self._layouts:
            places = pack(sizes)
            if len(self._layouts) >= _KEPT_LAYOUTS:
                for page in self._layouts.pop(next(iter(self._layouts)))[1]:
                    page.release()
            grain = 1 if labels else self._grain
            pages = [
                AtlasPage(self._context, size, grain, floats=labels) for size in page_sizes(places)
            ]
            self._layouts[labels, sizes] = places, pages
        return self._layouts[labels, sizes]

    def _prepare(
        self,
        frame: RenderFrame,
        air: Atmosphere,
        views: Viewpoints,
        sun_map: NDArray[np.float32] | None = None,
    ) -> None:
        """Upload what the cameras need before the first draw, so that no draw waits for a write.

        sun_map: what `SunShadows.follow` has returned, where there are shadows.
        """
        moments = [air.uniforms(view, frame.time_s) for view in views.views]
        if sun_map is not None:
            for moment in moments:
                moment[_SUN_MAP_FLOATS] = sun_map
        blocks = b"".join(moment.tobytes() for moment in moments)
        if len(blocks) > self._uniforms.size:
            self._uniforms.release()
            self._uniforms = self._context.buffer(reserve=len(blocks), dynamic=True)
        self._uniforms.write(blocks)
        bodies = PosedBodies.of(frame.bodies)
        self._models.prepare(frame, bodies, views)
        self._decals.prepare(bodies, frame.street_lights, air, views)
        self._surfaces.prepare(views)
        self._facades.prepare(views)
        self._strokes.prepare(frame.strokes, frame.street_lights)

    def _draw(self, camera: int, air: Atmosphere) -> None:
        """One camera, near things first: hidden pixels then cost no shading."""
        context = self._context
        self._uniforms.bind_to_uniform_block(0, camera * _BLOCK_BYTES, _BLOCK_BYTES)
        context.enable_only(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        context.depth_func = "<"
        self._models.draw(camera)
        self._facades.draw(camera)
        context.enable_only(moderngl.DEPTH_TEST)
        self._surfaces.draw(camera)
        self._strokes.draw()
        self._sky.draw()
        context.enable_only(moderngl.DEPTH_TEST | moderngl.BLEND)
        context.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        self._decals.draw(camera)
        if air.rain > _BLINDING_RAIN:
            self._rain.render(moderngl.TRIANGLES)

    def _draw_labels(self, camera: int) -> None:
        self._uniforms.bind_to_uniform_block(0, camera * _BLOCK_BYTES, _BLOCK_BYTES)
        self._context.enable_only(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        self._context.depth_func = "<"
        self._models.draw_labels(camera)
        self._facades.draw_labels(camera)
        self._context.enable_only(moderngl.DEPTH_TEST)
        self._surfaces.draw_labels(camera)

    def close(self) -> None:
        """Give the context and all its memory back; more calls do nothing."""
        if self._open:
            self._open = False
            self._layouts.clear()
            self._context.release()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
