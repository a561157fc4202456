"""Draws chunks of static triangles: one indirect draw a camera."""

from __future__ import annotations

from collections.abc import Sequence

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.chunks import Chunks
from evaluation.simulator.render.projection import Viewpoints

INDEX_COUNT, INSTANCE_COUNT, FIRST_INDEX, FIRST_VERTEX, FIRST_INSTANCE = range(5)
"""Columns of OpenGL's DrawElementsIndirectCommand."""
_COMMAND_BYTES = 20

Commands = NDArray[np.uint32]
"""(k, 5), a row a command. Not a structured array: numpy is slow to join and to fill those."""


SMALLEST_TEXTURE_PX = 5.0
"""Where texture is smaller than this on the image it is left out."""


class CommandBuffer:
    """Indirect draw commands of several cameras, one after another."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self._buffer = context.buffer(reserve=_COMMAND_BYTES, dynamic=True)
        self._ranges: list[tuple[int, int]] = []

    def write(self, commands_by_camera: Sequence[Commands]) -> None:
        """Take each camera's commands."""
        ends = np.cumsum([len(commands) for commands in commands_by_camera]).tolist()
        self._ranges = list(zip([0, *ends[:-1]], ends, strict=True))
        data = np.concatenate(commands_by_camera).tobytes()
        if len(data) > self._buffer.size:
            self._buffer.release()
            self._buffer = self._context.buffer(reserve=2 * len(data), dynamic=True)
        if data:
            self._buffer.write(data)

    def release(self) -> None:
        """Give the memory back."""
        self._buffer.release()

    def draw(self, camera: int, array: moderngl.VertexArray) -> None:
        """Issue the commands of one camera."""
        start, end = self._ranges[camera]
        if end > start:
            array.render_indirect(self._buffer, moderngl.TRIANGLES, end - start, start)


class ChunkPass:
    """One set of chunks, shaded richly where near and plainly where far or thin.

    Mesa's CPU driver shades whole blocks of 4 x 4 samples, so a rich shader on thin or distant
    triangles costs many times what they show.
    """

    def __init__(
        self,
        context: moderngl.Context,
        chunks: Chunks,
        layout: tuple[str, tuple[str, ...]],
        programs: tuple[moderngl.Program, moderngl.Program],
        label_program: moderngl.Program,
        texture_m: float,
    ) -> None:
        """`programs`: rich and plain; the rich one's texture, of size `texture_m`, must have faded
        out where that is smaller than SMALLEST_TEXTURE_PX. `label_program` says what is seen."""
        self._context = context
        self._layout, self._programs, self._label_program = layout, programs, label_program
        self._texture_m = texture_m
        self._buffers: list[moderngl.Buffer] = []
        self._layers: list[tuple[CommandBuffer, moderngl.VertexArray]] = []
        self._labels: moderngl.VertexArray | None = None
        self.show(chunks)

    def show(self, chunks: Chunks) -> None:
        """Draw these from now on, and no others."""
        self._chunks = chunks
        self._commands = np.zeros((len(chunks.index_count), 5), np.uint32)
        self._commands[:, INDEX_COUNT] = chunks.index_count
        self._commands[:, INSTANCE_COUNT] = 1
        self._commands[:, FIRST_INDEX] = chunks.first_index
        self._size_m = np.linalg.norm(chunks.half_m, axis=1)
        self._release()
        if len(chunks.indices):
            vertices = self._context.buffer(chunks.vertices.tobytes())
            indices = self._context.buffer(chunks.indices.tobytes())
            self._buffers = [vertices, indices]
            form, attributes = self._layout
            content = [(vertices, form, *attributes)]
            # Neither the plain program nor that of labels reads every attribute.
            for program in self._programs:
                array = self._context.vertex_array(program, content, indices, skip_errors=True)
                self._layers.append((CommandBuffer(self._context), array))
            self._labels = self._context.vertex_array(
                self._label_program, content, indices, skip_errors=True
            )

    def _release(self) -> None:
        """Give back what the chunks before were drawn with."""
        for buffer, array in self._layers:
            array.release()
            buffer.release()
        if self._labels is not None:
            self._labels.release()
            self._labels = None
        for item in self._buffers:
            item.release()
        self._layers, self._buffers = [], []

    def prepare(self, views: Viewpoints) -> None:
        """Choose what each camera draws, near cells first and what lies under all of them last."""
        chunks = self._chunks
        seen, ahead = views.see_boxes(chunks.centre_m, chunks.half_m, chunks.feature_m)
        commands: tuple[list[Commands], list[Commands]] = ([], [])
        for row, view in enumerate(views.views):
            fade_m = view.focal_px * self._texture_m / SMALLEST_TEXTURE_PX
            plain = chunks.plain | (ahead[row] - self._size_m > fade_m)
            end = ahead[row] + self._size_m
            for part, chosen in zip(commands, (seen[row] & ~plain, seen[row] & plain), strict=True):
                part.append(self._commands_of(chosen, end))
        for (buffer, _), part in zip(self._layers, commands, strict=False):
            buffer.write(part)

    def _commands_of(self, chosen: NDArray[np.bool_], end: NDArray[np.float32]) -> Commands:
        rows = np.flatnonzero(chosen)
        return self._commands[rows[np.argsort(end[rows], kind="stable")]]

    def draw(self, camera: int) -> None:
        """Draw what `prepare` chose for this camera."""
        for buffer, array in reversed(self._layers):
            buffer.draw(camera, array)

    def draw_labels(self, camera: int) -> None:
        """Draw the same for a label image."""
        if self._labels is not None:
            for buffer, _ in self._layers:
                buffer.draw(camera, self._labels)
