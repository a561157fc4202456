"""What vehicles tell of engine and wheels, against the laws that the numbers have to obey."""

from __future__ import annotations

import math

import carla
import numpy as np
import pytest

from evaluation.simulator.physics.vehicle import VehicleFleet, VehicleSpec
from evaluation.simulator.physics.vehicle.spec import CAR
from evaluation.simulator.physics.vehicle.telemetry import VehicleTelemetry, telemetry
from evaluation.simulator.wire.codec import Transform, Vector3D, VehicleControl
from tests.evaluation.simulator.client_session import DELTA_S, ClientSession, pose

MASS_KG, RADIUS_M = 1700.0, 0.355


def fleet(spec: VehicleSpec = CAR, speed_mps: float = 0.0) -> VehicleFleet:
    vehicles = VehicleFleet()
    vehicles.add(7, spec, Transform())
    vehicles.set_velocity(7, Vector3D(speed_mps, 0.0, 0.0))
    return vehicles


def drive(vehicles: VehicleFleet, control: VehicleControl, ticks: int) -> VehicleTelemetry:
    for _ in range(ticks):
        vehicles.set_control(7, control)
        vehicles.step(DELTA_S, lambda places, _heights: np.zeros(len(places)))
    return telemetry(vehicles, 7, DELTA_S)


def test_a_vehicle_at_rest_only_weighs() -> None:
    told = drive(fleet(), VehicleControl(), 20)
    assert (told.speed, told.drag, told.gear, told.engine_rpm) == (0.0, 0.0, 0, 800.0)
    assert sum(wheel.tire_load for wheel in told.wheels) == pytest.approx(MASS_KG * 9.81)
    # The front axle is 1.43 m ahead, the rear one 1.42 m behind.
    assert told.wheels[0].tire_load == pytest.approx(MASS_KG * 9.81 * 1.42 / 2.85 / 2.0)
    for wheel in told.wheels:
        assert wheel.tire_friction == pytest.approx(3.5)
        assert wheel.normalized_tire_load == 1.0
        assert wheel[1:4] == (0.0, 0.0, 0.0)
        assert (wheel.long_force, wheel.lat_force) == (0.0, 0.0)


def test_forces_of_the_wheels_are_what_changes_the_speed() -> None:
    vehicles = fleet(speed_mps=20.0)
    drive(vehicles, VehicleControl(), 20)
    before = drive(vehicles, VehicleControl(brake=0.5), 20)
    after = drive(vehicles, VehicleControl(brake=0.5), 1)
    force_n = sum(wheel.long_force for wheel in before.wheels)
    assert (before.throttle, before.brake, before.steer) == (0.0, 0.5, 0.0)
    assert force_n < -1000.0
    assert (after.speed - before.speed) / DELTA_S * MASS_KG == pytest.approx(force_n, rel=0.02)
    for wheel in before.wheels:
        assert wheel.omega == pytest.approx(before.speed / RADIUS_M)
        assert wheel.torque == pytest.approx(-wheel.long_force * RADIUS_M)
        share = abs(wheel.long_force) / wheel.tire_load
        assert wheel.normalized_long_force == pytest.approx(share)


def test_engine_and_air() -> None:
    vehicles = fleet(speed_mps=10.0)
    told = drive(vehicles, VehicleControl(throttle=0.6, manual_gear_shift=True, gear=2), 10)
    assert told.gear == 2
    # Gear 2.5, axle 4.0; 0.5 x 1.2 kg/m3 x 0.3 x 3.4 x 0.92 m x 0.75 m.
    turns_per_min = told.speed / RADIUS_M * 10.0 * 60.0 / (2.0 * math.pi)
    assert told.engine_rpm == pytest.approx(turns_per_min)
    assert told.drag == pytest.approx(0.6 * 0.3 * 3.4 * 0.92 * 0.75 * told.speed**2)


def test_in_a_bend_the_tyres_push_inwards() -> None:
    vehicles = fleet(speed_mps=10.0)
    drive(vehicles, VehicleControl(throttle=0.5, steer=0.2), 40)
    told = drive(vehicles, VehicleControl(throttle=0.5, steer=0.2), 1)
    yaw_rate = float(vehicles.state["yaw_rate_radps"][0])
    assert yaw_rate > 0.1
    force_n = sum(wheel.lat_force for wheel in told.wheels)
    # The front wheels stand askew, and the speed changes a little.
    assert force_n == pytest.approx(MASS_KG * told.speed * yaw_rate, rel=0.1)
    for wheel in told.wheels:
        # To the right; what is pushed to the right slips to the left.
        assert wheel.lat_force > 0.0
        assert -10.0 < wheel.lat_slip < 0.0


def test_telling_changes_nothing() -> None:
    vehicles = fleet(speed_mps=12.0)
    drive(vehicles, VehicleControl(throttle=0.5, steer=0.1), 30)
    before = vehicles.state.tobytes()
    telemetry(vehicles, 7, DELTA_S)
    assert vehicles.state.tobytes() == before
    with pytest.raises(KeyError):
        telemetry(vehicles, 8, DELTA_S)


def test_without_contact_there_are_no_forces() -> None:
    vehicles = fleet(speed_mps=12.0)
    drive(vehicles, VehicleControl(), 5)
    vehicles.set_gravity(7, enabled=False)
    told = drive(vehicles, VehicleControl(brake=1.0), 5)
    for wheel in told.wheels:
        assert (wheel.tire_load, wheel.normalized_tire_load) == (0.0, 0.0)
        assert (wheel.long_force, wheel.lat_force, wheel.torque) == (0.0, 0.0, 0.0)


def test_wheels_roll() -> None:
    vehicles = fleet(speed_mps=7.1)
    # 10 m/s hold: 0.5 m a tick, of a wheel of 0.355 m 80.70 degrees.
    vehicles.set_constant_velocity(7, Vector3D(10.0, 0.0, 0.0))
    drive(vehicles, VehicleControl(), 1)
    start = vehicles.state["wheel_pitch_deg"][0].copy()
    drive(vehicles, VehicleControl(), 10)
    rolled = math.degrees(10 * 0.5 / RADIUS_M)
    assert vehicles.state["wheel_pitch_deg"][0] == pytest.approx(start - rolled)
    drive(vehicles, VehicleControl(), 20)
    # More than five turns: counted anew.
    expected = math.fmod(start[0] - 3 * rolled, 1800.0)
    assert vehicles.state["wheel_pitch_deg"][0] == pytest.approx(expected)
    vehicles.set_constant_velocity(7, Vector3D(-10.0, 0.0, 0.0))
    before = vehicles.state["wheel_pitch_deg"][0].copy()
    drive(vehicles, VehicleControl(reverse=True), 2)
    assert (vehicles.state["wheel_pitch_deg"][0] > before).all()


def test_only_without_physics_wheels_can_be_turned(session: ClientSession) -> None:
    car = session.spawn("vehicle.lincoln.mkz_2020", pose(50.0, 1.75))
    session.ticks(20)
    assert car.get_wheel_pitch_angle(carla.VehicleWheelLocation.FL_Wheel) == pytest.approx(0.0)
    car.set_wheel_pitch_angle(carla.VehicleWheelLocation.FL_Wheel, 30.0)
    session.ticks(1)
    assert car.get_wheel_pitch_angle(carla.VehicleWheelLocation.FL_Wheel) == pytest.approx(0.0)
    car.set_simulate_physics(False)
    car.set_wheel_pitch_angle(carla.VehicleWheelLocation.FL_Wheel, 30.0)
    session.ticks(2)
    assert car.get_wheel_pitch_angle(carla.VehicleWheelLocation.FL_Wheel) == pytest.approx(30.0)
    assert car.get_wheel_pitch_angle(carla.VehicleWheelLocation.BR_Wheel) == pytest.approx(0.0)


def test_the_official_client_reads_it(session: ClientSession) -> None:
    car = session.spawn("vehicle.lincoln.mkz_2020", pose(50.0, 1.75))
    session.ticks(20)
    car.apply_control(carla.VehicleControl(throttle=0.7))
    session.ticks(60)
    told = car.get_telemetry_data()
    assert told.speed == pytest.approx(car.get_velocity().x, abs=1e-3)
    assert told.throttle == pytest.approx(0.7)
    assert told.gear == car.get_control().gear
    assert len(told.wheels) == 4
    assert told.wheels[0].long_force > 0.0
    assert told.wheels[0].omega == pytest.approx(
        told.speed / (car.get_physics_control().wheels[0].radius / 100.0), rel=1e-3
    )
    fixed = session.spawn("vehicle.lincoln.mkz_2020", pose(0.0, 0.0, 5.0), car)
    with pytest.raises(RuntimeError, match="has no physics"):
        fixed.get_telemetry_data()
    car.show_debug_telemetry(True)
    session.ticks(1)
