"""Optical flow: how far what a pixel shows has come since the camera's image before.

CARLA's documentation gives the range [-2, 2] and its users found the rest (carla-simulator issue
4795): a vector is (x to the right, y up) as a share of half the image's width and height, from the
earlier image to this one. It is the velocity that Unreal Engine keeps for its motion blur.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.simulator.physics.pose import Floats, rotation_matrices
from evaluation.simulator.render.frame import Bodies, CameraView, LabelImage

LARGEST_FLOW = 2.0
_OBJECT_BITS = 0xFFFF
"""What a label image keeps of an object's number."""


class Moment(NamedTuple):
    """Where a camera and all bodies were: poses (4, 4), one of each (tag, number) of a body."""

    world_from_camera: Floats
    world_from_body: dict[tuple[int, int], Floats]

    @classmethod
    def of(cls, view: CameraView, bodies: Bodies) -> Moment:
        """The moment at which an image is taken."""
        poses = np.zeros((len(bodies.kind), 4, 4))
        # Bodies have roll, pitch, yaw; CARLA's rotations pitch, yaw, roll.
        poses[:, :3, :3] = rotation_matrices(np.degrees(bodies.rotation_rad[:, [1, 2, 0]]))
        poses[:, :3, 3] = bodies.position_world_m
        poses[:, 3, 3] = 1.0
        numbers = (bodies.object_id & _OBJECT_BITS).tolist()
        keys = zip(bodies.semantic_tag.tolist(), numbers, strict=True)
        # Of bodies in several parts the first one's pose counts: a door may open between images.
        known = dict(reversed(list(zip(keys, poses, strict=True))))
        return cls(view.world_from_camera, known)


def optical_flow(
    labels: LabelImage, view: CameraView, now: Moment, before: Moment
) -> npt.NDArray[np.float32]:
    """Return the flow (height, width, 2) of an image that was taken `now`.

    Bodies are rigid; one that was not there before has moved with the camera alone. What was
    beside or behind the camera's image keeps within `LARGEST_FLOW`.
    """
    height, width = labels.depth_m.shape
    half_width = np.tan(np.radians(view.fov_deg) / 2.0)
    half_height = half_width * height / width
    place = np.empty((height, width, 2))
    place[..., 0] = (np.arange(width) + 0.5) * (2.0 / width) - 1.0
    place[..., 1] = 1.0 - (np.arange(height)[:, None] + 0.5) * (2.0 / height)
    rays = np.ones((height, width, 3))
    rays[..., 1:] = place * (half_width, half_height)
    is_sky = ~np.isfinite(labels.depth_m)
    depth_m = np.where(is_sky, 0.0, labels.depth_m).astype(np.float64)
    before_from_now = np.linalg.inv(before.world_from_camera) @ now.world_from_camera
    earlier = _moved(rays * depth_m[..., None], before_from_now)
    # The sky is so far away that only turning moves it.
    earlier[is_sky] = rays[is_sky] @ before_from_now[:3, :3].T
    codes = labels.tag.astype(np.uint32) << 16 | labels.object_id & _OBJECT_BITS
    for code in np.unique(codes).tolist():
        key = code >> 16, code & _OBJECT_BITS
        if key in now.world_from_body and key in before.world_from_body:
            mine = codes == code
            world_from_world = before.world_from_body[key] @ np.linalg.inv(now.world_from_body[key])
            matrix = (
                np.linalg.inv(before.world_from_camera) @ world_from_world @ now.world_from_camera
            )
            earlier[mine] = _moved(rays[mine] * depth_m[mine][:, None], matrix)
    ahead = np.maximum(earlier[..., :1], 1e-6)
    flow = place - earlier[..., 1:] / (ahead * (half_width, half_height))
    clipped: npt.NDArray[np.float32] = np.clip(flow, -LARGEST_FLOW, LARGEST_FLOW).astype(np.float32)
    return clipped


def _moved(points: Floats, matrix: Floats) -> Floats:
    moved: Floats = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved
