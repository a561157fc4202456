"""Reading images from disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]

JPEG_END = b"\xff\xd9"
# Some writers leave a few bytes behind the end mark.
JPEG_TAIL_BYTES = 32


class ImageError(ValueError):
    """An image that cannot be used; the message names the file."""


def read_image(path: Path) -> U8:
    """RGB (rows, columns, 3).

    Raises:
        ImageError: a file that is missing, truncated or no image. (The decoder itself fills
            what is missing of a truncated one with grey.)
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error
    if JPEG_END not in data[-JPEG_TAIL_BYTES:]:
        raise ImageError(f"{path}: truncated, or not a jpg")
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ImageError(f"{path}: not a readable image")
    return image.astype(np.uint8, copy=False)


class ImageCache:
    """Decoded images on a fast disk, for sizes whose decoding takes longer than their reading.

    An image is written when it is first read. Its entry's name holds the size and time of the jpg,
    so that a changed one is decoded anew. Entries of several processes do not disturb each other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, path: Path) -> U8:
        """As :func:`read_image`."""
        try:
            state = path.stat()
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}") from error
        name = f"{path}:{state.st_size}:{state.st_mtime_ns}"
        key = hashlib.sha256(name.encode()).hexdigest()[:24]
        entry = self.folder / key[:2] / f"{key}.npy"
        try:
            cached: U8 = np.load(entry, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return self._add(read_image(path), entry)
        return cached

    def _add(self, image: U8, entry: Path) -> U8:
        entry.parent.mkdir(exist_ok=True)
        partial = entry.with_suffix(f".{os.getpid()}.npy")
        np.save(partial, image)
        partial.replace(entry)
        return image
