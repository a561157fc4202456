"""How cameras encode what they see without light, as BGRA images (height, width, 4)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.simulator.render.frame import LabelImage
from evaluation.simulator.wire.snapshot import StreamType

Image = npt.NDArray[np.uint8]

DEPTH_RANGE_M = 1000.0


def encode(labels: LabelImage, stream_type: StreamType) -> Image:
    """Return a BGRA image (height, width, 4) of one kind of labels.

    CARLA's encodings: depth is a number of 24 bits, red lowest and blue highest, in which all ones
    are `DEPTH_RANGE_M`; segmentation has the semantic tag in red, and instance segmentation also
    the number of the object, green low and blue high. Normals are in the world's axes, x in red, y
    in green and z in blue, 0 for -1 and 255 for 1; CARLA does not document its own.
    """
    if stream_type is StreamType.NORMALS:
        code = labels.normal_code.astype("<u4") | np.uint32(255 << 24)
        return code.view(np.uint8).reshape(*code.shape, 4)
    image = np.empty((*labels.tag.shape, 4), np.uint8)
    image[..., 3] = 255
    if stream_type is StreamType.DEPTH:
        share = np.minimum(labels.depth_m.astype(np.float64) / DEPTH_RANGE_M, 1.0)
        number = np.rint(share * (2**24 - 1)).astype(np.uint32)
        image[..., 2] = number & 0xFF
        image[..., 1] = number >> 8 & 0xFF
        image[..., 0] = number >> 16
        return image
    image[..., :2] = 0
    image[..., 2] = labels.tag
    if stream_type is StreamType.INSTANCE_SEGMENTATION:
        image[..., 1] = labels.object_id & 0xFF
        image[..., 0] = labels.object_id >> 8 & 0xFF
    return image
