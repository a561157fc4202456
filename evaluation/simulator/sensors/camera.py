"""Cameras of all kinds: which are due, and one call of the renderer for all of a kind.

Every image is sent as BGRA bytes (label_images.py has the encodings of all but colours), but for
optical flow, which has two float32 a pixel, and the event camera's list of events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evaluation.simulator.physics.pose import Floats, rotation_matrices
from evaluation.simulator.render.frame import CameraView
from evaluation.simulator.sensors.event_camera import EventCamera
from evaluation.simulator.sensors.gbuffers import GBuffer, gbuffer_image
from evaluation.simulator.sensors.label_images import encode
from evaluation.simulator.sensors.optical_flow import Moment, optical_flow
from evaluation.simulator.sensors.sensor import Message, Schedule, header, noise_generator
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.snapshot import Buffer, StreamType, camera_header
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

if TYPE_CHECKING:
    from evaluation.simulator.sensors.camera_scene import CameraScene


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
        gbuffers: the streams of those G-buffers that somebody has asked for.
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
        self.gbuffers: dict[GBuffer, int] = {}
        self.events = EventCamera(actor.description, noise_generator(world, actor))
        try:
            self.view(np.eye(4))
        except ValueError as error:
            raise CallError(f"image_size_x, image_size_y or fov: {error}") from error

    def view(self, world_from_camera: Floats) -> CameraView:
        """Return what the renderer draws where the camera has this pose (4, 4)."""
        return CameraView(world_from_camera, self.width_px, self.height_px, self.fov_deg)


def take_images(
    world: World,
    scene: CameraScene,
    cameras: Sequence[CameraSensor],
    is_heard: Callable[[int], bool],
    gbuffer_type: int,
) -> list[Message]:
    """Render all cameras at once and return their messages, and those of the G-buffers on whose
    streams somebody listens."""
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
        messages.append((camera.actor.stream_id, _parts(world, camera, camera.stream_type, image)))
    for camera, image, view in zip(cameras, images, views, strict=True):
        heard = {which: one for which, one in camera.gbuffers.items() if is_heard(one)}
        if heard:
            (labels,) = scene.render_labels(world, [view])
            messages += [
                (stream, _parts(world, camera, gbuffer_type, gbuffer_image(which, image, labels)))
                for which, stream in heard.items()
            ]
    return messages


def _parts(
    world: World, camera: CameraSensor, stream_type: int, image: npt.NDArray[Any]
) -> tuple[Buffer, ...]:
    return (
        header(stream_type, world, camera.actor),
        camera_header(camera.width_px, camera.height_px, camera.fov_deg),
        image.tobytes() if image.dtype != np.uint8 else image.data.cast("B"),
    )


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
