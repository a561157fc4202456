"""The plan that an agent is given: dense points as GPS and as world coordinates, thinned by it."""

from __future__ import annotations

import math
import re

import carla

from evaluation.routes.dense_route import DenseRoute
from planner.records import Command

EARTH_RADIUS_M = 6378137.0


DEFAULT_REFERENCE_DEG = (42.0, 2.0)
"""Latitude and longitude that the leaderboard takes for a map without a geographic reference."""


GpsPlan = list[tuple[dict[str, float], Command]]


WorldPlan = list[tuple[carla.Transform, Command]]


def geo_reference_deg(opendrive: str) -> tuple[float, float]:
    """Latitude and longitude of the map's origin, from its <geoReference>."""
    text = "".join(re.findall(r"<geoReference>(.*?)</geoReference>", opendrive, re.DOTALL))
    latitude = re.search(r"\+lat_0=([-+0-9.eE]+)", text)
    longitude = re.search(r"\+lon_0=([-+0-9.eE]+)", text)
    return (
        float(latitude[1]) if latitude else DEFAULT_REFERENCE_DEG[0],
        float(longitude[1]) if longitude else DEFAULT_REFERENCE_DEG[1],
    )


def gps_from_world(
    x_m: float, y_m: float, reference_deg: tuple[float, float]
) -> tuple[float, float]:
    """Latitude and longitude in degrees, by the leaderboard's Mercator formula
    (leaderboard/utils/route_manipulation.py); latitude falls as y grows."""
    scale = math.cos(math.radians(reference_deg[0]))
    east_m = scale * math.radians(reference_deg[1]) * EARTH_RADIUS_M + x_m
    half_rad = math.radians(90.0 + reference_deg[0]) / 2.0
    north_m = scale * EARTH_RADIUS_M * math.log(math.tan(half_rad)) - y_m
    latitude_rad = 2.0 * math.atan(math.exp(north_m / (EARTH_RADIUS_M * scale))) - math.pi / 2.0
    return math.degrees(latitude_rad), math.degrees(east_m / (EARTH_RADIUS_M * scale))


def plans_of(route: DenseRoute, opendrive: str) -> tuple[GpsPlan, WorldPlan]:
    """What the leaderboard hands to an agent's set_global_plan: the dense route twice."""
    reference_deg = geo_reference_deg(opendrive)
    gps_plan: GpsPlan = []
    world_plan: WorldPlan = []
    for point, yaw_rad, command in zip(
        route.points_world_m, route.yaw_rad, route.commands, strict=True
    ):
        x, y, z = (float(value) for value in point)
        latitude, longitude = gps_from_world(x, y, reference_deg)
        gps_plan.append(({"lat": latitude, "lon": longitude, "z": z}, command))
        transform = carla.Transform(
            carla.Location(x, y, z), carla.Rotation(yaw=math.degrees(float(yaw_rad)))
        )
        world_plan.append((transform, command))
    return gps_plan, world_plan
