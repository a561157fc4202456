"""Draws placed models: one indirect draw a camera, one command a model."""

from __future__ import annotations

from collections.abc import Sequence

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.chunk_pass import COMMAND_DTYPE, CommandBuffer
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
from evaluation.simulator.render.projection import Viewpoint
from evaluation.simulator.render.shapes import MODEL_ATTRIBUTES, MODEL_FORMAT
from evaluation.simulator.town.scenery import Scenery


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
        self._instances = self._context.buffer(reserve=count * INSTANCE_DTYPE.itemsize, dynamic=True)
        self._array = self._context.vertex_array(
            self._program,
            [
                (self._vertices, MODEL_FORMAT, *MODEL_ATTRIBUTES),
                (self._instances, INSTANCE_FORMAT, *INSTANCE_ATTRIBUTES),
            ],
            self._indices,
        )

    def prepare(self, frame: RenderFrame, views: Sequence[Viewpoint]) -> None:
        """Place the bodies, light the lamps and choose what each camera draws.

        Raises ValueError where `lamp_states` does not have one entry a housing.
        """
        self._light_lamps(frame.lamp_states)
        moving = body_instances(frame.bodies, frame.time_s, self._library)
        commands, records, base = [], [], 0
        for view in views:
            chosen, models = _select(view, (moving, self._static))
            commands.append(self._commands_of(models, base))
            records.append(chosen)
            base += len(chosen)
        if base > self._capacity:
            self._array.release()
            self._instances.release()
            self._reserve(2 * base)
        if base:
            self._instances.write(np.concatenate(records).tobytes())
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

    def _commands_of(self, models: NDArray[np.int64], base: int) -> np.ndarray:
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


def _select(
    view: Viewpoint, sets: Sequence[Instances]
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Records and models of the instances in view, sorted by model."""
    records, models = [], []
    for instances in sets:
        seen = np.flatnonzero(
            view.sees_spheres(instances.centre_m, instances.radius_m, instances.reach_m)
        )
        away = np.linalg.norm(instances.centre_m[seen] - view.position_world_m, axis=1)
        far = away > instances.detail_m[seen]
        models.append(np.where(far, instances.far_model[seen], instances.model[seen]))
        records.append(instances.records[seen])
    model = np.concatenate(models)
    order = np.argsort(model, kind="stable")
    return np.concatenate(records)[order], model[order]
