"""Street lamps follow the sun, and clients."""

from __future__ import annotations

from typing import Any

import carla
import numpy as np
import pytest

from evaluation.servers.saved_world import restore_world, save_world
from evaluation.simulator.town.scenery import StreetLamps
from evaluation.simulator.wire.codec import WeatherParameters, WireError
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.world.street_lights import NOMINAL_LUMEN, NOMINAL_RGB, StreetLights
from tests.evaluation.simulator.client_session import ClientSession
from tests.evaluation.simulator.server_process import RunningSimulator

LAMPS = StreetLamps(
    np.array([[1.0, 2.0, 7.0], [40.0, 2.0, 7.0]], np.float32), np.array([7.0, 7.0], np.float32)
)
DAY = WeatherParameters()._replace(sun_altitude_angle=45.0)
NIGHT = WeatherParameters()._replace(sun_altitude_angle=-30.0)


@pytest.fixture
def lights() -> StreetLights:
    return StreetLights(LAMPS)


def burning(lights: StreetLights) -> list[bool]:
    shines = [bool(rgb.any()) for rgb in lights.shine_rgb()]
    assert shines == [record[5] for record in lights.records()]
    return shines


def told(number: int, *, active: bool, lumen: float = 5000.0) -> list[Any]:
    return [number, [0.0, 0.0, 0.0], lumen, 2, [0, 300, 255], active]


def test_they_burn_at_night(lights: StreetLights) -> None:
    assert burning(lights) == [False, False]
    lights.see(NIGHT)
    assert burning(lights) == [True, True]
    np.testing.assert_allclose(lights.shine_rgb()[0], np.array(NOMINAL_RGB) / 255.0, atol=1e-6)
    lights.see(DAY)
    assert burning(lights) == [False, False]


def test_what_a_client_told_holds_until_the_sun_switches(lights: StreetLights) -> None:
    lights.tell([told(1, active=True)])
    assert burning(lights) == [False, True]
    assert (lights.take_change(), lights.take_change()) == (True, False)
    np.testing.assert_allclose(lights.shine_rgb()[1], (0.0, 1.0, 1.0))
    lights.see(DAY._replace(cloudiness=80.0))
    assert burning(lights) == [False, True]
    lights.see(NIGHT)
    lights.tell([told(0, active=False)])
    assert burning(lights) == [False, True]
    assert lights.records()[1][4] == list(NOMINAL_RGB)


def test_without_the_cycle_the_sun_switches_nothing(lights: StreetLights) -> None:
    lights.follow_sun(enabled=False)
    lights.see(NIGHT)
    assert burning(lights) == [False, False]
    lights.tell([told(0, active=True, lumen=NOMINAL_LUMEN / 2)])
    np.testing.assert_allclose(lights.shine_rgb()[0], (0.0, 0.5, 0.5))


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (told(2, active=True), CallError),
        (told(-1, active=True), CallError),
        (told(0, active=True, lumen=float("nan")), WireError),
        (told(0, active=True, lumen=-1.0), WireError),
        ([0, [0.0, 0.0, 0.0], 1.0, 2, [1, 2, 3], 1], WireError),
        ([0], WireError),
        ("lamp", WireError),
    ],
)
def test_wrong_records_change_nothing(
    lights: StreetLights, record: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        lights.tell([told(0, active=True), record])
    assert burning(lights) == [False, False]


def test_the_clients_light_manager(demo_simulator: RunningSimulator) -> None:
    with ClientSession(demo_simulator.port) as session:
        world = session.world
        world.set_weather(carla.WeatherParameters.ClearNight)
        session.ticks(2)
        manager = world.get_lightmanager()
        lamps = manager.get_all_lights(carla.LightGroup.Street)
        assert len(lamps) > 20
        assert len(manager.get_turned_on_lights(carla.LightGroup.Street)) == len(lamps)
        assert lamps[0].location.z > 5.0
        manager.turn_off(lamps[:5])
        manager.set_color(lamps[5:6], carla.Color(255, 0, 0))
        session.ticks(2)
        again = carla.Client("127.0.0.1", demo_simulator.port).get_world().get_lightmanager()
        assert len(again.get_turned_off_lights(carla.LightGroup.Street)) == 5
        reds = [again.get_color([lamp])[0] for lamp in lamps]
        assert sum((red.r, red.g, red.b) == (255, 0, 0) for red in reds) == 1

        saved = save_world(demo_simulator.port)
        world.set_weather(carla.WeatherParameters.ClearNoon)
        session.ticks(1)
        restore_world(demo_simulator.port, saved)
        restored = carla.Client("127.0.0.1", demo_simulator.port).get_world().get_lightmanager()
        assert len(restored.get_turned_off_lights(carla.LightGroup.Street)) == 5
