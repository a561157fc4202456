"""Run by an interpreter that has carla 0.9.15: drives a session and prints what it saw as JSON."""

from __future__ import annotations

import json
import queue
import sys

import carla


def main(port: int) -> None:
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    world = client.load_world("tiny", False)
    library = world.get_blueprint_library()
    pose = carla.Transform(carla.Location(50.0, 1.75, 0.3))
    ego = world.spawn_actor(library.find("vehicle.lincoln.mkz_2020"), pose)
    mount = carla.Transform(carla.Location(0.0, 0.0, 1.5))
    gnss = world.spawn_actor(library.find("sensor.other.gnss"), mount, attach_to=ego)
    camera_type = library.find("sensor.camera.rgb")
    camera_type.set_attribute("image_size_x", "64")
    camera_type.set_attribute("image_size_y", "48")
    camera = world.spawn_actor(camera_type, mount, attach_to=ego)
    fixes: queue.Queue[carla.GnssMeasurement] = queue.Queue()
    images: queue.Queue[carla.Image] = queue.Queue()
    gnss.listen(fixes.put)
    camera.listen(images.put)
    pose.location.x = 100.0
    manager = client.get_trafficmanager(int(sys.argv[2]))
    manager.set_synchronous_mode(True)
    spawn = carla.command.SpawnActor(library.find("vehicle.audi.tt"), pose)
    autopilot = carla.command.SetAutopilot(carla.command.FutureActor, True, manager.get_port())
    (response,) = client.apply_batch_sync([spawn.then(autopilot)], False)
    for _ in range(60):
        world.tick()
    car = world.get_actor(response.actor_id)
    fix = fixes.get(timeout=20.0)
    expected = world.get_map().transform_to_geolocation(ego.get_location())
    seen = {
        "client": client.get_client_version(),
        "server": client.get_server_version(),
        "base_type": ego.attributes["base_type"],
        "color": ego.attributes["color"],
        "box_length_m": 2.0 * ego.bounding_box.extent.x,
        "speed_limit_kmh": ego.get_speed_limit(),
        "latitude_error_deg": fix.latitude - expected.latitude,
        "longitude_error_deg": fix.longitude - expected.longitude,
        "image_bytes": len(images.get(timeout=20.0).raw_data),
        "error": response.error,
        "car_speed_mps": car.get_velocity().length(),
        "car_offset_m": abs(car.get_location().y - 1.75),
    }
    for sensor in (gnss, camera):
        sensor.stop()
        sensor.destroy()
    client.apply_batch([carla.command.DestroyActor(actor) for actor in (ego, car)])
    world.tick()
    manager.set_synchronous_mode(False)
    settings.synchronous_mode = False
    world.apply_settings(settings)
    manager.shut_down()
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
