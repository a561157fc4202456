"""The images of a session: one losslessly compressed video, readable up to where it was cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]

TICKS_PER_S = 20
OPAQUE = 255
"""CARLA's fourth channel, which is not stored."""
CODEC = "libx264rgb"
LOSSLESS: Mapping[str, str] = {"preset": "veryfast", "qp": "0", "tune": "zerolatency"}
CONTAINER = "h264"
"""Nothing but the encoder's packets, so that each is in the file as soon as it is written."""


class ImageWriter:
    """One video of all cameras, their images on top of one another, narrower ones filled up."""

    def __init__(self, path: Path, options: Mapping[str, str] = LOSSLESS) -> None:
        self._path = path
        # The encoder may look ahead before it writes anything.
        path.touch()
        self._container = av.open(
            str(path), "w", format=CONTAINER, container_options={"flush_packets": "1"}
        )
        self._options = dict(options)
        self._stream: Any = None

    def write(self, images_bgra: Sequence[U8]) -> int:
        """Append the images (H, W, 4) of one tick; the file's size with them in it."""
        wide = max(image.shape[1] for image in images_bgra)
        rows = [
            np.pad(image[:, :, 2::-1], ((0, 0), (0, wide - image.shape[1]), (0, 0)))
            for image in images_bgra
        ]
        stacked = np.ascontiguousarray(np.concatenate(rows))
        if self._stream is None:
            self._stream = self._container.add_stream(
                CODEC, rate=Fraction(TICKS_PER_S), options=self._options
            )
            self._stream.height, self._stream.width = stacked.shape[:2]
            self._stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(stacked, format="rgb24")
        self._container.mux(self._stream.encode(frame))
        return self._path.stat().st_size

    def close(self) -> None:
        """Finish the file; may be called again."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())
            self._stream = None
        self._container.close()


def read_images(path: Path, shapes: Sequence[tuple[int, int]]) -> Iterator[list[U8]]:
    """BGRA images (height, width) of each tick, in the cameras' order, as far as they are whole."""
    with av.open(str(path), format=CONTAINER) as container:
        frames = container.decode(video=0)
        while True:
            try:
                frame = next(frames)
            except (StopIteration, av.InvalidDataError):
                # The end, or a frame that a kill has left half written.
                return
            stacked = frame.to_ndarray(format="rgb24")
            views, top = [], 0
            for height, width in shapes:
                view = np.full((height, width, 4), OPAQUE, dtype=np.uint8)
                view[:, :, :3] = stacked[top : top + height, :width, ::-1]
                views.append(view)
                top += height
            yield views
