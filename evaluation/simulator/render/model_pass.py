"""Draws placed models: one indirect draw a camera, one command a model."""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.chunk_pass import (
    FIRST_INDEX,
    FIRST_INSTANCE,
    FIRST_VERTEX,
    INDEX_COUNT,
    INSTANCE_COUNT,
    CommandBuffer,
    Commands,
)
from evaluation.simulator.render.frame import LampState, RenderFrame
from evaluation.simulator.render.instances import (
    INSTANCE_ATTRIBUTES,
    INSTANCE_DTYPE,
    INSTANCE_FORMAT,
    body_instances,
    join,
    shown_instances,
    static_instances,
)
from evaluation.simulator.render.library import Library
from evaluation.simulator.render.posed import PosedBodies
from evaluation.simulator.render.projection import Viewpoints
from evaluation.simulator.render.shapes import MODEL_ATTRIBUTES, MODEL_FORMAT
from evaluation.simulator.town.scenery import Scenery
from evaluation.simulator.town.shown import Shown

COARSE_BELOW_PX = 14.0
"""Things whose radius is smaller than this on the image are drawn with fewer triangles."""


class ModelPass:
    """Bodies and street furniture."""

    def __init__(
        self,
        context: moderngl.Context,
        program: moderngl.Program,
        label_program: moderngl.Program,
        scenery: Scenery,
    ) -> None:
        self._context = context
        self._program, self._label_program = program, label_program
        self._library = Library.build()
        self._static, self._lamp_rows = static_instances(scenery, self._library)
        self._shown: NDArray[np.bool_] | None = None
        self._commands = CommandBuffer(context)
        self._blank = np.zeros((len(self._library.index_count), 5), np.uint32)
        self._blank[:, INDEX_COUNT] = self._library.index_count
        self._blank[:, FIRST_INDEX] = self._library.first_index
        self._blank[:, FIRST_VERTEX] = self._library.first_vertex
        self._vertices = context.buffer(self._library.vertices.tobytes())
        self._indices = context.buffer(self._library.indices.tobytes())
        self._reserve(1024)

    def show(self, shown: Shown | None) -> None:
        """Draw from now on only what of the scenery is `shown`; None: all of it."""
        self._shown = None if shown is None else shown_instances(shown)

    def _reserve(self, count: int) -> None:
        """Make room for `count` instances."""
        self._capacity = count
        room = count * INSTANCE_DTYPE.itemsize
        self._instances = self._context.buffer(reserve=room, dynamic=True)
        content = [
            (self._vertices, MODEL_FORMAT, *MODEL_ATTRIBUTES),
            (self._instances, INSTANCE_FORMAT, *INSTANCE_ATTRIBUTES),
        ]
        # Neither program reads every attribute.
        self._array, self._labels = (
            self._context.vertex_array(program, content, self._indices, skip_errors=True)
            for program in (self._program, self._label_program)
        )

    def prepare(self, frame: RenderFrame, bodies: PosedBodies, views: Viewpoints) -> None:
        """Place the bodies, light the lamps and choose what each camera draws.

        Raises ValueError where `lamp_states` does not have one entry a housing.
        """
        self._light_lamps(frame.lamp_states)
        placed = join([self._static, body_instances(bodies, frame.time_s, self._library)])
        seen, ahead = views.see_spheres(placed.centre_m, placed.radius_m, placed.feature_m)
        if self._shown is not None:
            seen[:, : len(self._shown)] &= self._shown
        commands, chosen, base = [], [], 0
        for row, view in enumerate(views.views):
            mine = np.flatnonzero(seen[row])
            models = placed.model[mine]
            small = view.focal_px * placed.radius_m[mine] < COARSE_BELOW_PX * ahead[row, mine]
            models = np.where(small, self._library.coarse[models], models)
            commands.append(self._commands_of(models, base))
            chosen.append(mine[np.argsort(models, kind="stable")])
            base += len(mine)
        if base > self._capacity:
            self._array.release()
            self._labels.release()
            self._instances.release()
            self._reserve(2 * base)
        if base:
            self._instances.write(placed.records[np.concatenate(chosen)].tobytes())
        self._commands.write(commands)

    def _light_lamps(self, lamp_states: NDArray[np.uint8]) -> None:
        count = self._lamp_rows.stop
        states = np.asarray(lamp_states)
        if len(states) == 0:
            states = np.full(count, LampState.OFF, np.uint8)
        if states.shape != (count,):
            raise ValueError(
                f"RenderFrame.lamp_states: expected one state for each of {count} lamp heads, "
                f"got shape {states.shape}"
            )
        lit = np.where(states <= LampState.GREEN, np.uint32(1) << states.astype(np.uint32), 0)
        self._static.records["flags"][self._lamp_rows] = lit

    def _commands_of(self, models: NDArray[np.int64], base: int) -> Commands:
        """Commands for instances that will lie sorted by model, the first as number `base`."""
        count = np.bincount(models, minlength=len(self._blank))
        first = base + np.cumsum(count) - count
        used = np.flatnonzero(count)
        commands = self._blank[used]
        commands[:, INSTANCE_COUNT] = count[used]
        commands[:, FIRST_INSTANCE] = first[used]
        return commands

    def draw(self, camera: int) -> None:
        """Draw what `prepare` chose for this camera."""
        self._commands.draw(camera, self._array)

    def draw_labels(self, camera: int) -> None:
        """Draw the same for a label image."""
        self._commands.draw(camera, self._labels)
