"""Draws placed models: one indirect draw a camera, one command a model."""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.chunk_pass import COMMAND_DTYPE, CommandBuffer, Commands
from evaluation.simulator.render.frame import LampState, RenderFrame
from evaluation.simulator.render.instances import (
    INSTANCE_ATTRIBUTES,
    INSTANCE_DTYPE,
    INSTANCE_FORMAT,
    Instances,
    body_instances,
    static_instances,
)
from evaluation.simulator.render.library import Library
from evaluation.simulator.render.projection import Viewpoints
from evaluation.simulator.render.shapes import MODEL_ATTRIBUTES, MODEL_FORMAT
from evaluation.simulator.town.scenery import Scenery

Records = NDArray[np.void]
Models = NDArray[np.int64]

COARSE_BELOW_PX = 14.0
"""Things whose radius is smaller than this on the picture are drawn with fewer triangles."""


class ModelPass:
    """Bodies and street furniture."""

    def __init__(
        self, context: moderngl.Context, program: moderngl.Program, scenery: Scenery
    ) -> None:
        self._context, self._program = context, program
        self._library = Library.build()
        self._static, self._lamp_rows = static_instances(scenery, self._library)
        self._commands = CommandBuffer(context)
        self._vertices = context.buffer(self._library.vertices.tobytes())
        self._indices = context.buffer(self._library.indices.tobytes())
        self._reserve(1024)

    def _reserve(self, count: int) -> None:
        """Make room for `count` instances."""
        self._capacity = count
        room = count * INSTANCE_DTYPE.itemsize
        self._instances = self._context.buffer(reserve=room, dynamic=True)
        self._array = self._context.vertex_array(
            self._program,
            [
                (self._vertices, MODEL_FORMAT, *MODEL_ATTRIBUTES),
                (self._instances, INSTANCE_FORMAT, *INSTANCE_ATTRIBUTES),
            ],
            self._indices,
        )

    def prepare(self, frame: RenderFrame, views: Viewpoints) -> None:
        """Place the bodies, light the lamps and choose what each camera draws.

        Raises ValueError where `lamp_states` does not have one entry a housing.
        """
        self._light_lamps(frame.lamp_states)
        moving = body_instances(frame.bodies, frame.time_s, self._library)
        commands, records, base = [], [], 0
        both = [self._choose(moving, views), self._choose(self._static, views)]
        for (first, first_models), (second, second_models) in zip(*both, strict=True):
            models = np.concatenate([first_models, second_models])
            order = np.argsort(models, kind="stable")
            commands.append(self._commands_of(models[order], base))
            records.append(np.concatenate([first, second])[order])
            base += len(order)
        if base > self._capacity:
            self._array.release()
            self._instances.release()
            self._reserve(2 * base)
        if base:
            self._instances.write(np.concatenate(records).tobytes())
        self._commands.write(commands)

    def _choose(self, instances: Instances, views: Viewpoints) -> list[tuple[Records, Models]]:
        """Records and models of the instances that each camera sees; coarse models where small."""
        seen, ahead = views.see_spheres(instances.centre_m, instances.radius_m, instances.feature_m)
        chosen = []
        for row, view in enumerate(views.views):
            mine = np.flatnonzero(seen[row])
            models = instances.model[mine]
            size_px = view.focal_px * instances.radius_m[mine]
            small = size_px < COARSE_BELOW_PX * ahead[row, mine]
            models = np.where(small, self._library.coarse[models], models)
            chosen.append((instances.records[mine], models))
        return chosen

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

    def _commands_of(self, models: Models, base: int) -> Commands:
        """Commands for instances sorted by model, the first of which is number `base`."""
        used, first, count = np.unique(models, return_index=True, return_counts=True)
        library = self._library
        commands = np.zeros(len(used), COMMAND_DTYPE)
        commands["index_count"] = library.index_count[used]
        commands["instance_count"] = count
        commands["first_index"] = library.first_index[used]
        commands["first_vertex"] = library.first_vertex[used]
        commands["first_instance"] = base + first
        return commands

    def draw(self, camera: int) -> None:
        """Draw what `prepare` chose for this camera."""
        self._commands.draw(camera, self._array)
