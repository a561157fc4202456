"""Unit vectors as bytes; `unpack` in the shaders is the inverse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack_normals(normals: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Components -1..1 as 1..255, so that 0 is exact; moderngl has no signed normalised bytes."""
    packed: NDArray[np.uint8] = (np.rint(normals * 127.0) + 128.0).astype(np.uint8)
    return packed
