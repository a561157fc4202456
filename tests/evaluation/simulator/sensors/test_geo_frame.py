"""Latitude and longitude against the wheel's own map and the leaderboard's formula."""

from __future__ import annotations

from importlib.metadata import version

import carla
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.simulator.sensors.geo_frame import GeoFrame
from tests.evaluation.simulator.tiny_town import straight_road

metres = st.floats(-5000.0, 5000.0)


@pytest.mark.skipif(version("carla") == "0.9.15", reason="this wheel has the older projection")
@given(x_m=metres, y_m=metres)
def test_new_wheel(x_m: float, y_m: float) -> None:
    frame = GeoFrame.of_opendrive(OPENDRIVE, transverse=True, grows_along_y=True)
    expected = TOWN.transform_to_geolocation(carla.Location(x_m, y_m, 3.0))
    latitude, longitude = frame.locate(x_m, y_m)
    # The wheel takes float32 metres.
    assert latitude == pytest.approx(expected.latitude, abs=1e-8)
    assert longitude == pytest.approx(expected.longitude, abs=1e-8)


@pytest.mark.parametrize(
    ("x_m", "y_m", "latitude", "longitude"),
    [
        (0.0, 0.0, 49.0, 8.0),
        (1000.0, 0.0, 49.0, 8.013692598446541),
        (0.0, 1000.0, 48.99101603704085, 8.0),
        (0.0, -1000.0, 49.00898234274703, 8.0),
        (1000.0, -3000.0, 49.02694216789061, 8.013692598446541),
    ],
)
def test_old_wheel(x_m: float, y_m: float, latitude: float, longitude: float) -> None:
    """Values that the 0.9.15 wheel gave."""
    opendrive = straight_road(latitude=49.0, longitude=8.0)
    frame = GeoFrame.of_opendrive(opendrive, transverse=False, grows_along_y=False)
    assert frame.locate(x_m, y_m) == pytest.approx((latitude, longitude), abs=1e-9)


def test_missing_reference_means_carlas_default() -> None:
    frame = GeoFrame.of_opendrive("<OpenDRIVE/>", transverse=False, grows_along_y=False)
    assert frame.locate(0.0, 0.0) == pytest.approx((42.0, 2.0))


OPENDRIVE = straight_road(latitude=49.0, longitude=8.0)
TOWN = carla.Map("tiny", OPENDRIVE)
