"""What a vehicle is made of: one frozen record per vehicle, derived from its class and its size.

The numbers are plausible ones for the class, tuned so that the response resembles CARLA's: a
saloon needs 8 to 9 s from rest to 100 km/h and holds 30 to 40 km/h at half throttle (CARLA's engine
drag is large). Steering and grip are those that CARLA's traffic manager is tuned for: front wheels
that turn by 70 degrees (`max_steer_angle`, the default of LibCarla's WheelPhysicsControl) times
Unreal's steering curve, of which cars and vans have a share (`CARS_STEER_SHARE`), and tyres whose
friction is the coefficient that CARLA shows (3.5). The traffic manager takes bends at up to 1 g:
with the grip of real tyres its cars leave their lanes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, radians

from evaluation.simulator.physics.bodies import box_inertia_kgm2

KMH_PER_MPS = 3.6
GRAVITY_MPS2 = 9.81
AIR_DENSITY_KGPM3 = 1.2

# In PhysX a tyre's friction is a plain coefficient. CARLA's cars plough rather than spin: the rear
# axle has more grip than the front one.
FRONT_GRIP_PER_TYRE_FRICTION = 1.0
REAR_GRIP_PER_TYRE_FRICTION = 1.55 / 1.4


# Of cars and vans. With the whole nominal angle the traffic manager's cars cut the corners of
# towns, with much less they do not get round: chosen by `python -m tests.benchmarks.traffic`,
# between 1 and the 0.72 of the one car of CARLA's of which a fit was published (World on Rails).
# Lorries and buses, with their axles farther apart, run wide with less than the whole.
CARS_STEER_SHARE = 0.85

_POSITIVE = ("mass_kg", "front_axle_m", "rear_axle_m", "wheel_radius_m", "max_rpm", "final_ratio")
_NOT_NEGATIVE = (
    "max_steer_rad",
    "steer_share",
    "tyre_friction",
    "damping_full_throttle",
    "damping_zero_throttle",
    "gear_switch_s",
    "drag_coefficient",
    "brake_torque_nm",
    "handbrake_torque_nm",
)


@dataclass(frozen=True)
class Gear:
    """One forward gear: its ratio, and the shares of the maximal revs at which the box shifts."""

    ratio: float
    down_ratio: float = 0.35
    up_ratio: float = 0.7


@dataclass(frozen=True)
class VehicleSpec:
    """Body, steering, tyres, engine and brakes of one vehicle.

    The origin of the actor is the middle of the body on the ground; axles are given by their
    distances ahead of and behind it. Curves are tuples of points sorted by their first value.
    """

    half_extent_m: tuple[float, float, float]
    mass_kg: float
    front_axle_m: float
    rear_axle_m: float
    half_track_m: float
    wheel_radius_m: float
    wheel_count: int = 4
    max_steer_rad: float = radians(70.0)
    # What is left of the nominal wheel angle; see `VehicleModel`.
    steer_share: float = 1.0
    steering_curve_mps: tuple[tuple[float, float], ...] = (
        (0.0, 1.0),
        (20.0 / KMH_PER_MPS, 0.9),
        (60.0 / KMH_PER_MPS, 0.8),
        (120.0 / KMH_PER_MPS, 0.7),
    )
    tyre_friction: float = 3.5
    # Lateral force per load and slip angle; a stiffer rear makes the vehicle understeer.
    front_stiffness_per_rad: float = 17.0
    rear_stiffness_per_rad: float = 20.0
    torque_curve_rpm_nm: tuple[tuple[float, float], ...] = (
        (0.0, 265.0),
        (1500.0, 290.0),
        (4000.0, 305.0),
        (6000.0, 230.0),
    )
    max_rpm: float = 6000.0
    damping_full_throttle: float = 0.05
    damping_zero_throttle: float = 0.35
    gears: tuple[Gear, ...] = (Gear(2.9), Gear(2.5), Gear(2.1), Gear(1.7), Gear(1.3))
    final_ratio: float = 4.0
    automatic: bool = True
    gear_switch_s: float = 0.25
    front_drive_share: float = 0.5
    drag_coefficient: float = 0.3
    brake_torque_nm: float = 1080.0
    handbrake_torque_nm: float = 2200.0

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing could be computed; `ValueError` names the field."""
        for field in _POSITIVE:
            value = getattr(self, field)
            if not (isfinite(value) and value > 0.0):
                raise ValueError(f"vehicle {field}: expected a finite number above 0, got {value}")
        for field in _NOT_NEGATIVE:
            value = getattr(self, field)
            if not (isfinite(value) and value >= 0.0):
                raise ValueError(f"vehicle {field}: expected a finite number >= 0, got {value}")
        for field in ("torque_curve_rpm_nm", "steering_curve_mps"):
            places = [place for place, _ in getattr(self, field)]
            if not places or places != sorted(places):
                raise ValueError(f"vehicle {field}: expected points in rising order, got {places}")
        if not self.gears:
            raise ValueError("vehicle gears: expected at least one forward gear")

    @property
    def wheelbase_m(self) -> float:
        """Distance between the axles."""
        return self.front_axle_m + self.rear_axle_m

    @property
    def yaw_inertia_kgm2(self) -> float:
        """Moment of inertia about the vertical."""
        return box_inertia_kgm2(self.mass_kg, self.half_extent_m)

    @property
    def drag_area_m2(self) -> float:
        """Drag coefficient times frontal area."""
        return self.drag_coefficient * 3.4 * self.half_extent_m[1] * self.half_extent_m[2]

    @classmethod
    def for_class(
        cls,
        kind: str,
        half_extent_m: tuple[float, float, float],
        steer_share: float | None = None,
    ) -> VehicleSpec:
        """Derive the vehicle of class `kind` whose body has this half extent.

        `kind` is car, van, truck, bus, motorcycle or bicycle (CARLA's base types); any other raises
        `ValueError`.
        """
        try:
            template = CLASSES[kind]
        except KeyError:
            known = ", ".join(sorted(CLASSES))
            raise ValueError(f"vehicle class: expected one of {known}; got {kind!r}") from None
        length_scale = half_extent_m[0] / template.half_extent_m[0]
        volume_scale = 1.0
        for wanted, given in zip(half_extent_m, template.half_extent_m, strict=True):
            volume_scale *= wanted / given
        # Mass grows with volume, but engines and brakes grow along with it: same response.
        load_scale = min(max(volume_scale, 0.5), 2.0)
        return replace(
            template,
            half_extent_m=half_extent_m,
            steer_share=template.steer_share if steer_share is None else steer_share,
            mass_kg=template.mass_kg * load_scale,
            front_axle_m=template.front_axle_m * length_scale,
            rear_axle_m=template.rear_axle_m * length_scale,
            half_track_m=min(template.half_track_m, 0.9 * half_extent_m[1])
            if template.wheel_count > 2
            else template.half_track_m,
            torque_curve_rpm_nm=tuple(
                (rpm, torque * load_scale) for rpm, torque in template.torque_curve_rpm_nm
            ),
            damping_full_throttle=template.damping_full_throttle * load_scale,
            damping_zero_throttle=template.damping_zero_throttle * load_scale,
            brake_torque_nm=template.brake_torque_nm * load_scale,
            handbrake_torque_nm=template.handbrake_torque_nm * load_scale,
        )


CAR = VehicleSpec(
    half_extent_m=(2.45, 0.92, 0.75),
    mass_kg=1700.0,
    front_axle_m=1.43,
    rear_axle_m=1.42,
    half_track_m=0.8,
    wheel_radius_m=0.355,
    steer_share=CARS_STEER_SHARE,
)

VAN = VehicleSpec(
    half_extent_m=(2.8, 1.0, 1.2),
    mass_kg=2300.0,
    front_axle_m=1.7,
    rear_axle_m=1.7,
    half_track_m=0.87,
    wheel_radius_m=0.37,
    steer_share=CARS_STEER_SHARE,
    torque_curve_rpm_nm=((0.0, 290.0), (1500.0, 330.0), (3500.0, 320.0), (5000.0, 250.0)),
    max_rpm=5000.0,
    damping_full_throttle=0.07,
    damping_zero_throttle=0.45,
    drag_coefficient=0.36,
    brake_torque_nm=1600.0,
    handbrake_torque_nm=3000.0,
)

TRUCK = VehicleSpec(
    half_extent_m=(4.0, 1.3, 1.75),
    mass_kg=7500.0,
    front_axle_m=2.3,
    rear_axle_m=2.5,
    half_track_m=1.1,
    wheel_radius_m=0.5,
    tyre_friction=3.0,
    torque_curve_rpm_nm=((0.0, 1100.0), (1000.0, 1300.0), (2200.0, 1250.0), (3200.0, 900.0)),
    max_rpm=3200.0,
    damping_full_throttle=0.6,
    damping_zero_throttle=6.0,
    gears=(Gear(4.0), Gear(3.0), Gear(2.2), Gear(1.6), Gear(1.2)),
    final_ratio=4.5,
    gear_switch_s=0.4,
    front_drive_share=0.0,
    drag_coefficient=0.6,
    brake_torque_nm=6400.0,
    handbrake_torque_nm=12000.0,
)

BUS = replace(
    TRUCK,
    half_extent_m=(5.13, 1.45, 1.75),
    mass_kg=9500.0,
    front_axle_m=2.8,
    rear_axle_m=2.9,
    half_track_m=1.15,
    brake_torque_nm=8000.0,
    handbrake_torque_nm=14000.0,
)

MOTORCYCLE = VehicleSpec(
    half_extent_m=(1.1, 0.4, 0.8),
    mass_kg=280.0,
    front_axle_m=0.74,
    rear_axle_m=0.74,
    half_track_m=0.0,
    wheel_radius_m=0.32,
    wheel_count=2,
    torque_curve_rpm_nm=((0.0, 60.0), (3000.0, 75.0), (7000.0, 80.0), (9000.0, 60.0)),
    max_rpm=9000.0,
    damping_full_throttle=0.01,
    damping_zero_throttle=0.06,
    front_drive_share=0.0,
    drag_coefficient=0.6,
    brake_torque_nm=340.0,
    handbrake_torque_nm=400.0,
)

BICYCLE = replace(
    MOTORCYCLE,
    half_extent_m=(0.82, 0.3, 0.85),
    mass_kg=95.0,
    front_axle_m=0.52,
    rear_axle_m=0.52,
    wheel_radius_m=0.34,
    torque_curve_rpm_nm=((0.0, 26.0), (600.0, 24.0), (1200.0, 4.0)),
    max_rpm=1200.0,
    damping_full_throttle=0.02,
    damping_zero_throttle=0.05,
    gears=(Gear(1.0),),
    final_ratio=4.0,
    drag_coefficient=0.9,
    brake_torque_nm=90.0,
    handbrake_torque_nm=90.0,
)

CLASSES = {
    "car": CAR,
    "van": VAN,
    "truck": TRUCK,
    "bus": BUS,
    "motorcycle": MOTORCYCLE,
    "bicycle": BICYCLE,
}
