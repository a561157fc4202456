"""What stands between the ground and the sun: a map of heights along the sun's rays.

All points of a ray to the sun have the same key: their place less their height times the sun's
slope. The map holds, for each key, the height of the highest thing on the ray; what lies lower is
in its shadow. It is drawn once for a direction of the sun.
"""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.solids import static_solids
from evaluation.simulator.town.scenery import Scenery
from evaluation.simulator.town.shown import TERRAIN, Shown

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

SUN_MAP_BINDING = 1
_TEXEL_M = 0.25
_MARGIN_M = 20.0
_MAX_SIDE_PX = 4096
"""64 MB; larger towns get coarser shadows."""
_SAME_SUN_COSINE = float(np.cos(np.radians(1.0)))
"""The map is drawn anew when the sun has moved by a degree: its shadows by about as much."""
_LOWEST_SUN = float(np.sin(np.radians(6.0)))
"""Below this shadows grow no longer; there is hardly any sunlight left."""
_CASTING_TAGS = (3, 6, 7, 8, 9)
"""Buildings, poles, lights, signs and trees."""
_VERTEX = """
#version 430
uniform vec2 slope;
uniform vec3 place;
in vec3 in_position;
void main() {
    vec2 key = in_position.xy - in_position.z * slope;
    vec2 share = (key - place.xy) * place.z;
    // The highest is the nearest; heights are within half a kilometre of zero.
    gl_Position = vec4(share * 2.0 - 1.0, -in_position.z / 500.0, 1.0);
}
"""
_FRAGMENT = """
#version 430
void main() {}
"""


class SunShadows:
    """The shadow map of one town.

    Args:
        scenery: what casts shadows, and the ground that the map covers.
    """

    def __init__(self, context: moderngl.Context, scenery: Scenery) -> None:
        self._context, self._scenery = context, scenery
        # The land around the outermost streets is left out: finer shadows for what is driven on.
        paved = [mesh for mesh in scenery.meshes if mesh.material not in TERRAIN]
        ground = [mesh.vertices[:, :2] for mesh in paved or scenery.meshes if len(mesh.vertices)]
        low, high = np.zeros(2), np.zeros(2)
        if ground:
            low = np.min([part.min(axis=0) for part in ground], axis=0) - _MARGIN_M
            high = np.max([part.max(axis=0) for part in ground], axis=0) + _MARGIN_M
        self._size_m = max(float((high - low).max()), 1.0)
        self._origin = low.astype(np.float64)
        side = int(np.clip(np.ceil(self._size_m / _TEXEL_M), 1, _MAX_SIDE_PX))
        self._map = context.depth_texture((side, side))
        self._map.compare_func = "<="
        self._map.filter = moderngl.LINEAR, moderngl.LINEAR
        self._map.repeat_x = self._map.repeat_y = False
        self._target = context.framebuffer(depth_attachment=self._map)
        self._program = context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self._sun: F64 | None = None
        self._triangles: moderngl.VertexArray | None = None
        self.show(None)

    def show(self, shown: Shown | None) -> None:
        """Let only what is `shown` cast shadows; None: all of the scenery."""
        solids = static_solids(self._scenery, shown)
        corners = solids.corners[np.isin(solids.tag, _CASTING_TAGS)]
        if self._triangles is not None:
            self._triangles.release()
            self._triangles = None
        if len(corners):
            buffer = self._context.buffer(np.ascontiguousarray(corners, np.float32).tobytes())
            self._triangles = self._context.vertex_array(self._program, buffer, "in_position")
        self._sun = None

    def follow(self, sun_direction: F64) -> F32:
        """Draw the map for the sun (3,) if it has moved; bind it.

        Returns what the shaders need (6,): the sun's slope in x and y, the map's origin in x and y
        (m), one over its size (1/m), and a 0 that fills the last vector.
        """
        if self._sun is None or float(self._sun @ sun_direction) < _SAME_SUN_COSINE:
            self._sun = sun_direction
            self._draw()
        self._map.use(SUN_MAP_BINDING)
        return np.array([*self._slope(), *self._place(), 0.0], np.float32)

    def _slope(self) -> F64:
        assert self._sun is not None
        slope: F64 = self._sun[:2] / max(float(self._sun[2]), _LOWEST_SUN)
        return slope

    def _place(self) -> tuple[float, float, float]:
        return float(self._origin[0]), float(self._origin[1]), 1.0 / self._size_m

    def _draw(self) -> None:
        self._target.use()
        self._context.viewport = (0, 0, *self._map.size)
        self._context.enable_only(moderngl.DEPTH_TEST)
        self._context.depth_func = "<"
        self._target.clear(depth=1.0)
        if self._triangles is not None:
            self._program["slope"].value = tuple(self._slope())  # type: ignore[union-attr]
            self._program["place"].value = self._place()  # type: ignore[union-attr]
            self._triangles.render(moderngl.TRIANGLES)
