"""One framebuffer that holds the pictures of all cameras of a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]

MAX_SIDE_PX = 8192
"""Every driver of the required OpenGL version takes textures of this size."""


@dataclass(frozen=True)
class Place:
    """Where a picture lies in its atlas."""

    page: int
    x_px: int
    y_px: int
    width_px: int
    height_px: int


def pack(sizes_px: Sequence[tuple[int, int]]) -> list[Place]:
    """Lay pictures (width, height) out in columns of one width, as few pages as needed.

    Pictures of one width lie above each other, so that the rows of a page that holds a single column
    are contiguous. Raises ValueError for a picture larger than MAX_SIDE_PX.
    """
    for width, height in sizes_px:
        if max(width, height) > MAX_SIDE_PX:
            raise ValueError(
                f"camera of {width} x {height} px: expected at most {MAX_SIDE_PX} px a side"
            )
    places: list[Place | None] = [None] * len(sizes_px)
    page, column_x, column_width, y = 0, 0, 0, 0
    for index in sorted(range(len(sizes_px)), key=lambda i: (-sizes_px[i][0], -sizes_px[i][1], i)):
        width, height = sizes_px[index]
        if width != column_width or y + height > MAX_SIDE_PX:
            column_x, column_width, y = column_x + column_width, width, 0
            if column_x + width > MAX_SIDE_PX:
                page, column_x = page + 1, 0
        places[index] = Place(page, column_x, y, width, height)
        y += height
    return [place for place in places if place is not None]


class AtlasPage:
    """A multisampled framebuffer, the one it is resolved to, and the bytes read from it."""

    def __init__(self, context: moderngl.Context, size_px: tuple[int, int], samples: int) -> None:
        self.size_px = size_px
        self._context = context
        self._resolved = context.renderbuffer(size_px, 4)
        self._colour = context.renderbuffer(size_px, 4, samples=samples)
        self._depth = context.depth_renderbuffer(size_px, samples=samples)
        self._plain = context.framebuffer([self._resolved])
        self.target = context.framebuffer([self._colour], self._depth)
        self._pixels = np.empty((size_px[1], size_px[0], 4), np.uint8)

    def read(self) -> U8:
        """Resolve and read; the array is reused by the next call."""
        self._context.copy_framebuffer(self._plain, self.target)
        self._plain.read_into(self._pixels, components=4, alignment=1)
        return self._pixels

    def release(self) -> None:
        """Give its memory back."""
        parts = (self.target, self._plain, self._colour, self._depth, self._resolved)
        for part in parts:
            part.release()


def page_sizes(places: Sequence[Place]) -> list[tuple[int, int]]:
    """Width and height of each page that the places need."""
    count = 1 + max(place.page for place in places)
    return [
        (
            max(p.x_px + p.width_px for p in places if p.page == page),
            max(p.y_px + p.height_px for p in places if p.page == page),
        )
        for page in range(count)
    ]
