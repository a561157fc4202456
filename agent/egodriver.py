"""AlpaSim's `egodriver` contract: the policy in other worlds, through carla-driver-interface.

Their rig has its origin on the ground below the rear axle, x forward, y to the left; ours lies at
the vehicle's middle, y to the right. Images must come from the cameras that the checkpoint was
trained with: each is found by where it sits and looks, whatever its name.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import cv2
import grpc
import numpy as np
from carla_driver_interface.driver import BaseDriver, CameraFrame, DriveContext, DriveResult
from carla_driver_interface.geometry import Pose, Trajectory, optical_to_body
from carla_driver_interface.protocol import (
    AvailableCamera,
    add_CarlaVehicleServiceServicer_to_server,
    add_EgodriverServiceServicer_to_server,
)
from carla_driver_interface.service import EgodriverServicer
from numpy.typing import NDArray

from agent.policy_wire import PlanRequest
from model.config import CameraConfig
from planner.records import Command, EgoState, Plan, Target
from planner.route import Polyline

if TYPE_CHECKING:
    from carla_driver_interface.driver import SessionState

    from agent.policy_server import SharedPolicy

F64 = NDArray[np.float64]

logger = logging.getLogger(__name__)

REAR_AXLE_M = 1.42
"""From the vehicle's middle back to its rear axle, for CARLA's Lincoln MKZ (see
agent/expert/steering.py)."""
TARGETS_M = (30.0, 80.0)
"""Distances along their dense route of the two sparse targets (chosen; ours have no fixed ones)."""
NEAR_M, NEAR_DEG = 0.3, 3.0
"""How far a camera may be from where the checkpoint had it."""


class RigMismatchError(ValueError):
    """A session without one of the checkpoint's cameras; the message says what it must have."""


class EgoDriver(BaseDriver):  # type: ignore[misc]
    """Plans for sessions of AlpaSim's contract; keeps nothing of them but which camera is which."""

    name = "simlingo"

    def __init__(self, shared: SharedPolicy) -> None:
        self._shared = shared
        self._cameras = shared.policy.cameras
        self._names: dict[str, tuple[str, ...]] = {}

    def on_session_start(self, session: SessionState) -> None:
        """Find the checkpoint's cameras; raises RigMismatchError."""
        config = self._shared.policy.config
        if config.hist_len > 1 or config.speed_history > 1:
            raise RigMismatchError(
                "this checkpoint looks back in steps of 0.25 s, which sessions do not keep"
            )
        declared = list(session.cameras.values())
        self._names[session.uuid] = tuple(_find(camera, declared) for camera in self._cameras)

    def on_session_close(self, session: SessionState) -> None:
        """Forget the session."""
        self._names.pop(session.uuid, None)

    def drive(self, ctx: DriveContext) -> DriveResult:
        """A plan of stamped poses; an empty one, which holds the vehicle, where none is safe."""
        session = ctx.session
        images = self._images(session)
        route = session.route_waypoints_in_rig
        if images is None or len(route) == 0 or not np.isfinite(route[:, :2]).all():
            return DriveResult(Trajectory.empty())
        speed_mps = session.speed_mps()
        if not math.isfinite(speed_mps):
            return DriveResult(Trajectory.empty())
        route_ego_m = ego_from_rig(np.asarray(route, dtype=np.float64)[:, :2])
        line = Polyline(np.vstack([np.zeros(2), route_ego_m]))
        targets = tuple(Target(line.point_at(at), Command.LANE_FOLLOW) for at in TARGETS_M)
        request = PlanRequest(
            images=images[np.newaxis],
            speeds_mps=np.array([speed_mps]),
            ego=EgoState(np.zeros(2), 0.0, speed_mps),
            targets=targets,
            route_world_m=line.points_m,
            checkpoint=self._shared.description.checkpoint,
        )
        return DriveResult(trajectory_of(self._shared.plan(request).plan, ctx.time_now_us))

    def _images(self, session: SessionState) -> NDArray[np.uint8] | None:
        """(N, H, W, 3) RGB; None where one is missing or no image."""
        found = []
        for camera, name in zip(self._cameras, self._names[session.uuid], strict=True):
            frame = session.latest_frame(name)
            if not isinstance(frame, CameraFrame):
                return None
            try:
                image = frame.as_array()
            except OSError as error:
                logger.warning("session %s: %s: %s", session.uuid, name, error)
                return None
            size = (camera.width_px, camera.height_px)
            if image.shape[1::-1] != size:
                image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            found.append(image)
        return np.stack(found)


def add_egodriver(server: grpc.Server, shared: SharedPolicy) -> None:
    """Give a server the contract's services."""
    servicer = EgodriverServicer(EgoDriver(shared), "carla")
    add_EgodriverServiceServicer_to_server(servicer, server)
    add_CarlaVehicleServiceServicer_to_server(servicer, server)


def ego_from_rig(points_rig_m: F64) -> F64:
    """(n, 2) metres from the rear axle, y left, to metres from the middle, y right."""
    return np.asarray(points_rig_m * [1.0, -1.0] - [REAR_AXLE_M, 0.0])


def trajectory_of(plan: Plan, now_us: int) -> Trajectory:
    """The waypoints as poses of the rear axle, stamped from now on; empty where any is not finite.

    Each pose heads along the way from the point before it; where the plan stands it keeps the
    heading.
    """
    waypoints = np.asarray(plan.waypoints_ego_m, dtype=np.float64)
    trajectory = Trajectory.empty()
    if len(waypoints) == 0 or not np.isfinite(waypoints).all():
        return trajectory
    step_us = round(1e6 * plan.waypoint_interval_s)
    before, yaw_rad = np.zeros(2), 0.0
    for number, point in enumerate(waypoints, start=1):
        moved = point - before
        if np.hypot(*moved) > 0.05:
            yaw_rad = math.atan2(moved[1], moved[0])
        axle = point - REAR_AXLE_M * np.array([math.cos(yaw_rad), math.sin(yaw_rad)])
        pose = Pose.from_xyz_yaw(axle[0] + REAR_AXLE_M, -axle[1], 0.0, -yaw_rad)
        trajectory.append(now_us + number * step_us, pose)
        before = point
    return trajectory


def _find(camera: CameraConfig, declared: list[AvailableCamera]) -> str:
    for other in declared:
        if _agrees(camera, other):
            return str(other.logical_id)
    raise RigMismatchError(
        f"no camera of the session is this checkpoint's {camera.name!r}: {camera.fov_deg:g} "
        f"degrees wide, in the rig at x {camera.x_m + REAR_AXLE_M:.2f}, y {-camera.y_m:.2f}, z "
        f"{camera.z_m:.2f} m, looking {-camera.yaw_deg:g} degrees to the left"
    )


def _agrees(camera: CameraConfig, declared: AvailableCamera) -> bool:
    body = optical_to_body(Pose.from_proto(declared.rig_to_camera))
    place = np.array([camera.x_m + REAR_AXLE_M, -camera.y_m, camera.z_m])
    looks = body.rotation_matrix[:, 0]
    ours = camera.extrinsics()[:3, 0] * [1.0, -1.0, 1.0]
    off_deg = math.degrees(math.acos(min(1.0, float(looks @ ours))))
    intrinsics = declared.intrinsics
    focal_px = intrinsics.opencv_pinhole_param.focal_length_x
    if not focal_px > 0.0:
        return False
    fov_deg = math.degrees(2.0 * math.atan(intrinsics.resolution_w / (2.0 * focal_px)))
    near = float(np.linalg.norm(body.position - place)) <= NEAR_M
    return near and off_deg <= NEAR_DEG and abs(fov_deg - camera.fov_deg) <= NEAR_DEG
