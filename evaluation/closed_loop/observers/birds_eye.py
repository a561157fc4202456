"""The surroundings of the ego vehicle from above: lane edges, route, vehicles, plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import carla
import cv2
import numpy as np
from numpy.typing import NDArray

from agent.overlay import BACKGROUND, ROUTE_COLOUR, TARGET_COLOUR, WAYPOINT_COLOUR, Drawing
from evaluation.routes.dense_route import DenseRoute

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Colour = tuple[int, int, int]

EDGE_STEP_M = 2.0
AHEAD_SHARE = 0.7
"""Part of the image's height that lies in front of the ego."""
EDGE_COLOUR: Colour = (96, 104, 112)
GLOBAL_ROUTE_COLOUR: Colour = (56, 88, 70)
VEHICLE_COLOUR: Colour = (176, 190, 197)
WALKER_COLOUR: Colour = (255, 138, 101)
EGO_COLOUR: Colour = (236, 239, 241)
ROUTE_WIDTH_M = 2.0


@dataclass(frozen=True)
class Body:
    """A road user as a rectangle: centre (2,), yaw, half length and width, and whether it walks."""

    centre_world_m: F64
    yaw_rad: float
    half_extent_m: tuple[float, float]
    walks: bool = False

    def corners_world_m(self) -> F64:
        """(4, 2) corners in order."""
        along = np.array([math.cos(self.yaw_rad), math.sin(self.yaw_rad)])
        across = np.array([-along[1], along[0]])
        length_m, width_m = self.half_extent_m
        signs = ((1, 1), (1, -1), (-1, -1), (-1, 1))
        return np.array(
            [self.centre_world_m + a * length_m * along + b * width_m * across for a, b in signs]
        )


class BirdsEye:
    """Draws the map of one route; `metres` are shown from the lower to the upper edge."""

    def __init__(
        self, world_map: carla.Map, route: DenseRoute, width_px: int, height_px: int, metres: float
    ) -> None:
        self._edges_world_m = lane_edges(world_map)
        self._route_world_m = route.points_world_m[:, :2]
        self._size_px = (width_px, height_px)
        self._px_per_m = height_px / metres
        self._reach_m = math.hypot(width_px, height_px) / self._px_per_m

    def draw(self, ego: Body, others: Sequence[Body], drawing: Drawing) -> U8:
        """(height, width, 3) RGB; the ego points up."""
        width_px, height_px = self._size_px
        canvas = np.full((height_px, width_px, 3), BACKGROUND, dtype=np.uint8)
        self._draw_route(canvas, ego)
        near = np.abs(self._edges_world_m[:, 0] - ego.centre_world_m).max(axis=1) < self._reach_m
        edges_px = self._pixels(self._edges_world_m[near].reshape(-1, 2), ego).reshape(-1, 2, 2)
        cv2.polylines(canvas, list(edges_px), False, EDGE_COLOUR, 1, cv2.LINE_AA)
        for body in others:
            colour = WALKER_COLOUR if body.walks else VEHICLE_COLOUR
            cv2.fillPoly(canvas, [self._pixels(body.corners_world_m(), ego)], colour, cv2.LINE_AA)
        cv2.fillPoly(canvas, [self._pixels(ego.corners_world_m(), ego)], EGO_COLOUR, cv2.LINE_AA)
        self._draw_plan(canvas, drawing)
        return canvas

    def _draw_route(self, canvas: U8, ego: Body) -> None:
        offsets_m = np.abs(self._route_world_m - ego.centre_world_m).max(axis=1)
        pixels = self._pixels(self._route_world_m, ego)
        thickness = max(1, round(ROUTE_WIDTH_M * self._px_per_m))
        shown = np.flatnonzero(offsets_m < self._reach_m)
        for stretch in np.split(shown, np.flatnonzero(np.diff(shown) > 1) + 1):
            cv2.polylines(canvas, [pixels[stretch]], False, GLOBAL_ROUTE_COLOUR, thickness)

    def _draw_plan(self, canvas: U8, drawing: Drawing) -> None:
        if drawing.plan is not None:
            route_px = self._pixels_of_ego(drawing.plan.route_ego_m)
            cv2.polylines(canvas, [route_px], False, ROUTE_COLOUR, 2, cv2.LINE_AA)
            for point in self._pixels_of_ego(drawing.plan.waypoints_ego_m):
                cv2.circle(canvas, _pair(point), 2, WAYPOINT_COLOUR, -1, cv2.LINE_AA)
        limits = np.array(self._size_px) - 5
        for point in self._pixels_of_ego(drawing.targets_ego_m)[:1]:
            cv2.circle(canvas, _pair(np.clip(point, 4, limits)), 4, TARGET_COLOUR, -1, cv2.LINE_AA)

    def _pixels(self, points_world_m: F64, ego: Body) -> NDArray[np.int32]:
        cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        offsets_m = points_world_m - ego.centre_world_m
        return self._pixels_of_ego(offsets_m @ np.array([[cos, -sin], [sin, cos]]))

    def _pixels_of_ego(self, points_ego_m: F64) -> NDArray[np.int32]:
        points = np.asarray(points_ego_m, dtype=np.float64).reshape(-1, 2)
        points = points[np.isfinite(points).all(axis=1)]
        width_px, height_px = self._size_px
        columns = 0.5 * width_px + points[:, 1] * self._px_per_m
        rows = AHEAD_SHARE * height_px - points[:, 0] * self._px_per_m
        return np.clip(np.round(np.stack([columns, rows], axis=1)), -9999, 9999).astype(np.int32)


def _pair(point: NDArray[np.int32]) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def lane_edges(world_map: carla.Map) -> F64:
    """(n, 2, 2) short pieces of both edges of every driving lane, world frame."""
    places, directions, widths = [], [], []
    for waypoint in world_map.generate_waypoints(EDGE_STEP_M):
        if waypoint.is_junction:
            continue
        transform = waypoint.transform
        yaw_rad = math.radians(transform.rotation.yaw)
        places.append((transform.location.x, transform.location.y))
        directions.append((math.cos(yaw_rad), math.sin(yaw_rad)))
        widths.append(waypoint.lane_width)
    if not places:
        return np.empty((0, 2, 2))
    place, along = np.array(places), np.array(directions)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * 0.5 * np.array(widths)[:, None]
    sides = np.concatenate([place + across, place - across])
    half_m = 0.5 * EDGE_STEP_M * np.concatenate([along, along])
    return np.stack([sides - half_m, sides + half_m], axis=1)
