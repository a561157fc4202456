"""One framebuffer that holds the images of all cameras of a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.frame import MAX_SIDE_PX

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Place:
    """Where an image lies in its atlas."""

    page: int
    x_px: int
    y_px: int
    width_px: int
    height_px: int


def pack(sizes_px: Sequence[tuple[int, int]]) -> list[Place]:
    """Lay images (width, height) out in columns of one width, as few pages as needed.

    Images of one width lie above each other.
    """
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


class AtlasPage:
    """A framebuffer with `grain` x `grain` samples a pixel, and the bytes read from it.

    The samples are ordinary pixels of a larger image, averaged on the way out. On Mesa's CPU
    driver this is twice as fast as OpenGL's multisampling, which there neither skips the shading of
    hidden pixels nor resolves quickly; and it smooths windows and markings, not only edges.

    A page of `floats` holds numbers instead of colours, which must not be averaged: one sample.
    """

    def __init__(
        self,
        context: moderngl.Context,
        size_px: tuple[int, int],
        grain: int,
        *,
        floats: bool = False,
    ) -> None:
        self._grain = grain
        self._kind = "f4" if floats else "f1"
        width, height = size_px[0] * grain, size_px[1] * grain
        self._colour = context.renderbuffer((width, height), 4, dtype=self._kind)
        self._depth = context.depth_renderbuffer((width, height))
        self.target = context.framebuffer([self._colour], self._depth)
        self._pixels = np.empty((height, width, 4), np.float32 if floats else np.uint8)

    def viewport(self, place: Place) -> tuple[int, int, int, int]:
        """Where the samples of an image go: x, y, width, height."""
        grain = self._grain
        return (
            place.x_px * grain,
            place.y_px * grain,
            place.width_px * grain,
            place.height_px * grain,
        )

    def read(self) -> None:
        """Fetch all samples; `image` then cuts images out of them."""
        self.target.read_into(self._pixels, components=4, alignment=1, dtype=self._kind)

    def numbers(self, place: Place) -> F32:
        """One image (height, width, 4) of a page of floats, in memory of its own."""
        x, y, width, height = self.viewport(place)
        numbers: F32 = self._pixels[y : y + height, x : x + width].astype(np.float32)
        return numbers

    def image(self, place: Place) -> U8:
        """One image (height, width, 4) in memory of its own."""
        x, y, width, height = self.viewport(place)
        samples = self._pixels[y : y + height, x : x + width]
        if self._grain == 1:
            return samples.copy()
        size = (place.width_px, place.height_px)
        return np.asarray(cv2.resize(samples, size, interpolation=cv2.INTER_AREA), np.uint8)

    def release(self) -> None:
        """Give its memory back."""
        for part in (self.target, self._colour, self._depth):
            part.release()
