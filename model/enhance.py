"""Histogram equalisation of camera images, the same at training and at the wheel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


def equalise(images: U8) -> U8:
    """Spread the brightness of each image over all levels; colours keep their hue.

    Brightness as SimLingo's training code reckons it, so that its weights see what they were
    trained on: that code takes its RGB images for BGR, and red counts for little, blue for more.

    Args:
        images: (..., rows, columns, 3) RGB.
    """
    flat = images.reshape(-1, *images.shape[-3:])
    equalised = np.empty_like(flat)
    for image, result in zip(flat, equalised, strict=True):
        parts = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2YUV)
        parts[:, :, 0] = cv2.equalizeHist(parts[:, :, 0])
        result[:] = cv2.cvtColor(parts, cv2.COLOR_YUV2BGR)
    return equalised.reshape(images.shape)
