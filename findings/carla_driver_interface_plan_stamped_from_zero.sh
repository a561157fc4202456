#!/usr/bin/env bash
# carla-driver-interface: the stamps of a plan are absolute times. A plan stamped from 0 (time
# since now) is taken without a word: in the first step it is driven as meant, so that a test of
# one step passes; then every step drops one more pose and jumps to the next, and the speed rises
# by the planned speed in each step until the vehicle stands still for want of a pose.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check carla-driver-interface==2.3.1
cat > show.py <<'PY'
from importlib.metadata import version

from carla_driver_interface.driver import BaseDriver, DriveContext, DriveResult
from carla_driver_interface.geometry import Pose, Trajectory
from carla_driver_interface.server import serving
from carla_driver_interface.testing import FakeCamera, FakeLoop

STEP_US = 100_000


class Straight(BaseDriver):
    """Plans 2 s straight on at 5 m/s, in the rig frame."""

    name = "straight"

    def __init__(self, absolute: bool) -> None:
        self.absolute = absolute

    def drive(self, ctx: DriveContext) -> DriveResult:
        start_us = ctx.time_now_us if self.absolute else 0
        plan = Trajectory.empty()
        for step in range(1, 21):
            plan.append(start_us + step * STEP_US, Pose.from_xyz_yaw(0.5 * step, 0.0, 0.0, 0.0))
        return DriveResult(trajectory_in_rig=plan)


def speeds_mps(absolute: bool) -> list[int]:
    """Speed after every fifth step of 0.1 s of the package's own loop, from the first on."""
    with serving(Straight(absolute), port=0, host="127.0.0.1") as port:
        with FakeLoop(f"127.0.0.1:{port}", [FakeCamera(width=64, height=32)]) as loop:
            return [round(speed) for speed in loop.run(27).speeds_mps[1::5]]


absolute, from_zero = speeds_mps(True), speeds_mps(False)
print("carla-driver-interface", version("carla-driver-interface"))
print("m/s after steps 1, 6, ... 26, stamps from now:", absolute)
print("the same plan with stamps from 0:             ", from_zero)
print("expected: an error or a warning for poses stamped before the time of the request.")
assert absolute == [5] * 6, absolute
assert from_zero == [5, 30, 55, 80, 0, 0], from_zero
PY
venv/bin/python show.py
