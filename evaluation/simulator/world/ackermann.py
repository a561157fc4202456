"""Ackermann control: a steering angle, a speed and an acceleration instead of pedals.

Two controllers in a row, as in CARLA: the first asks for an acceleration that closes the gap to the
wanted speed, the second moves the pedals until the vehicle accelerates like that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evaluation.simulator.physics.vehicle import VehicleFleet
from evaluation.simulator.wire.codec import AckermannControl, AckermannGains, VehicleControl

FASTEST_MPS2 = 6.0
"""Acceleration where the control names none."""
STRONGEST_BRAKING_MPS2 = 8.0
_GAP_TIME_S = 0.5
"""In this time the speed controller closes a gap, were its proportional gain CARLA's default."""
_PEDAL_PER_MPS3 = 0.6
"""How fast the pedal moves for each m/s2 that is missing, with CARLA's default gain."""
_STILL_MPS = 0.1


@dataclass
class AckermannDriver:
    """One vehicle under Ackermann control; `pedal` is throttle above zero and brake below."""

    control: AckermannControl
    pedal: float = 0.0
    steer_rad: float = 0.0


class AckermannDrivers:
    """The controllers of all vehicles that are under Ackermann control, by actor id."""

    def __init__(self) -> None:
        self._drivers: dict[int, AckermannDriver] = {}
        self._gains: dict[int, AckermannGains] = {}

    def gains(self, actor_id: int) -> AckermannGains:
        """Return the gains of a vehicle's controller."""
        return self._gains.get(actor_id, AckermannGains())

    def set_gains(self, actor_id: int, gains: AckermannGains) -> None:
        """Set the gains of a vehicle's controller."""
        self._gains[actor_id] = gains

    def follow(self, actor_id: int, control: AckermannControl) -> None:
        """Follow a control from now on."""
        driver = self._drivers.get(actor_id)
        if driver is None:
            self._drivers[actor_id] = AckermannDriver(control)
        else:
            driver.control = control

    def forget(self, actor_id: int) -> None:
        """Leave a vehicle to its pedals."""
        self._drivers.pop(actor_id, None)

    def controls(
        self, fleet: VehicleFleet, duration_s: float
    ) -> Iterator[tuple[int, VehicleControl]]:
        """Yield what each driver does with its vehicle in the coming step."""
        for actor_id, driver in self._drivers.items():
            yield actor_id, _drive(driver, self.gains(actor_id), fleet, actor_id, duration_s)


def _drive(
    driver: AckermannDriver,
    gains: AckermannGains,
    fleet: VehicleFleet,
    actor_id: int,
    duration_s: float,
) -> VehicleControl:
    entry = fleet.state[fleet.row(actor_id)]
    sine, cosine = (float(part[fleet.row(actor_id)]) for part in fleet.heading())
    speed_mps, before_mps = (
        cosine * float(entry[field][0]) + sine * float(entry[field][1])
        for field in ("velocity_mps", "velocity_before_mps")
    )
    steer = _steer(driver, fleet.spec(actor_id).max_steer_rad, duration_s)
    wanted_mps = driver.control.speed
    if abs(wanted_mps) < _STILL_MPS and abs(speed_mps) < _STILL_MPS:
        driver.pedal = 0.0
        return VehicleControl(steer=steer, brake=1.0)
    # Forwards and backwards alike: everything is counted along the wanted direction.
    reverse = wanted_mps < 0.0 if abs(wanted_mps) >= _STILL_MPS else speed_mps < 0.0
    sign = -1.0 if reverse else 1.0
    gap_mps = sign * (wanted_mps - speed_mps)
    acceleration_mps2 = sign * (speed_mps - before_mps) / duration_s
    response = gains.speed_kp / AckermannGains().speed_kp / _GAP_TIME_S
    limit_mps2 = abs(driver.control.acceleration) or FASTEST_MPS2
    braking_mps2 = abs(driver.control.acceleration) or STRONGEST_BRAKING_MPS2
    asked_mps2 = min(max(response * gap_mps, -braking_mps2), limit_mps2)
    rate = gains.accel_kp / AckermannGains().accel_kp * _PEDAL_PER_MPS3
    driver.pedal += rate * (asked_mps2 - acceleration_mps2) * duration_s
    driver.pedal = min(max(driver.pedal, -1.0), 1.0)
    if sign * speed_mps < -_STILL_MPS:
        # It rolls the other way: stop first, then engage the other gear.
        return VehicleControl(steer=steer, brake=1.0, reverse=not reverse)
    return VehicleControl(
        throttle=max(driver.pedal, 0.0), steer=steer, brake=max(-driver.pedal, 0.0), reverse=reverse
    )


def _steer(driver: AckermannDriver, max_steer_rad: float, duration_s: float) -> float:
    """Turn the wheels towards the wanted angle; return the share of the largest one."""
    wanted_rad = min(max(driver.control.steer, -max_steer_rad), max_steer_rad)
    step_rad = abs(driver.control.steer_speed) * duration_s
    if step_rad:
        change_rad = min(max(wanted_rad - driver.steer_rad, -step_rad), step_rad)
        driver.steer_rad += change_rad
    else:
        driver.steer_rad = wanted_rad
    return driver.steer_rad / max_steer_rad if max_steer_rad else 0.0
