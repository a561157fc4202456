"""Cameras of all kinds: which are due, and one call of the renderer for all of a kind.

Every image is sent as BGRA bytes. CARLA's encodings: depth is a number of 24 bits, red lowest and
blue highest, in which all ones are `DEPTH_RANGE_M`; segmentation has the semantic tag in red, and
instance segmentation also the number of the object, green low and blue high. Normals are in the
world's axes, x in red, y in green and z in blue, 0 for -1 and 255 for 1; CARLA does not document
its own. Optical flow has two float32 a pixel, the event camera a list of events.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evaluation.simulator.physics.pose import Floats, rotation_matrices
from evaluation.simulator.render.frame import CameraView, LabelImage
from evaluation.simulator.sensors.event_camera import EventCamera
from evaluation.simulator.sensors.optical_flow import Moment, optical_flow
from evaluation.simulator.sensors.sensor import Message, Schedule, header, noise_generator
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.snapshot import Buffer, StreamType, camera_header
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

if TYPE_CHECKING:
    from evaluation.simulator.sensors.camera_scene import CameraScene


Image = npt.NDArray[np.uint8]

DEPTH_RANGE_M = 1000.0
CAMERA_TYPES = {
    "sensor.camera.rgb": StreamType.RGB,
    "sensor.camera.depth": StreamType.DEPTH,
    "sensor.camera.semantic_segmentation": StreamType.SEMANTIC_SEGMENTATION,
    "sensor.camera.instance_segmentation": StreamType.INSTANCE_SEGMENTATION,
    "sensor.camera.normals": StreamType.NORMALS,
    "sensor.camera.optical_flow": StreamType.OPTICAL_FLOW,
    "sensor.camera.dvs": StreamType.DVS,
}
_COLOUR_TYPES = (StreamType.RGB, StreamType.DVS)
"""Those that are made from colours; the others are made from labels."""


class CameraSensor:
    """A pinhole camera; `fov_deg` is its horizontal field of view.

    Attributes:
        seen: when an optical flow camera has taken its last image; None before the first.
        events: what an event camera remembers.
    """

    def __init__(self, world: World, actor: Actor) -> None:
        self.actor = actor
        self.stream_type = CAMERA_TYPES[actor.type_id]
        self.schedule = Schedule(actor.description)
        read = actor.description.number
        self.width_px = int(read("image_size_x", 800.0))
        self.height_px = int(read("image_size_y", 600.0))
        self.fov_deg = read("fov", 90.0)
        self.seen: Moment | None = None
        self.events = EventCamera(actor.description, noise_generator(world, actor))
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
        if camera.stream_type is StreamType.DVS and not len(image):
            # As CARLA's: where nothing has changed there is no message.
            continue
        parts: tuple[Buffer, ...] = (
            header(camera.stream_type, world, camera.actor),
            camera_header(camera.width_px, camera.height_px, camera.fov_deg),
            image.tobytes() if image.dtype != np.uint8 else image.data.cast("B"),
        )
        messages.append((camera.actor.stream_id, parts))
    return messages


def _draw(
    world: World,
    scene: CameraScene,
    cameras: Sequence[CameraSensor],
    views: Sequence[CameraView],
) -> list[npt.NDArray[Any]]:
    """Return what the cameras send: colours from one call, labels from another."""
    is_colour = [camera.stream_type in _COLOUR_TYPES for camera in cameras]
    colours = iter(scene.render(world, list(compress(views, is_colour))))
    seen = scene.render_labels(world, list(compress(views, [not one for one in is_colour])))
    labels = iter(seen)
    sent: list[npt.NDArray[Any]] = []
    for camera, view in zip(cameras, views, strict=True):
        if camera.stream_type is StreamType.DVS:
            sent.append(camera.events.events(next(colours), world.elapsed_s))
        elif camera.stream_type is StreamType.RGB:
            sent.append(next(colours))
        elif camera.stream_type is StreamType.OPTICAL_FLOW:
            now = Moment.of(view, scene.bodies(world))
            before, camera.seen = camera.seen or now, now
            sent.append(optical_flow(next(labels), view, now, before))
        else:
            sent.append(encode(next(labels), camera.stream_type))
    return sent


def encode(labels: LabelImage, stream_type: StreamType) -> Image:
    """Return a BGRA image (height, width, 4) of one kind of labels."""
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
