"""Colour cameras: which are due, and one call of the renderer for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.simulator.physics.pose import Floats, rotation_matrices
from evaluation.simulator.render.frame import CameraView
from evaluation.simulator.sensors.sensor import Message, Schedule, header
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.snapshot import Buffer, StreamType, camera_header
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

if TYPE_CHECKING:
    from evaluation.simulator.sensors.camera_scene import CameraScene


class CameraSensor:
    """A pinhole camera; `fov_deg` is its horizontal field of view."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
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
    images = scene.render(world, views)
    messages: list[Message] = []
    for camera, image in zip(cameras, images, strict=True):
        parts: tuple[Buffer, ...] = (
            header(StreamType.RGB, world, camera.actor),
            camera_header(camera.width_px, camera.height_px, camera.fov_deg),
            image.data.cast("B"),
        )
        messages.append((camera.actor.stream_id, parts))
    return messages
