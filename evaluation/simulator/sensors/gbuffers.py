"""The G-buffers of a colour camera: what a renderer knows of a pixel before it is lit.

Each is a picture of its own, on a stream of its own that opens when a client asks for it. Those of
Unreal that have no counterpart here are black, as CARLA sends one that a scene does not have.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.frame import LabelImage
from evaluation.simulator.sensors.label_images import encode
from evaluation.simulator.wire.snapshot import StreamType

Image = NDArray[np.uint8]


class GBuffer(IntEnum):
    """In the order of LibCarla's `GBufferTextureID`."""

    SCENE_COLOUR = 0
    SCENE_DEPTH = 1
    SCENE_STENCIL = 2
    A = 3
    B = 4
    C = 5
    D = 6
    E = 7
    F = 8
    VELOCITY = 9
    AMBIENT_OCCLUSION = 10
    CUSTOM_DEPTH = 11
    CUSTOM_STENCIL = 12


def gbuffer_image(which: GBuffer, colour: Image, labels: LabelImage) -> Image:
    """Return a BGRA picture (height, width, 4): the camera's own picture, depths as a depth camera
    encodes them, normals as a normals camera does (A), or semantic tags in all three channels."""
    match which:
        case GBuffer.SCENE_COLOUR:
            return colour
        case GBuffer.SCENE_DEPTH | GBuffer.CUSTOM_DEPTH:
            return encode(labels, StreamType.DEPTH)
        case GBuffer.A:
            return encode(labels, StreamType.NORMALS)
        case _:
            image = np.zeros_like(colour)
            image[..., 3] = 255
            if which is GBuffer.CUSTOM_STENCIL:
                image[..., :3] = labels.tag[..., None]
            return image
