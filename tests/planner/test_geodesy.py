"""Solving for the geo reference and telling the projections of CARLA's versions apart."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.geodesy import GeoReference, GnssLocator, Projection
from tests.planner.leaderboard_source import official_function

TICK_S = 0.05
NOISE_DEG = 5e-6
references = st.builds(GeoReference, st.floats(-60, 60), st.floats(-170, 170))
coordinates_m = st.floats(-8e3, 8e3)


def plan_gps(
    reference_deg: tuple[float, float], point_m: tuple[float, float]
) -> tuple[float, float]:
    """The plan's formula as the leaderboard has it, in its own steps (degrees, map metres)."""
    lat_0, lon_0 = reference_deg
    radius_m = 6378137.0
    scale = math.cos(math.radians(lat_0))
    map_x = scale * lon_0 * math.pi * radius_m / 180.0 + point_m[0]
    map_y = scale * radius_m * math.log(math.tan((90.0 + lat_0) * math.pi / 360.0)) - point_m[1]
    lon = map_x * 180.0 / (math.pi * radius_m * scale)
    lat = 360.0 * math.atan(math.exp(map_y / (radius_m * scale))) / math.pi - 90.0
    return lat, lon


@given(references, coordinates_m, coordinates_m, st.sampled_from(Projection))
def test_conversion_round_trip(
    reference: GeoReference, x_m: float, y_m: float, projection: Projection
) -> None:
    fix = reference.gps_from_world((x_m, y_m), projection)
    assert np.allclose(reference.world_from_gps(*fix, projection), (x_m, y_m), atol=1e-5)


@given(
    st.tuples(st.floats(-60, 60), st.floats(-170, 170)),
    st.lists(st.tuples(coordinates_m, coordinates_m), min_size=1, max_size=5),
)
def test_reference_is_solved_from_any_number_of_points(
    reference_deg: tuple[float, float], points_m: list[tuple[float, float]]
) -> None:
    gps = np.array([plan_gps(reference_deg, point) for point in points_m])
    solved = GeoReference.solve(gps, np.array(points_m))
    assert solved.latitude_deg == pytest.approx(reference_deg[0], abs=1e-9)
    assert solved.longitude_deg == pytest.approx(reference_deg[1], abs=1e-9)
    assert solved.residual_m < 1e-3
    fix = plan_gps(reference_deg, (123.0, -456.0))
    assert np.allclose(solved.world_from_gps(*fix), (123.0, -456.0), atol=1e-3)


@pytest.mark.parametrize("point_m", [(0.0, 0.0), (3000.0, -5000.0), (-7321.5, 12.0), (80.0, 0.0)])
def test_agrees_with_the_official_plan(point_m: tuple[float, float]) -> None:
    location_to_gps = official_function("_location_to_gps")
    location = SimpleNamespace(x=point_m[0], y=point_m[1], z=1.5)
    gps = location_to_gps(42.0, 2.0, location)
    assert plan_gps((42.0, 2.0), point_m) == pytest.approx([gps["lat"], gps["lon"]], abs=1e-12)
    solved = GeoReference.solve([[gps["lat"], gps["lon"]]], [point_m])
    assert (solved.latitude_deg, solved.longitude_deg) == pytest.approx((42.0, 2.0), abs=1e-9)


@pytest.mark.parametrize(
    ("point_m", "gps_deg"),
    [
        # carla.Map.transform_to_geolocation of the 0.9.16 wheel, reference 42 N, 2 E
        ((1000.0, 0.0), (41.99999936541488, 2.0120928614928366)),
        ((0.0, 1000.0), (42.008986747540206, 2.0)),
        ((3000.0, -5000.0), (41.95506056003455, 2.0362529930324724)),
    ],
)
def test_transverse_mercator_is_that_of_carla_0_9_16(
    point_m: tuple[float, float], gps_deg: tuple[float, float]
) -> None:
    reference = GeoReference(42.0, 2.0)
    back_m = reference.world_from_gps(*gps_deg, Projection.TRANSVERSE_MERCATOR)
    assert np.allclose(back_m, point_m, atol=1e-3)
    fix = reference.gps_from_world(point_m, Projection.TRANSVERSE_MERCATOR)
    assert fix == pytest.approx(gps_deg, abs=1e-10)


@pytest.mark.parametrize(
    ("gps", "world", "message"),
    [
        ([[1.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]], "shape"),
        ([[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]], "shape"),
        (np.empty((0, 2)), np.empty((0, 2)), "no point"),
        ([[math.nan, 2.0]], [[1.0, 2.0]], "no point"),
    ],
)
def test_bad_plans_are_refused(gps: object, world: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GeoReference.solve(gps, world)  # type: ignore[arg-type]


def test_points_that_are_not_finite_are_left_out() -> None:
    gps = [plan_gps((10.0, 20.0), (5.0, 6.0)), [math.nan, 1.0]]
    solved = GeoReference.solve(gps, [[5.0, 6.0], [0.0, 0.0]])
    assert solved.latitude_deg == pytest.approx(10.0)


def test_a_plan_in_another_projection_shows_in_the_residual() -> None:
    reference = GeoReference(42.0, 2.0)
    world = np.array([[0.0, 0.0], [0.0, 900.0]])
    gps = [reference.gps_from_world(point, Projection.MERCATOR_MIRRORED) for point in world]
    assert GeoReference.solve(gps, world).residual_m > 100.0


def drive(
    projection: Projection,
    start_m: tuple[float, float],
    yaw_rad: float,
    seconds: float,
    offset_m: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
) -> tuple[GnssLocator, float]:
    """Stand for 2 s, then drive straight at 8 m/s; the locator and its last error in metres."""
    rng = np.random.default_rng(seed)
    reference = GeoReference(42.0, 2.0)
    locator = GnssLocator(reference, start_m)
    position_m = np.array(start_m) + offset_m
    error_m = math.nan
    for tick in range(round(seconds / TICK_S)):
        speed_mps = 8.0 if tick > 40 else 0.0
        position_m += speed_mps * TICK_S * np.array([math.cos(yaw_rad), math.sin(yaw_rad)])
        fix = np.array(reference.gps_from_world(position_m, projection))
        fix += rng.normal(0.0, NOISE_DEG, 2)
        found_m = locator.step(fix[0], fix[1], yaw_rad, speed_mps, TICK_S)
        error_m = float(np.linalg.norm(found_m - position_m))
    return locator, error_m


@pytest.mark.parametrize("projection", list(Projection))
@pytest.mark.parametrize("start_m", [(3000.0, -5000.0), (-4000.0, 2500.0)])
def test_projection_is_known_within_two_seconds_far_from_the_axis(
    projection: Projection, start_m: tuple[float, float]
) -> None:
    locator, error_m = drive(projection, start_m, yaw_rad=1.0, seconds=2.0)
    assert locator.decided
    assert locator.projection is projection
    assert error_m < 3.0


@pytest.mark.parametrize("projection", list(Projection))
@pytest.mark.parametrize("yaw_rad", [math.pi / 2, -math.pi / 2, 2.5])
@pytest.mark.parametrize("offset_m", [(0.0, 0.0), (1.5, -1.5)])
def test_a_start_at_y_zero_is_resolved_by_driving(
    projection: Projection, yaw_rad: float, offset_m: tuple[float, float]
) -> None:
    waiting, error_m = drive(projection, (150.0, 0.0), yaw_rad, 2.0, offset_m)
    assert not waiting.decided
    assert error_m < 6.0
    locator, error_m = drive(projection, (150.0, 0.0), yaw_rad, 7.0, offset_m)
    assert locator.decided
    assert locator.projection.mirrored == projection.mirrored
    assert error_m < 3.0


@pytest.mark.parametrize("projection", list(Projection))
def test_driving_along_the_axis_needs_no_decision(projection: Projection) -> None:
    locator, error_m = drive(projection, (150.0, 0.0), yaw_rad=0.0, seconds=10.0)
    assert not locator.decided
    assert error_m < 3.0


def test_missing_fixes_are_counted_and_do_not_decide() -> None:
    reference = GeoReference(42.0, 2.0)
    locator = GnssLocator(reference, (0.0, 500.0))
    for latitude_deg in (math.nan, math.inf):
        assert np.isnan(locator.step(latitude_deg, 2.0, 0.0, 0.0, TICK_S)).all()
    assert locator.warnings.total() == 2
    fix = reference.gps_from_world((0.0, 500.0), Projection.MERCATOR_MIRRORED)
    found_m = locator.step(*fix, math.nan, math.nan, TICK_S)
    assert np.allclose(found_m, (0.0, 500.0), atol=1e-6)
    assert locator.projection is not Projection.MERCATOR
