"""Traffic in the demonstration town: the client's traffic manager and the traffic lights."""

from __future__ import annotations

from collections.abc import Iterator

import carla
import pytest

from evaluation.servers.ports import free_port
from tests.evaluation.simulator.client_session import ClientSession
from tests.evaluation.simulator.server_process import RunningSimulator

CARS = 5


@pytest.fixture
def demo(demo_simulator: RunningSimulator) -> Iterator[ClientSession]:
    with ClientSession(demo_simulator.port) as session:
        yield session


def test_traffic_manager_drives_in_lane(demo: ClientSession) -> None:
    with demo.traffic_manager() as manager:
        manager.set_random_device_seed(3)
        town = demo.world.get_map()
        points = town.get_spawn_points()
        cars = [demo.spawn("vehicle.tesla.model3", point) for point in points[: CARS * 8 : 8]]
        demo.ticks(1)
        starts = [car.get_location() for car in cars]
        for car in cars:
            car.set_autopilot(True, manager.get_port())
        demo.ticks(100)
        places = [car.get_location() for car in cars]
        moved = [place.distance(start) for place, start in zip(places, starts, strict=True)]
        assert sum(distance > 8.0 for distance in moved) >= CARS - 1
        for place in places:
            assert town.get_waypoint(place).transform.location.distance(place) < 1.0


def test_lights_cycle_and_obey(demo: ClientSession) -> None:
    lights = list(demo.world.get_actors().filter("traffic.traffic_light"))
    assert lights
    assert len({light.get_opendrive_id() for light in lights}) == len(lights)
    demo.world.reset_all_traffic_lights()
    demo.ticks(1)
    states = [light.state for light in lights]
    assert carla.TrafficLightState.Green in states
    assert carla.TrafficLightState.Red in states
    light = lights[0]
    assert light.id in [mate.id for mate in light.get_group_traffic_lights()]
    assert light.get_light_boxes()
    light.set_green_time(4.0)
    light.set_state(carla.TrafficLightState.Green)
    demo.world.freeze_all_traffic_lights(True)
    demo.ticks(2)
    assert light.state == carla.TrafficLightState.Green
    assert light.get_green_time() == pytest.approx(4.0)
    assert light.is_frozen()
    demo.world.freeze_all_traffic_lights(False)
    demo.world.reset_all_traffic_lights()


def test_vehicle_before_a_light_is_told_of_it(demo: ClientSession) -> None:
    light = next(iter(demo.world.get_actors().filter("traffic.traffic_light")))
    stop = light.get_stop_waypoints()[0]
    place = stop.transform
    place.location.z += 0.3
    car = demo.spawn("vehicle.lincoln.mkz_2020", place)
    light.set_state(carla.TrafficLightState.Red)
    demo.world.freeze_all_traffic_lights(True)
    demo.ticks(3)
    # The stop waypoint lies in the trigger volume; the front of a car there may be past it.
    for _ in range(12):
        if car.is_at_traffic_light():
            break
        back = stop.previous(0.5)
        stop = back[0] if back else stop
        pose = stop.transform
        pose.location.z += 0.1
        car.set_transform(pose)
        demo.ticks(2)
    assert car.is_at_traffic_light()
    assert car.get_traffic_light().id == light.id
    assert car.get_traffic_light_state() == carla.TrafficLightState.Red
    demo.world.freeze_all_traffic_lights(False)


def test_registration_of_a_dead_traffic_manager_is_dropped(
    demo_simulator: RunningSimulator,
) -> None:
    from tests.evaluation.simulator.test_server_process import RawPeer

    port = free_port()
    peer = RawPeer(demo_simulator.port)
    assert peer.call("add_traffic_manager_running", ["127.0.0.1", port]) == [[1, True]]
    other = RawPeer(demo_simulator.port)
    assert other.call("is_traffic_manager_running", port) == [[1, True]]
    assert other.call("get_traffic_manager_running", port) == [[1, ["127.0.0.1", port]]]
    peer.socket.close()
    answers = [other.call("is_traffic_manager_running", port) for _ in range(50)]
    assert answers[-1] == [[1, False]]
    assert other.call("get_traffic_manager_running", port) == [[1, ["", 0]]]


def test_town_lists_its_objects(demo: ClientSession) -> None:
    label = carla.CityObjectLabel
    buildings = demo.world.get_environment_objects(label.Buildings)
    assert buildings
    assert {item.type for item in buildings} == {label.Buildings}
    assert all(item.bounding_box.extent.z > 0.5 for item in buildings)
    assert len({item.id for item in buildings}) == len(buildings)
    assert len(demo.world.get_level_bbs(label.Buildings)) == len(buildings)
    heads = demo.world.get_level_bbs(label.TrafficLight)
    assert len(heads) >= len(demo.world.get_actors().filter("traffic.traffic_light"))
    box = buildings[0].bounding_box
    above = box.location + carla.Location(z=box.extent.z + 10.0)
    met = demo.world.cast_ray(above, box.location)
    assert met[0].label == label.Buildings
    assert met[0].location.z == pytest.approx(box.location.z + box.extent.z, abs=0.01)
