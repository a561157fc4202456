"""Satellite receiver, inertial unit, collision detector and camera, read by the official client."""

from __future__ import annotations

import math
import queue

import carla
import numpy as np
import pytest

from tests.evaluation.simulator.client_session import ClientSession, pose
from tests.evaluation.simulator.server_process import RunningSimulator

EGO = "vehicle.lincoln.mkz_2020"
METRES_PER_DEGREE = math.radians(1.0) * 6378137.0


def test_gnss_agrees_with_the_clients_map(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(200.0, -1.75))
    mount = carla.Transform(carla.Location(1.0, 0.0, 2.0))
    sensor = session.spawn("sensor.other.gnss", mount, ego)
    readings = session.listen(sensor)
    reading = session.read(readings, session.ticks(3))
    expected = session.world.get_map().transform_to_geolocation(sensor.get_location())
    assert reading.latitude == pytest.approx(expected.latitude, abs=1e-9)
    assert reading.longitude == pytest.approx(expected.longitude, abs=1e-9)
    assert reading.altitude == pytest.approx(sensor.get_location().z, abs=1e-5)
    assert reading.transform.location.x == pytest.approx(201.0, abs=1e-3)


def test_gnss_noise_has_the_wanted_spread(session: ClientSession) -> None:
    deviation_deg, bias_deg = 5e-6, 2e-5
    noise = {"noise_lat_stddev": deviation_deg, "noise_lon_stddev": deviation_deg}
    sensor = session.spawn(
        "sensor.other.gnss", pose(100.0, 1.75), None, noise_lon_bias=bias_deg, **noise
    )
    readings = session.listen(sensor)
    last = session.ticks(300)
    samples = [readings.get(timeout=5.0)]
    while samples[-1].frame < last:
        samples.append(readings.get(timeout=5.0))
    assert len(samples) == 300
    exact = session.world.get_map().transform_to_geolocation(carla.Location(100.0, 1.75, 0.3))
    error = np.array(
        [(s.latitude - exact.latitude, s.longitude - exact.longitude) for s in samples]
    )
    assert error.std(axis=0) == pytest.approx([deviation_deg] * 2, rel=0.2)
    assert error.mean(axis=0) == pytest.approx([0.0, bias_deg], abs=1e-6)


def test_imu_feels_gravity_turns_and_north(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(100.0, 1.75))
    readings = session.listen(session.spawn("sensor.other.imu", carla.Transform(), ego))
    still = session.read(readings, session.ticks(20))
    assert still.accelerometer.z == pytest.approx(9.81, abs=0.05)
    assert abs(still.accelerometer.x) < 0.05
    assert still.compass == pytest.approx(math.pi / 2, abs=1e-3)
    session.world.set_imui_sensor_gravity(1.5)
    assert session.world.get_imui_sensor_gravity() == pytest.approx(1.5)
    assert session.read(readings, session.ticks(1)).accelerometer.z == pytest.approx(1.5, abs=0.05)
    session.world.set_imui_sensor_gravity(9.81)
    ego.apply_control(carla.VehicleControl(throttle=0.6))
    assert session.read(readings, session.ticks(20)).accelerometer.x > 0.5
    ego.apply_control(carla.VehicleControl(throttle=0.4, steer=0.4))
    turning = session.read(readings, session.ticks(20))
    yaw_rate_radps = math.radians(ego.get_angular_velocity().z)
    assert turning.gyroscope.z == pytest.approx(yaw_rate_radps, abs=1e-4)
    assert turning.gyroscope.z > 0.1
    assert turning.accelerometer.y > 0.3
    assert turning.compass > math.pi / 2 + 0.05


def test_imu_noise_depends_on_its_seed_only(session: ClientSession) -> None:
    noise = {f"noise_accel_stddev_{axis}": 0.1 for axis in "xyz"}
    sensors = [
        session.spawn("sensor.other.imu", pose(50.0, 1.75), None, noise_seed=seed, **noise)
        for seed in (1, 1, 2)
    ]
    queues = [session.listen(sensor) for sensor in sensors]
    frame = session.ticks(2)
    values = [session.read(readings, frame).accelerometer.x for readings in queues]
    assert len(set(values)) == 3


def test_sensor_tick_thins_readings_out(session: ClientSession) -> None:
    sensor = session.spawn("sensor.other.gnss", pose(50.0, 1.75), None, sensor_tick=0.2)
    readings = session.listen(sensor)
    session.ticks(40)
    frames = [readings.get(timeout=5.0).frame for _ in range(10)]
    assert np.diff(frames).tolist() == [4] * 9
    with pytest.raises(queue.Empty):
        readings.get(timeout=0.2)


def test_collision_reports_the_other_and_the_impulse(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(100.0, 1.75))
    wall = session.spawn("vehicle.audi.tt", pose(110.0, 1.75))
    readings = session.listen(session.spawn("sensor.other.collision", carla.Transform(), ego))
    session.ticks(5)
    ego.set_target_velocity(carla.Vector3D(12.0, 0.0, 0.0))
    session.ticks(20)
    event = readings.get(timeout=5.0)
    assert event.actor.id == ego.id
    assert event.other_actor.id == wall.id
    assert event.other_actor.type_id == "vehicle.audi.tt"
    assert event.normal_impulse.x < -1000.0
    assert abs(event.normal_impulse.y) < 0.2 * abs(event.normal_impulse.x)
    assert wall.get_velocity().x > 1.0


def test_client_side_sensor_can_be_spawned(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(100.0, 1.75))
    sensor = session.spawn("sensor.other.lane_invasion", carla.Transform(), ego)
    readings = session.listen(sensor)
    session.ticks(5)
    ego.set_target_velocity(carla.Vector3D(3.0, -6.0, 0.0))
    session.ticks(20)
    assert readings.get(timeout=5.0).crossed_lane_markings


def test_camera_sends_images(session: ClientSession, tiny_simulator: RunningSimulator) -> None:
    if tiny_simulator.renderer is None:
        pytest.skip("needs OpenGL over EGL: apt-get install libegl1 libgl1")
    ego = session.spawn(EGO, pose(100.0, 1.75))
    size = {"image_size_x": 160, "image_size_y": 96, "fov": 90}
    mount = carla.Transform(carla.Location(2.6, 0.0, 1.5))
    front = session.spawn("sensor.camera.rgb", mount, ego, **size)
    up = carla.Transform(carla.Location(0.0, 0.0, 2.0), carla.Rotation(pitch=80.0))
    sky = session.spawn("sensor.camera.rgb", up, ego, **size)
    queues = [session.listen(sensor) for sensor in (front, sky)]
    frame = session.ticks(5)
    images = [session.read(readings, frame) for readings in queues]
    for image in images:
        assert (image.width, image.height, image.fov) == (160, 96, 90.0)
        assert len(image.raw_data) == 160 * 96 * 4
    images = [np.frombuffer(image.raw_data, np.uint8).reshape(96, 160, 4) for image in images]
    road, sky_image = images[0][80:], images[1][:48]
    # Blue dominates the sky; the road is grey.
    assert sky_image[..., 0].mean() > sky_image[..., 2].mean() + 10
    assert abs(float(road[..., 0].mean()) - float(road[..., 2].mean())) < 40
    assert (images[0][..., 3] == 255).all()


def test_bad_attributes_are_refused(session: ClientSession) -> None:
    with pytest.raises(RuntimeError, match="image_size_x"):
        session.spawn("sensor.camera.rgb", pose(0.0, 0.0), None, image_size_x=0)
    for side_px in (4097, 8192, 10**9):
        with pytest.raises(RuntimeError, match=r"image_size_x.* 1 to 4096 pixels"):
            session.spawn("sensor.camera.rgb", pose(0.0, 0.0), None, image_size_x=side_px)
    for fov_deg in (200.0, 0.0, -1.0):
        with pytest.raises(RuntimeError, match="fov"):
            session.spawn("sensor.camera.rgb", pose(0.0, 0.0), None, fov=fov_deg)


def test_a_slower_camera_shows_its_tick_whatever_follows(session: ClientSession) -> None:
    """It is drawn after the tick's answer, but before anything else happens to the world."""
    ego = session.spawn(EGO, pose(100.0, 1.75))
    mount = carla.Transform(carla.Location(1.0, 0.0, 2.0))
    size = {"image_size_x": 64, "image_size_y": 32}
    always = session.listen(session.spawn("sensor.camera.rgb", mount, ego, **size))
    slower = session.listen(session.spawn("sensor.camera.rgb", mount, ego, sensor_tick=0.1, **size))
    wanted: dict[int, bytes] = {}
    got: dict[int, bytes] = {}
    for number in range(6):
        frame = session.ticks(1)
        # Sent before the image of the tick can be drawn, and not waited for.
        ego.set_transform(pose(100.0 + 7.0 * number, 1.75))
        image = session.read(always, frame)
        wanted[frame] = bytes(image.raw_data)
    while len(got) < 3:
        image = slower.get(timeout=5.0)
        got[image.frame] = bytes(image.raw_data)
    assert len(set(got.values())) == 3, "the ego has moved"
    assert {frame: wanted[frame] for frame in got} == got
