"""The parking lane is looked for where one can be near, and nowhere else."""

from __future__ import annotations

from types import SimpleNamespace

import carla
import pytest

from evaluation.scoring.criteria.outside_lanes import NearestParking


class Strip:
    """A map with one parking lane along the x axis, or none; it counts how often it is asked."""

    def __init__(self, exists: bool = True) -> None:
        self.exists = exists
        self.asked = 0

    def get_waypoint(self, location: carla.Location, lane_type: carla.LaneType) -> object:
        self.asked += 1
        assert lane_type == carla.LaneType.Parking
        place = carla.Location(location.x, 0.0, 0.0)
        return SimpleNamespace(transform=carla.Transform(place)) if self.exists else None


def test_a_map_without_any_is_asked_once() -> None:
    strip = Strip(exists=False)
    parking = NearestParking(strip)
    assert all(parking.within(carla.Location(x, 0.0, 0.0), 9.0) is None for x in range(100))
    assert strip.asked == 1


@pytest.mark.parametrize("step_m", [0.3, 7.0])
def test_the_same_as_asking_every_time(step_m: float) -> None:
    strip = Strip()
    parking, y_m = NearestParking(strip), 50.0
    while y_m > -20.0:
        found = parking.within(carla.Location(3.0, y_m, 0.0), 2.5)
        assert (found is not None) == (abs(y_m) <= 2.5)
        y_m -= step_m
    assert strip.asked < 70.0 / 0.3
