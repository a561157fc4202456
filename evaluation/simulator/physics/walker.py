"""Walkers: upright bodies that go where they are told, on the ground."""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics import exact
from evaluation.simulator.physics.bodies import BODY_FIELDS, BodyTable, Floats, box_inertia_kgm2
from evaluation.simulator.physics.vehicle.suspension import GroundHeight
from evaluation.simulator.wire.codec import Transform, WalkerControl

WALKER_FIELDS = (
    ("wanted_mps", np.float64, (2,)),
    ("wants_jump", np.bool_),
    ("down_left_s", np.float64),
)
"""What a walker has beside the fields of every body: orders, and how long it still lies down."""

# Mass of an adult of 1.8 m; others weigh by the cube of their height.
ADULT_MASS_KG = 75.0
ADULT_HALF_HEIGHT_M = 0.9

START_MPS2 = 10.0
SLIDE_MPS2 = 6.0
TURN_RADPS = 2.0 * np.pi
STEP_UP_MPS = 3.0
JUMP_MPS = 3.0
GRAVITY_MPS2 = 9.81
ON_GROUND_M = 0.05
# A push that changes the velocity by more than this makes a walker fall and lie for a while.
FALL_MPS = 1.5
DOWN_S = 3.0


class WalkerCrowd(BodyTable):
    """All walkers of a world; the origin of a walker is the middle of the body, as in CARLA."""

    dtype = np.dtype([*BODY_FIELDS, *WALKER_FIELDS])

    def add(
        self, actor_id: int, half_extent_m: tuple[float, float, float], transform: Transform
    ) -> None:
        """Put a walker at rest; a second one of the same id is a `ValueError`."""
        row = self._insert(actor_id, transform)
        height = half_extent_m[2] / ADULT_HALF_HEIGHT_M
        mass_kg = ADULT_MASS_KG * (height * height * height)
        self.state["mass_kg"][row] = mass_kg
        self.state["yaw_inertia_kgm2"][row] = box_inertia_kgm2(mass_kg, half_extent_m)
        self.state["half_extent_m"][row] = half_extent_m

    def set_control(self, actor_id: int, control: WalkerControl) -> None:
        """Ask for a direction and a speed; a direction without length means standing still.

        Only the horizontal part of the direction counts; anything not finite means standing still.
        """
        x, y = control.direction.x, control.direction.y
        length = sqrt(x * x + y * y)
        speed_mps = max(control.speed, 0.0)
        valid = isfinite(length) and isfinite(speed_mps) and length > 1e-6
        scale = speed_mps / length if valid else 0.0
        entry = self.state[self._rows[actor_id]]
        entry["wanted_mps"] = (x * scale, y * scale) if valid else 0.0
        entry["wants_jump"] = control.jump
        entry["settled"] = False

    def receive(
        self, rows: NDArray[np.int64], shift_m: Floats, change_mps: Floats, spin_radps: Floats
    ) -> None:
        """Take what collisions did; a hard push makes a walker fall, none makes one spin."""
        super().receive(rows, shift_m, change_mps, np.zeros_like(spin_radps))
        fallen = rows[exact.length(change_mps[:, 0], change_mps[:, 1]) > FALL_MPS]
        self.state["down_left_s"][fallen] = DOWN_S

    def step(self, duration_s: float, ground_height: GroundHeight) -> None:
        """Advance every walker with physics by one tick; `ground_height` as for vehicles."""
        if not len(self):
            return
        self._last_step_s = duration_s
        state = self.state
        state["velocity_before_mps"] = state["velocity_mps"]
        rows = np.flatnonzero(~state["settled"] & state["physics"])
        if not len(rows):
            return
        part = state[rows]
        _walk(part, duration_s)
        _stand(part, duration_s, ground_height)
        resting = (part["velocity_mps"] == 0.0).all(axis=1) & (part["wanted_mps"] == 0.0).all(
            axis=1
        )
        part["settled"] = resting & (part["down_left_s"] <= 0.0) & (part["yaw_rate_radps"] == 0.0)
        state[rows] = part


def _walk(state: NDArray[np.void], duration_s: float) -> None:
    """Change horizontal velocity, position and heading."""
    state["down_left_s"] = np.maximum(state["down_left_s"] - duration_s, 0.0)
    down = state["down_left_s"] > 0.0
    velocity = state["velocity_mps"]
    wanted = np.where(down[:, None], 0.0, state["wanted_mps"])
    limit_mps = np.where(down, SLIDE_MPS2, START_MPS2) * duration_s
    gap = wanted - velocity[:, :2]
    size = np.maximum(exact.length(gap[:, 0], gap[:, 1]), 1e-12)
    velocity[:, :2] += gap * np.minimum(limit_mps / size, 1.0)[:, None]
    state["position_m"][:, :2] += duration_s * velocity[:, :2]
    moving = ~down & (exact.length(wanted[:, 0], wanted[:, 1]) > 0.05)
    turn = exact.arctan2(wanted[:, 1], wanted[:, 0]) - state["yaw_rad"]
    turn = np.remainder(turn + np.pi, 2.0 * np.pi) - np.pi
    turn = np.where(moving, np.clip(turn, -TURN_RADPS * duration_s, TURN_RADPS * duration_s), 0.0)
    state["yaw_rad"] = np.remainder(state["yaw_rad"] + turn + np.pi, 2.0 * np.pi) - np.pi
    state["yaw_rate_radps"] = turn / duration_s
    state["pitch_rad"] = state["roll_rad"] = 0.0


def _stand(state: NDArray[np.void], duration_s: float, ground_height: GroundHeight) -> None:
    """Change height: fall, step up or down, jump."""
    position, velocity = state["position_m"], state["velocity_mps"]
    half_height_m = state["half_extent_m"][:, 2]
    ground = np.asarray(ground_height(position[:, :2].copy(), position[:, 2] - half_height_m))
    gap_m = position[:, 2] - half_height_m - ground
    known = np.isfinite(gap_m) & state["gravity"]
    gap_m = np.where(known, gap_m, 0.0)
    jumps = state["wants_jump"] & known & (np.abs(gap_m) < ON_GROUND_M)
    state["wants_jump"] = False
    falling_mps = velocity[:, 2] - GRAVITY_MPS2 * duration_s
    # On or under the ground: close the gap, but not faster than a step up takes.
    to_ground_mps = np.minimum(-gap_m / duration_s, STEP_UP_MPS)
    climb = np.where(gap_m > ON_GROUND_M, np.maximum(falling_mps, to_ground_mps), to_ground_mps)
    rising = (gap_m > 0.0) & (falling_mps > 0.0)
    climb = np.where(rising, falling_mps, climb)
    climb = np.where(jumps, JUMP_MPS, climb)
    velocity[:, 2] = np.where(known, climb, 0.0)
    position[:, 2] += duration_s * velocity[:, 2]
