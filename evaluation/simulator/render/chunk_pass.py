"""Draws chunks of static triangles: one indirect draw a camera."""

from __future__ import annotations

from collections.abc import Sequence

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.chunks import Chunks
from evaluation.simulator.render.projection import Viewpoints

COMMAND_DTYPE = np.dtype(
    [
        ("index_count", np.uint32),
        ("instance_count", np.uint32),
        ("first_index", np.uint32),
        ("first_vertex", np.int32),
        ("first_instance", np.uint32),
    ]
)
"""OpenGL's DrawElementsIndirectCommand."""

Commands = NDArray[np.void]


class CommandBuffer:
    """Indirect draw commands of several cameras, one after another."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self._buffer = context.buffer(reserve=COMMAND_DTYPE.itemsize, dynamic=True)
        self._ranges: list[tuple[int, int]] = []

    def write(self, commands_by_camera: Sequence[Commands]) -> None:
        """Take each camera's commands (k,) COMMAND_DTYPE."""
        ends = np.cumsum([len(commands) for commands in commands_by_camera]).tolist()
        self._ranges = list(zip([0, *ends[:-1]], ends, strict=True))
        data = np.concatenate(commands_by_camera).tobytes()
        if len(data) > self._buffer.size:
            self._buffer.release()
            self._buffer = self._context.buffer(reserve=2 * len(data), dynamic=True)
        if data:
            self._buffer.write(data)

    def draw(self, camera: int, array: moderngl.VertexArray) -> None:
        """Issue the commands of one camera."""
        start, end = self._ranges[camera]
        if end > start:
            array.render_indirect(self._buffer, moderngl.TRIANGLES, end - start, start)


class ChunkPass:
    """One program over one set of chunks."""

    def __init__(
        self,
        context: moderngl.Context,
        program: moderngl.Program,
        chunks: Chunks,
        layout: tuple[str, tuple[str, ...]],
    ) -> None:
        self._chunks = chunks
        self._commands = CommandBuffer(context)
        self._array: moderngl.VertexArray | None = None
        if len(chunks.indices):
            vertices = context.buffer(chunks.vertices.tobytes())
            indices = context.buffer(chunks.indices.tobytes())
            form, attributes = layout
            self._array = context.vertex_array(program, [(vertices, form, *attributes)], indices)

    def prepare(self, views: Viewpoints) -> None:
        """Choose what each camera draws, near cells first."""
        chunks = self._chunks
        seen, ahead = views.see_boxes(chunks.centre_m, chunks.half_m, chunks.feature_m)
        self._commands.write([self._commands_of(*row) for row in zip(seen, ahead, strict=True)])

    def _commands_of(self, seen: NDArray[np.bool_], ahead: NDArray[np.float32]) -> Commands:
        """One command for each run of neighbouring chunks in view."""
        chunks = self._chunks
        rows = np.flatnonzero(seen)
        starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        counts = np.add.reduceat(chunks.index_count[rows], starts) if len(rows) else rows
        order = np.argsort(ahead[rows[starts]], kind="stable")
        commands = np.zeros(len(starts), COMMAND_DTYPE)
        commands["index_count"] = counts[order]
        commands["instance_count"] = 1
        commands["first_index"] = chunks.first_index[rows[starts]][order]
        return commands

    def draw(self, camera: int) -> None:
        """Draw what `prepare` chose for this camera."""
        if self._array is not None:
            self._commands.draw(camera, self._array)
