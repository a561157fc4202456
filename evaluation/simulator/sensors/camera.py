"""Cameras of all kinds: which are due, and one call of the renderer for all of a kind.

Every image is sent as BGRA bytes. CARLA's encodings: depth is a number of 24 bits, red lowest and
blue highest, in which all ones are `DEPTH_RANGE_M`; segmentation has the semantic tag in red, and
instance segmentation also the number of the object, green low and blue high.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics.pose import Floats, rotation_matrices
from evaluation.simulator.render.frame import CameraView, LabelImage
from evaluation.simulator.sensors.sensor import Message, Schedule, header
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.snapshot import Buffer, StreamType, camera_header
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

if TYPE_CHECKING:
    from evaluation.simulator.sensors.camera_scene import CameraScene


Image = NDArray[np.uint8]

DEPTH_RANGE_M = 1000.0
CAMERA_TYPES = {
    "sensor.camera.rgb": StreamType.RGB,
    "sensor.camera.depth": StreamType.DEPTH,
    "sensor.camera.semantic_segmentation": StreamType.SEMANTIC_SEGMENTATION,
    "sensor.camera.instance_segmentation": StreamType.INSTANCE_SEGMENTATION,
}


class CameraSensor:
    """A pinhole camera; `fov_deg` is its horizontal field of view."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.stream_type = CAMERA_TYPES[actor.type_id]
        self.schedule = Schedule(actor.description)
        read = actor.description.number
        self.width_px = int(read("image_size_x", 800.0))
        self.height_px = int(read("image_size_y", 600.0))
        self.fov_deg = read("fov", 90.0)
        try:
            self.view(np.eye(4))
        except ValueError as error:
            raise CallError(f"image_size_x, image_size_y or fov: {error}") from error

    def view(self, world_from_camera: Floats) -> CameraView:
        """Return what the renderer draws where the camera has this pose (4, 4)."""
        return CameraView(world_from_camera, self.width_px, self.height_px, self.fov_deg)


def take_images(world: World, scene: CameraScene, cameras: Sequence[CameraSensor]) -> list[Message]:
    """Render all cameras at once and return their messages."""
    if not cameras:
        return []
    rows = [camera.actor.row for camera in cameras]
    poses = np.zeros((len(rows), 4, 4))
    poses[:, :3, :3] = rotation_matrices(world.table.rotation_deg[rows])
    poses[:, :3, 3] = world.table.location[rows]
    poses[:, 3, 3] = 1.0
    views = [camera.view(pose) for camera, pose in zip(cameras, poses, strict=True)]
    images = _draw(world, scene, cameras, views)
    messages: list[Message] = []
    for camera, image in zip(cameras, images, strict=True):
        parts: tuple[Buffer, ...] = (
            header(camera.stream_type, world, camera.actor),
            camera_header(camera.width_px, camera.height_px, camera.fov_deg),
            image.data.cast("B"),
        )
        messages.append((camera.actor.stream_id, parts))
    return messages


def _draw(
    world: World,
    scene: CameraScene,
    cameras: Sequence[CameraSensor],
    views: Sequence[CameraView],
) -> list[Image]:
    """Return the images (height, width, 4): colours from one call, labels from another."""
    is_colour = [camera.stream_type is StreamType.RGB for camera in cameras]
    colours = iter(scene.render(world, list(compress(views, is_colour))))
    seen = scene.render_labels(world, list(compress(views, [not one for one in is_colour])))
    labels = iter(seen)
    return [
        next(colours) if colour else encode(next(labels), camera.stream_type)
        for camera, colour in zip(cameras, is_colour, strict=True)
    ]


def encode(labels: LabelImage, stream_type: StreamType) -> Image:
    """Return a BGRA image (height, width, 4) of one kind of labels."""
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
