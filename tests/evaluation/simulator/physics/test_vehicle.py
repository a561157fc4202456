"""How vehicles move: pedals, steering, grip, ground, switches, and what stays bounded whatever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import atan, degrees, radians
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.simulator.catalogue.vehicle_models import (
    LINCOLN_STEER_SHARE,
    VEHICLE_MODELS,
    VehicleModel,
)
from evaluation.simulator.physics.vehicle import VehicleFleet, VehicleSpec
from evaluation.simulator.physics.vehicle.spec import CARS_STEER_SHARE, CLASSES
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D, VehicleControl
from tests.examples import examples

Floats = NDArray[np.float64]

TICK_S = 0.05
ME = 7
CAR = VehicleSpec.for_class("car", (2.445, 0.92, 0.745))
MOTORCYCLE = VehicleSpec.for_class("motorcycle", (1.1, 0.4, 0.8))
LINCOLN = replace(CAR, steer_share=LINCOLN_STEER_SHARE)
GRIP_MPS2 = 1.55 / 1.4 * 3.5 * 9.81
ORIGIN = Transform()


def level(xy: Floats, _near_z: Floats) -> Floats:
    """Ground at height zero everywhere."""
    return np.zeros(len(xy))


def ramp(rise: float) -> Callable[[Floats, Floats], Floats]:
    """Ground that rises along +x."""
    return lambda xy, _near_z: rise * xy[:, 0]


class Drive:
    """One vehicle on some ground, and short ways to ask about it."""

    def __init__(
        self,
        spec: VehicleSpec = CAR,
        transform: Transform = ORIGIN,
        ground: Callable[[Floats, Floats], Floats] = level,
    ) -> None:
        self.fleet = VehicleFleet()
        self.fleet.add(ME, spec, transform)
        self.ground = ground

    def run(self, seconds: float, control: VehicleControl | None = None) -> Drive:
        """Step for a while, with `control` if given."""
        if control is not None:
            self.fleet.set_control(ME, control)
        for _ in range(round(seconds / TICK_S)):
            self.fleet.step(TICK_S, self.ground)
        return self

    def roll(self, speed_mps: float) -> Drive:
        """Set the speed along the heading, of a vehicle that has been driven: a gear is in."""
        self.fleet.state["gear"][0] = 1
        self.fleet.state["choose_gear"][0] = True
        return self.push(speed_mps)

    def push(self, speed_mps: float) -> Drive:
        """Set the speed along the heading."""
        yaw = self["yaw_rad"]
        self.fleet.set_velocity(ME, Vector3D(speed_mps * np.cos(yaw), speed_mps * np.sin(yaw), 0.0))
        return self

    def __getitem__(self, field: str) -> float:
        return float(self.fleet.state[field][0])

    @property
    def place(self) -> Floats:
        place: Floats = self.fleet.state["position_m"][0].copy()
        return place

    @property
    def forward_mps(self) -> float:
        yaw = self["yaw_rad"]
        velocity = self.fleet.velocities_mps()[0]
        return float(velocity[0] * np.cos(yaw) + velocity[1] * np.sin(yaw))


def seconds_to(kmh: float, drive: Drive) -> float:
    for tick in range(1, 1000):
        drive.run(TICK_S, VehicleControl(throttle=1.0))
        if drive.forward_mps >= kmh / 3.6:
            return tick * TICK_S
    raise AssertionError(f"never reached {kmh} km/h")


# Along the road


def test_a_saloon_reaches_100_kmh_in_eight_to_nine_seconds() -> None:
    assert 8.0 <= seconds_to(100.0, Drive()) <= 9.0


def test_it_drives_straight_without_steer() -> None:
    drive = Drive(transform=Transform(rotation=Rotation(yaw=30.0)))
    drive.run(6.0, VehicleControl(throttle=0.7))
    assert drive.place[0] > 20.0
    assert drive.place[1] == pytest.approx(drive.place[0] * np.tan(radians(30.0)), abs=1e-6)
    assert degrees(drive["yaw_rad"]) == pytest.approx(30.0)


@pytest.mark.parametrize("speed_mps", [5.0, 10.0, 20.0, 30.0])
def test_full_brake_takes_eight_to_nine_and_a_half(speed_mps: float) -> None:
    drive = Drive().roll(speed_mps).run(0.25, VehicleControl(brake=1.0))
    braking_mps, begin_m = drive.forward_mps, drive.place[0]
    drive.run(braking_mps / 7.0 + 0.2)
    assert abs(drive.forward_mps) < 1e-3
    assert 7.5 <= braking_mps**2 / 2.0 / (drive.place[0] - begin_m) <= 9.6


def test_half_throttle_holds_a_town_speed_and_the_engine_drags_without() -> None:
    drive = Drive().roll(8.0).run(10.0, VehicleControl(throttle=0.5))
    assert 30.0 <= drive.forward_mps * 3.6 <= 42.0
    before = drive.forward_mps
    drive.run(1.0, VehicleControl())
    assert 1.0 < before - drive.forward_mps < 3.0


def test_without_input_it_stands_still_and_stops_by_itself() -> None:
    resting = Drive().run(5.0)
    np.testing.assert_array_equal(resting.place, np.zeros(3))
    coasting = Drive().roll(3.0).run(15.0)
    assert abs(coasting.forward_mps) < 1e-3


def test_it_rolls_in_neutral_until_it_gets_throttle() -> None:
    # 1.2 % of its weight for a second: 0.012 x 9.81 m/s; no air.
    rolling = Drive(replace(CAR, drag_coefficient=0.0)).push(10.0).run(1.0)
    assert rolling.forward_mps == pytest.approx(10.0 - 0.11772)
    rolling.run(1.0, VehicleControl(steer=0.0))
    assert rolling.forward_mps == pytest.approx(10.0 - 2.0 * 0.11772)
    assert rolling.fleet.gears()[0] == 0
    assert rolling.run(TICK_S, VehicleControl(throttle=0.01)).fleet.gears()[0] == 1
    before_mps = rolling.forward_mps
    assert rolling.run(1.0, VehicleControl()).forward_mps < before_mps - 1.0
    assert rolling.fleet.gears()[0] > 0


def test_a_vehicle_that_is_rebuilt_without_throttle_is_in_neutral() -> None:
    drive = Drive().run(1.0, VehicleControl(throttle=0.5))
    drive.fleet.rebuild(ME, replace(CAR, mass_kg=2000.0))
    assert drive.run(TICK_S).fleet.gears()[0] == 1
    drive.run(1.0, VehicleControl())
    drive.fleet.set_spec(ME, replace(CAR, tyre_friction=2.0))
    assert drive.run(TICK_S).fleet.gears()[0] == 1
    drive.fleet.rebuild(ME, CAR)
    assert drive.run(TICK_S).fleet.gears()[0] == 0


def test_in_neutral_it_stands_on_slopes_and_rolls_when_it_is_pushed() -> None:
    for rise in (0.1, -0.4):
        standing = Drive(ground=ramp(rise)).run(10.0)
        assert abs(standing.place[0]) < 0.15
        assert abs(standing.forward_mps) < 1e-3
    # Down a slope of a tenth, without air: (0.1 / sqrt(1.01) - 0.012) x 9.81 m/s2 more each second.
    pushed = Drive(replace(CAR, drag_coefficient=0.0), ground=ramp(-0.1)).run(1.0)
    pushed.push(2.0).run(1.0)
    assert pushed.forward_mps == pytest.approx(2.0 + 0.976 - 0.118, abs=0.02)


def test_a_light_throttle_creeps() -> None:
    assert 0.5 < Drive().run(10.0, VehicleControl(throttle=0.3)).forward_mps < 4.0


def test_reverse_goes_backwards_and_reports_it() -> None:
    drive = Drive().run(3.0, VehicleControl(throttle=0.6, reverse=True))
    assert drive.place[0] < -2.0
    assert drive.fleet.gears()[0] == -1


def test_reverse_turns_the_other_way_with_the_same_steer() -> None:
    ahead = Drive().run(3.0, VehicleControl(throttle=0.5, steer=0.4))
    back = Drive().run(3.0, VehicleControl(throttle=0.5, steer=0.4, reverse=True))
    assert ahead["yaw_rad"] > 0.1
    assert back["yaw_rad"] < -0.1


def test_the_box_shifts_up_with_speed_and_down_again() -> None:
    drive = Drive()
    seen = []
    for _ in range(380):
        drive.run(TICK_S, VehicleControl(throttle=1.0))
        seen.append(int(drive.fleet.gears()[0]))
    assert seen == sorted(seen)
    assert seen[0] == 1
    assert set(seen) == {1, 2, 3, 4, 5}
    drive.run(8.0, VehicleControl(brake=0.6))
    assert drive.fleet.gears()[0] == 1


def test_manual_shift_is_honoured() -> None:
    second = VehicleControl(throttle=1.0, manual_gear_shift=True, gear=2)
    drive = Drive().run(1.0, second)
    assert drive.fleet.gears()[0] == 2
    assert drive.forward_mps < Drive().run(1.0, VehicleControl(throttle=1.0)).forward_mps
    neutral = Drive().run(2.0, second._replace(gear=0))
    assert neutral.fleet.gears()[0] == 0
    assert neutral.place[0] == 0.0
    assert neutral.run(2.0, VehicleControl(throttle=1.0)).place[0] > 3.0, "automatic again"
    first_only = Drive().run(30.0, second._replace(gear=1))
    assert (
        first_only.forward_mps < 0.6 * Drive().run(30.0, VehicleControl(throttle=1.0)).forward_mps
    )


def test_the_hand_brake_stops_and_makes_the_rear_slide_on_ice() -> None:
    straight = Drive().roll(15.0).run(6.0, VehicleControl(hand_brake=True))
    assert abs(straight.forward_mps) < 1e-3

    def slip(hand_brake: bool) -> float:
        drive = Drive(replace(CAR, tyre_friction=1.0)).roll(12.0)
        drive.run(0.6, VehicleControl(steer=0.2))
        drive.run(0.7, VehicleControl(steer=0.2, hand_brake=hand_brake))
        velocity = drive.fleet.velocities_mps()[0]
        course = np.arctan2(velocity[1], velocity[0])
        return abs(float(np.angle(np.exp(1j * (course - drive["yaw_rad"])))))

    assert slip(True) > 2.0 * slip(False)


# Around the bend


def hold_circle(speed_mps: float, steer: float, spec: VehicleSpec = CAR) -> float:
    """Return the curvature (1/m) after a while at about constant speed."""
    drive = Drive(spec).roll(speed_mps)
    drive.fleet.set_control(ME, VehicleControl(steer=steer))
    for _ in range(80):
        velocity = drive.fleet.velocities_mps()[0]
        scale = speed_mps / np.hypot(velocity[0], velocity[1])
        drive.fleet.set_velocity(ME, Vector3D(*(velocity * scale).tolist()))
        drive.run(TICK_S)
    return drive["yaw_rate_radps"] / speed_mps


@pytest.mark.parametrize("steer", [0.05, 0.2, 0.5, 0.7])
def test_at_walking_pace_it_is_the_kinematic_bicycle(steer: float) -> None:
    drive = Drive().roll(1.0).run(1.0, VehicleControl(steer=steer))
    angle = drive["wheel_angle_rad"]
    kinematic = np.tan(angle) / CAR.wheelbase_m
    # The origin lies ahead of the rear axle and moves faster than it.
    kinematic /= np.hypot(1.0, kinematic * CAR.rear_axle_m)
    assert hold_circle(1.0, steer) == pytest.approx(kinematic, rel=0.03)


def test_the_lincoln_agrees_with_the_bicycle_of_world_on_rails_at_town_speed() -> None:
    rear_m, front_m, gain = 1.4178275, -0.090769015, 0.36848336
    for steer in (0.1, 0.2, 0.3):
        slip = atan(rear_m / (front_m + rear_m) * np.tan(gain * steer))
        curvature = np.sin(slip) / rear_m
        assert hold_circle(5.5, steer, LINCOLN) == pytest.approx(curvature, rel=0.1)


@pytest.mark.parametrize(
    ("spec", "share"), [(CAR, CARS_STEER_SHARE), (CLASSES["bus"], 1.0), (MOTORCYCLE, 1.0)]
)
def test_others_turn_by_their_share_of_the_nominal_angle(spec: VehicleSpec, share: float) -> None:
    assert hold_circle(3.0, 0.1, spec) == pytest.approx(
        np.tan(0.1 * 0.93 * share * spec.max_steer_rad) / spec.wheelbase_m, rel=0.05
    )


def test_it_holds_the_bends_that_the_traffic_manager_takes() -> None:
    """Its cars take turns of 6 m radius at 7 m/s, which real tyres would not bear."""
    assert hold_circle(7.0, 0.7) > 1.0 / 6.0


@pytest.mark.parametrize(
    "model", [one for one in VEHICLE_MODELS if one.base_type in ("car", "van")]
)
def test_every_car_gets_round_a_right_turn_as_the_traffic_manager_drives_it(
    model: VehicleModel,
) -> None:
    """In the demo town, at the edge of a lane of 6.4 m radius, its cars come to 8.6 m/s and turn
    their wheels by 0.8: whose tyres held 1.4 g came round at 8.3 m and hit who waited there."""
    half_extent_m = (model.size_m[0] / 2.0, model.size_m[1] / 2.0, model.size_m[2] / 2.0)
    spec = VehicleSpec.for_class(model.base_type, half_extent_m, model.steer_share)
    assert hold_circle(8.6, 0.8, spec) > 1.0 / 6.4


def test_it_understeers_at_speed_and_never_exceeds_its_grip() -> None:
    gains = [hold_circle(speed, 0.1) for speed in (3.0, 8.0, 14.0, 20.0)]
    assert gains == sorted(gains, reverse=True)
    drive = Drive().roll(20.0).run(2.0, VehicleControl(steer=1.0, throttle=0.6))
    for _ in range(40):
        drive.run(TICK_S)
        assert np.linalg.norm(drive.fleet.accelerations_mps2()[0]) < 1.1 * GRIP_MPS2


def test_left_mirrors_right() -> None:
    right = Drive().roll(8.0).run(3.0, VehicleControl(throttle=0.5, steer=0.3))
    left = Drive().roll(8.0).run(3.0, VehicleControl(throttle=0.5, steer=-0.3))
    np.testing.assert_allclose(right.place * (1.0, -1.0, 1.0), left.place, atol=1e-9)
    assert right["yaw_rad"] == pytest.approx(-left["yaw_rad"])
    assert right.place[1] > 0.0, "right is +y"
    assert right["yaw_rad"] > 0.0, "turning right is clockwise, positive"


def test_motion_does_not_depend_on_where_it_starts() -> None:
    control = VehicleControl(throttle=0.6, steer=0.2)
    here = Drive().run(5.0, control)
    there = Drive(transform=Transform(Vector3D(300.0, -80.0, 0.0), Rotation(yaw=90.0)))
    there.run(5.0, control)
    moved = there.place - (300.0, -80.0, 0.0)
    np.testing.assert_allclose(moved, (-here.place[1], here.place[0], 0.0), atol=1e-6)


def test_the_wheel_takes_time_to_turn() -> None:
    drive = Drive().run(TICK_S, VehicleControl(steer=1.0))
    first = drive["wheel_angle_rad"]
    drive.run(1.0)
    assert 0.0 < first < 0.3 * drive["wheel_angle_rad"]


@pytest.mark.parametrize("pitch_deg", [360.0, -360.0, 720.0])
def test_a_whole_turn_of_pitch_is_level(pitch_deg: float) -> None:
    """LibCarla's waypoints are pitched by 360 degrees where the road is level."""
    drive = Drive(transform=Transform(rotation=Rotation(pitch=pitch_deg)))
    for _ in range(10):
        drive.run(TICK_S)
        assert drive.fleet.state["pitch_rad"][0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_every_class_drives_turns_and_stops(kind: str) -> None:
    spec = CLASSES[kind]
    drive = Drive(spec).run(8.0, VehicleControl(throttle=1.0))
    assert drive.forward_mps > 5.0
    drive.run(2.0, VehicleControl(throttle=0.3, steer=0.1))
    assert drive["yaw_rad"] > 0.05
    drive.run(8.0, VehicleControl(brake=1.0))
    assert abs(drive.forward_mps) < 1e-3


def test_an_unknown_class_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="tractor"):
        VehicleSpec.for_class("tractor", (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mass_kg", 0.0),
        ("wheel_radius_m", float("nan")),
        ("brake_torque_nm", -1.0),
        ("torque_curve_rpm_nm", ()),
        ("steering_curve_mps", ((20.0, 0.5), (0.0, 1.0))),
        ("gears", ()),
    ],
)
def test_impossible_specifications_are_refused_by_field(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        replace(CAR, **{field: value})


# Whatever is asked


controls = st.builds(
    VehicleControl,
    throttle=st.floats(allow_nan=True, allow_infinity=True),
    steer=st.floats(allow_nan=True, allow_infinity=True),
    brake=st.floats(allow_nan=True, allow_infinity=True),
    hand_brake=st.booleans(),
    reverse=st.booleans(),
    manual_gear_shift=st.booleans(),
    gear=st.integers(-(10**6), 10**6),
)


@examples(15)
@given(
    st.sampled_from(sorted(CLASSES)),
    st.lists(controls, min_size=1, max_size=5),
    st.floats(-40.0, 40.0),
    st.sampled_from([0.01, 0.05, 0.1, 0.5]),
)
def test_motion_is_bounded_for_any_control(
    kind: str, sequence: list[VehicleControl], speed_mps: float, tick_s: float
) -> None:
    drive = Drive(CLASSES[kind])
    drive.fleet.set_velocity(ME, Vector3D(speed_mps, 0.3 * speed_mps, 0.0))
    fastest = max(60.0, 1.1 * abs(speed_mps))
    for control in sequence:
        drive.fleet.set_control(ME, control)
        for _ in range(10):
            drive.fleet.step(tick_s, level)
            state = drive.fleet.state
            assert np.isfinite(state["position_m"]).all()
            assert np.abs(state["velocity_mps"]).max() < fastest
            assert np.abs(state["yaw_rate_radps"]).max() < 12.0
            assert -np.pi <= drive["yaw_rad"] <= np.pi


@examples(15)
@given(
    st.floats(-30.0, 30.0),
    st.floats(-30.0, 30.0),
    st.floats(-3.0, 3.0),
    st.floats(-1.0, 1.0),
    st.floats(0.0, 1.0),
)
def test_without_throttle_energy_only_falls(
    forward_mps: float, right_mps: float, spin_radps: float, steer: float, brake: float
) -> None:
    drive = Drive()
    drive.fleet.set_velocity(ME, Vector3D(forward_mps, right_mps, 0.0))
    drive.fleet.set_angular_velocity(ME, Vector3D(0.0, 0.0, degrees(spin_radps)))
    drive.fleet.set_control(ME, VehicleControl(steer=steer, brake=brake))

    def energy() -> float:
        velocity = drive.fleet.velocities_mps()[0]
        moving = CAR.mass_kg * float(velocity @ velocity)
        return 0.5 * (moving + CAR.yaw_inertia_kgm2 * drive["yaw_rate_radps"] ** 2)

    last = energy()
    for _ in range(15):
        drive.run(TICK_S)
        assert energy() <= last + 1e-9 * (1.0 + last)
        last = energy()


def test_same_controls_same_trace() -> None:
    def trace(seed: int) -> Floats:
        controls = np.random.default_rng(seed).uniform((0, -1, 0), 1, (100, 3)).tolist()
        drive = Drive()
        return np.array(
            [drive.run(TICK_S, VehicleControl(*c)).fleet.transforms()[0] for c in controls]
        )

    np.testing.assert_array_equal(trace(3), trace(3))
    assert not np.array_equal(trace(3), trace(4))


def test_neighbours_do_not_change_the_trace() -> None:
    alone = Drive().run(4.0, VehicleControl(throttle=0.8, steer=0.1))
    crowd = Drive()
    for index, kind in enumerate(sorted(CLASSES)):
        crowd.fleet.add(100 + index, CLASSES[kind], Transform(Vector3D(0.0, 20.0 * index, 0.0)))
        crowd.fleet.set_control(100 + index, VehicleControl(throttle=1.0, steer=-0.5))
    crowd.run(2.0, VehicleControl(throttle=0.8, steer=0.1))
    crowd.fleet.remove(102)
    crowd.run(2.0)
    np.testing.assert_allclose(crowd.place, alone.place, atol=1e-9)


# The ground


def test_it_falls_onto_the_ground_and_settles() -> None:
    drive = Drive(transform=Transform(Vector3D(0.0, 0.0, 0.5)))
    drive.run(TICK_S)
    assert drive.fleet.accelerations_mps2()[0, 2] == pytest.approx(-9.81)
    drive.run(2.0)
    assert drive.place[2] == 0.0
    assert drive["settled"]


@pytest.mark.parametrize("rise", [-0.1, 0.1])
def test_it_follows_a_slope(rise: float) -> None:
    drive = Drive(ground=ramp(rise)).roll(8.0).run(3.0, VehicleControl(throttle=0.7))
    assert drive.place[2] == pytest.approx(rise * drive.place[0], abs=0.02)
    assert drive["pitch_rad"] == pytest.approx(atan(rise), abs=0.005)
    climb = drive.fleet.velocities_mps()[0]
    assert climb[2] == pytest.approx(rise * climb[0], abs=0.05)


def test_a_bank_to_the_right_rolls_to_the_right() -> None:
    drive = Drive(ground=lambda xy, _z: -0.1 * xy[:, 1]).run(1.0, VehicleControl(brake=1.0))
    assert drive["roll_rad"] == pytest.approx(atan(0.1), abs=0.005)


def test_uphill_costs_speed_and_a_slope_moves_an_unbraked_car() -> None:
    up = Drive(ground=ramp(0.1)).run(6.0, VehicleControl(throttle=0.7)).forward_mps
    assert up < Drive().run(6.0, VehicleControl(throttle=0.7)).forward_mps - 1.0
    rolling = Drive(ground=ramp(0.1)).roll(0.0).run(3.0)
    assert rolling.place[0] < -0.3
    held = Drive(ground=ramp(0.1)).run(3.0, VehicleControl(brake=1.0))
    assert abs(held.place[0]) < 0.15


def test_ground_without_height_keeps_the_vehicle_where_it_is() -> None:
    drive = Drive(
        transform=Transform(Vector3D(0.0, 0.0, 3.0)), ground=lambda xy, _z: np.full(len(xy), np.nan)
    )
    drive.run(1.0, VehicleControl(throttle=1.0))
    assert drive.place[2] == 3.0
    assert np.isfinite(drive.fleet.transforms()).all()


def test_below_the_ground_it_falls_and_is_not_lifted() -> None:
    drive = Drive(transform=Transform(Vector3D(0.0, 0.0, -500.0))).run(2.0)
    assert drive.fleet.velocities_mps()[0, 2] == pytest.approx(-2.0 * 9.81)
    assert drive.place[2] == pytest.approx(-500.0 - 0.5 * 9.81 * 2.0**2, rel=0.01)
    drive.fleet.teleport(ME, Transform(Vector3D(0.0, 0.0, 0.2)))
    drive.fleet.set_velocity(ME, Vector3D())
    assert drive.run(2.0).place[2] == 0.0


def test_the_level_near_the_vehicle_is_asked_for() -> None:
    def bridge(_xy: Floats, near_z: Floats) -> Floats:
        return np.where(near_z > 3.0, 6.0, 0.0)

    above = Drive(transform=Transform(Vector3D(0.0, 0.0, 6.2)), ground=bridge).run(2.0)
    below = Drive(transform=Transform(Vector3D(0.0, 0.0, 0.2)), ground=bridge).run(2.0)
    assert (above.place[2], below.place[2]) == (6.0, 0.0)
    below.fleet.teleport(ME, Transform(Vector3D(0.0, 0.0, 6.1)))
    assert below.run(2.0).place[2] == 6.0


# Switches


def test_frozen_bodies_move_only_by_teleport() -> None:
    drive = Drive().roll(10.0).run(0.5)
    drive.fleet.set_simulate_physics(ME, False)
    here = drive.place
    drive.run(1.0, VehicleControl(throttle=1.0)).fleet.set_velocity(ME, Vector3D(5.0, 0.0, 0.0))
    drive.run(1.0)
    np.testing.assert_array_equal(drive.place, here)
    np.testing.assert_array_equal(drive.fleet.velocities_mps()[0], np.zeros(3))
    drive.fleet.teleport(ME, Transform(Vector3D(1.0, 2.0, -500.0), Rotation(yaw=270.0)))
    drive.run(1.0)
    np.testing.assert_array_equal(drive.place, (1.0, 2.0, -500.0))
    assert drive["yaw_rad"] == pytest.approx(radians(-90.0))
    drive.fleet.teleport(ME, Transform())
    drive.fleet.set_simulate_physics(ME, True)
    assert drive.run(2.0).place[0] > 1.0


def test_target_velocity_moves_at_once_and_then_physics_take_over() -> None:
    drive = Drive()
    drive.fleet.set_velocity(ME, Vector3D(6.0, 0.0, 0.0))
    drive.run(TICK_S)
    assert drive.place[0] == pytest.approx(6.0 * TICK_S, rel=0.03)
    drive.fleet.set_velocity(ME, Vector3D(0.0, 6.0, 0.0))
    drive.run(2.0)
    assert abs(drive.fleet.velocities_mps()[0, 1]) < 0.1, "tyres do not roll sideways"


def test_constant_velocity_holds_in_the_body_frame_until_switched_off() -> None:
    drive = Drive(transform=Transform(rotation=Rotation(yaw=90.0)))
    drive.fleet.set_constant_velocity(ME, Vector3D(9.0, 0.0, 0.0))
    drive.run(2.0, VehicleControl(brake=1.0))
    np.testing.assert_allclose(drive.place, (0.0, 18.0, 0.0), atol=0.5)
    np.testing.assert_allclose(drive.fleet.velocities_mps()[0], (0.0, 9.0, 0.0), atol=1e-6)
    drive.fleet.set_constant_velocity(ME, None)
    assert abs(drive.run(2.0).forward_mps) < 0.01


def test_without_gravity_the_height_stays() -> None:
    drive = Drive(transform=Transform(Vector3D(0.0, 0.0, 4.0)))
    drive.fleet.set_gravity(ME, False)
    assert drive.run(1.0).place[2] == 4.0
    drive.fleet.set_gravity(ME, True)
    assert drive.run(3.0).place[2] == 0.0


@pytest.mark.parametrize(("gravity", "friction"), [(True, 0.0), (False, 3.5)])
def test_no_speed_is_lost_without_friction_or_weight(gravity: bool, friction: float) -> None:
    drive = Drive(replace(CAR, tyre_friction=friction, drag_coefficient=0.0)).run(0.5)
    drive.fleet.set_gravity(ME, gravity)
    drive.roll(27.778).run(2.0, VehicleControl(brake=1.0))
    assert drive.forward_mps == pytest.approx(27.778, abs=1e-3)


def test_impulses_change_velocity_by_mass() -> None:
    drive = Drive()
    drive.fleet.add_impulse(ME, Vector3D(CAR.mass_kg * 2.0, 0.0, 0.0))
    assert drive.forward_mps == pytest.approx(2.0)
    drive.fleet.add_angular_impulse(ME, Vector3D(0.0, 0.0, CAR.yaw_inertia_kgm2))
    assert drive["yaw_rate_radps"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "control"),
    [
        ({"mass_kg": 3.0 * CAR.mass_kg}, VehicleControl(throttle=1.0)),
        ({"max_rpm": 2500.0}, VehicleControl(throttle=1.0)),
    ],
)
def test_a_heavier_or_slower_turning_engine_makes_it_slower(
    change: dict[str, Any], control: VehicleControl
) -> None:
    drive = Drive()
    drive.fleet.set_spec(ME, replace(CAR, **change))
    assert drive.run(8.0, control).forward_mps < 0.8 * Drive().run(8.0, control).forward_mps


def test_less_friction_brakes_longer_and_less_lock_turns_wider() -> None:
    ice = Drive(replace(CAR, tyre_friction=0.3)).roll(10.0).run(0.8, VehicleControl(brake=1.0))
    assert (
        ice.forward_mps > Drive().roll(10.0).run(0.8, VehicleControl(brake=1.0)).forward_mps + 3.0
    )
    assert hold_circle(3.0, 0.5, replace(CAR, max_steer_rad=0.5)) < 0.6 * hold_circle(3.0, 0.5)


# Read-outs and membership


def test_acceleration_is_the_change_of_velocity() -> None:
    drive = Drive().roll(6.0).run(1.0, VehicleControl(throttle=0.8, steer=0.3))
    before = drive.fleet.velocities_mps()[0].copy()
    drive.run(TICK_S)
    change = (drive.fleet.velocities_mps()[0] - before) / TICK_S
    np.testing.assert_allclose(drive.fleet.accelerations_mps2()[0], change)


def test_velocity_and_yaw_rate_are_the_change_of_the_pose() -> None:
    drive = Drive().roll(8.0).run(1.0, VehicleControl(throttle=0.6, steer=0.2))
    place, yaw = drive.place, drive["yaw_rad"]
    rates = []
    drive.run(TICK_S)
    rates.append(drive["yaw_rate_radps"])
    moved = (drive.place - place) / TICK_S
    np.testing.assert_allclose(moved, drive.fleet.velocities_mps()[0], rtol=0.02, atol=0.15)
    assert (drive["yaw_rad"] - yaw) / TICK_S == pytest.approx(rates[0], rel=0.03)


def test_angular_velocity_has_unreals_signs() -> None:
    drive = Drive(transform=Transform(rotation=Rotation(yaw=90.0)))
    drive.fleet.state["pitch_rate_radps"] = 0.2
    drive.fleet.state["yaw_rate_radps"] = 0.5
    np.testing.assert_allclose(
        drive.fleet.angular_velocities_radps()[0], (0.2, 0.0, 0.5), atol=1e-12
    )


def test_rows_follow_the_actors() -> None:
    fleet = VehicleFleet()
    for actor_id in (5, 3, 9):
        fleet.add(actor_id, CAR, Transform(Vector3D(float(actor_id), 0.0, 0.0)))
    with pytest.raises(ValueError, match="3"):
        fleet.add(3, CAR, Transform())
    fleet.remove(5)
    assert fleet.actor_ids.tolist() == [3, 9]
    assert (fleet.row(9), len(fleet), 5 in fleet, 9 in fleet) == (1, 2, False, True)
    assert fleet.state["position_m"][fleet.row(9), 0] == 9.0
    with pytest.raises(KeyError):
        fleet.set_control(5, VehicleControl())


def test_an_empty_fleet_steps() -> None:
    fleet = VehicleFleet()
    fleet.step(TICK_S, level)
    assert fleet.transforms().shape == (0, 6)
