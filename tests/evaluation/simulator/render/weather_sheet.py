"""Towns by weathers on one sheet, as a camera of the official client sees them.

    python -m tests.evaluation.simulator.render.weather_sheet --towns-folder DIR --out FILE.jpg

The simulator's README shows one. Each town is seen from a car that comes up to its first
traffic light, with cars in front of it; their lamps are on at night.
"""

from __future__ import annotations

import argparse
import queue
import tempfile
from pathlib import Path

import carla
import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.servers.embedded import Server, ServerSettings

TOWNS = ("Demo", "Generated101", "Town01", "Town04", "Town10HD")
WEATHERS = ("ClearNoon", "WetCloudySunset", "HardRainNoon", "FoggyMorning", "ClearNight")
SIZE = (480, 270)
BEFORE_LIGHT_M = 24.0

FOG = carla.WeatherParameters(
    cloudiness=70.0, sun_altitude_angle=18.0, fog_density=45.0, fog_distance=5.0, wetness=20.0
)


def weather_of(name: str) -> carla.WeatherParameters:
    """CARLA's preset of that name, and a fog that CARLA has no preset for."""
    return FOG if name == "FoggyMorning" else getattr(carla.WeatherParameters, name)


def approach(world: carla.World) -> carla.Waypoint:
    """The lane before the first traffic light's stop line."""
    lights = world.get_actors().filter("traffic.traffic_light")
    for light in sorted(lights, key=lambda one: one.id):
        for stop in light.get_stop_waypoints():
            before = stop.previous(BEFORE_LIGHT_M)
            if before and not before[0].is_junction:
                return before[0]
    return world.get_map().get_waypoint(world.get_map().get_spawn_points()[0].location)


def spawn_cars(world: carla.World, start: carla.Waypoint) -> list[carla.Actor]:
    """Cars in the lane ahead and in the lanes beside it, their driving lamps on."""
    library = world.get_blueprint_library()
    models = ("vehicle.tesla.model3", "vehicle.audi.tt", "vehicle.carlamotors.firetruck")
    places = [
        start.next(12.0),
        start.next(BEFORE_LIGHT_M + 30.0),
        start.next(BEFORE_LIGHT_M + 55.0),
    ]
    cars = []
    for model, ahead in zip(models, places, strict=True):
        if not ahead:
            continue
        pose = ahead[-1].transform
        pose.location.z += 0.3
        car = world.try_spawn_actor(library.find(model), pose)
        if car is not None:
            lamps = carla.VehicleLightState.LowBeam | carla.VehicleLightState.Position
            car.set_light_state(carla.VehicleLightState(lamps | carla.VehicleLightState.Brake))
            cars.append(car)
    return cars


def images_of(world: carla.World) -> list[NDArray[np.uint8]]:
    """One image a weather, each (height, width, 3) BGR."""
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    world.tick()
    start = approach(world)
    spawn_cars(world, start)
    blueprint = world.get_blueprint_library().find("sensor.camera.rgb")
    for name, value in zip(("image_size_x", "image_size_y"), SIZE, strict=True):
        blueprint.set_attribute(name, str(value))
    pose = start.transform
    pose.location += carla.Location(z=2.2)
    pose.rotation.pitch = -4.0
    camera = world.spawn_actor(blueprint, pose)
    received: queue.Queue[carla.Image] = queue.Queue()
    camera.listen(received.put)
    images = []
    for name in WEATHERS:
        world.set_weather(weather_of(name))
        frame = world.tick()
        image = received.get(timeout=60.0)
        while image.frame < frame:
            image = received.get(timeout=60.0)
        pixels = np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)
        images.append(pixels[:, :, :3].copy())
    camera.destroy()
    return images


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--towns-folder", type=Path, required=True, metavar="DIR")
    parser.add_argument("--towns", nargs="+", default=TOWNS, metavar="TOWN")
    parser.add_argument("--out", type=Path, default=Path("out/weathers.jpg"), metavar="FILE")
    parser.add_argument("--width", type=int, default=1600, metavar="PX", help="of the sheet")
    parsed = parser.parse_args()
    rows = []
    settings = ServerSettings(towns_folder=parsed.towns_folder)
    with tempfile.TemporaryDirectory() as folder, Server(settings, Path(folder) / "log") as server:
        client = carla.Client("127.0.0.1", server.port)
        client.set_timeout(120.0)
        for town in parsed.towns:
            rows.append(np.hstack(images_of(client.load_world(town))))
            print(town, flush=True)
    sheet = np.vstack(rows)
    height = round(sheet.shape[0] * parsed.width / sheet.shape[1])
    small = cv2.resize(sheet, (parsed.width, height), interpolation=cv2.INTER_AREA)
    parsed.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(parsed.out), small, [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
