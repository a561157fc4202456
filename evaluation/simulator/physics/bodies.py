"""Bodies that move: what vehicles, walkers and props have in common, as one structure of arrays."""

from __future__ import annotations

from math import radians

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics import exact
from evaluation.simulator.physics.pose import canonical_rotation
from evaluation.simulator.wire.codec import (
    MAX_LOCATION_M,
    MAX_RATE_DPS,
    MAX_SPEED_MPS,
    Transform,
    Vector3D,
)

Floats = NDArray[np.float64]

_MAX_RATE_RADPS = radians(MAX_RATE_DPS)
_INITIAL_ROWS = 16

BODY_FIELDS = (
    ("actor_id", np.int64),
    ("position_m", np.float64, (3,)),
    ("velocity_mps", np.float64, (3,)),
    ("velocity_before_mps", np.float64, (3,)),
    ("yaw_rad", np.float64),
    ("pitch_rad", np.float64),
    ("roll_rad", np.float64),
    ("yaw_rate_radps", np.float64),
    ("pitch_rate_radps", np.float64),
    ("roll_rate_radps", np.float64),
    ("settled", np.bool_),
    ("physics", np.bool_),
    ("gravity", np.bool_),
    ("collides", np.bool_),
    ("mass_kg", np.float64),
    ("yaw_inertia_kgm2", np.float64),
    ("half_extent_m", np.float64, (3,)),
    ("centre_z_m", np.float64),
)
"""Fields of every body: pose of the actor's origin, world velocities, switches, and its box.

`centre_z_m` is the height of the box's centre above the origin. `settled` marks bodies that need no
further look at the ground. `velocity_before_mps` is the velocity when the last step began.
"""


class BodyTable:
    """Bodies by actor id; every read-out is an array whose rows follow `actor_ids`.

    Frame: CARLA's world (x forward, y right, z up; yaw clockwise). Removing a body moves the rows
    after it up. Methods that take an actor id raise `KeyError` for one that is not in the table.
    """

    dtype = np.dtype(list(BODY_FIELDS))

    def __init__(self) -> None:
        self._store = np.zeros(_INITIAL_ROWS, dtype=self.dtype)
        self.state = self._store[:0]
        self._rows: dict[int, int] = {}
        self._last_step_s = 1.0
        self._yaw_rad = np.zeros(0)
        self._heading = exact.sin_cos(self._yaw_rad)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, actor_id: object) -> bool:
        return actor_id in self._rows

    @property
    def actor_ids(self) -> NDArray[np.int64]:
        """The actor of each row, (n,)."""
        ids: NDArray[np.int64] = self.state["actor_id"]
        return ids

    def row(self, actor_id: int) -> int:
        """Return the row of a body."""
        return self._rows[actor_id]

    def _insert(self, actor_id: int, transform: Transform) -> int:
        """Append a body at rest at `transform` and return its row."""
        if actor_id in self._rows:
            raise ValueError(f"actor {actor_id}: already has a body; remove it first")
        row = len(self._rows)
        # Not only where it is full: a restored world brings rows of its own.
        if row == len(self._store) or self.state.base is not self._store:
            self._store = np.zeros(max(2 * row, _INITIAL_ROWS), dtype=self.dtype)
            self._store[:row] = self.state
        self.state = self._store[: row + 1]
        self._rows[actor_id] = row
        self.state[row] = np.zeros((), dtype=self.dtype)
        entry = self.state[row]
        entry["actor_id"] = actor_id
        entry["physics"] = entry["gravity"] = entry["collides"] = True
        self.teleport(actor_id, transform)
        return row

    def remove(self, actor_id: int) -> None:
        """Take a body out."""
        row, last = self._rows.pop(actor_id), len(self.state) - 1
        # Whole rows at once: field by field takes a hundred times as long.
        rows = self.state.view(np.dtype((np.void, self.dtype.itemsize)))
        rows[row:last] = rows[row + 1 :]
        self.state = self.state[:last]
        self._rows = {key: index for index, key in enumerate(self.state["actor_id"].tolist())}

    # Commands

    def teleport(self, actor_id: int, transform: Transform) -> None:
        """Set the pose; the velocity stays, as with CARLA's set_transform."""
        entry = self.state[self._rows[actor_id]]
        entry["position_m"] = transform.location
        pitch, yaw, roll = canonical_rotation(transform.rotation)
        entry["yaw_rad"] = radians((yaw + 180.0) % 360.0 - 180.0)
        entry["pitch_rad"] = radians(pitch)
        entry["roll_rad"] = radians(roll)
        entry["pitch_rate_radps"] = entry["roll_rate_radps"] = 0.0
        entry["settled"] = False

    def set_velocity(self, actor_id: int, velocity_world_mps: Vector3D) -> None:
        """Set the velocity once; from then on physics change it again."""
        entry = self.state[self._rows[actor_id]]
        if entry["physics"]:
            entry["velocity_mps"] = velocity_world_mps
            entry["settled"] = False

    def set_angular_velocity(self, actor_id: int, angular_world_degps: Vector3D) -> None:
        """Set the yaw rate once (bodies do not tumble: the other two axes are left alone)."""
        entry = self.state[self._rows[actor_id]]
        if entry["physics"]:
            entry["yaw_rate_radps"] = radians(angular_world_degps.z)
            entry["settled"] = False

    def set_simulate_physics(self, actor_id: int, enabled: bool) -> None:
        """Switch physics; off, the body rests where it is and moves only by `teleport`."""
        entry = self.state[self._rows[actor_id]]
        entry["physics"] = enabled
        entry["settled"] = False
        if not enabled:
            for field in ("velocity_mps", "yaw_rate_radps", "pitch_rate_radps", "roll_rate_radps"):
                entry[field] = 0.0
            entry["velocity_before_mps"] = 0.0

    def set_gravity(self, actor_id: int, enabled: bool) -> None:
        """Switch gravity; off, the body keeps its height."""
        entry = self.state[self._rows[actor_id]]
        entry["gravity"] = enabled
        entry["settled"] = False

    def set_collisions(self, actor_id: int, enabled: bool) -> None:
        """Switch whether others can touch the body."""
        self.state["collides"][self._rows[actor_id]] = enabled

    def add_impulse(self, actor_id: int, impulse_world_ns: Vector3D) -> None:
        """Change the velocity by a push at the centre (N s)."""
        entry = self.state[self._rows[actor_id]]
        if entry["physics"]:
            entry["velocity_mps"] += np.asarray(impulse_world_ns) / entry["mass_kg"]
            entry["settled"] = False

    def add_angular_impulse(self, actor_id: int, impulse_world_nms: Vector3D) -> None:
        """Change the yaw rate by a twist about the vertical (N m s)."""
        entry = self.state[self._rows[actor_id]]
        if entry["physics"]:
            entry["yaw_rate_radps"] += impulse_world_nms.z / entry["yaw_inertia_kgm2"]
            entry["settled"] = False

    def receive(
        self, rows: NDArray[np.int64], shift_m: Floats, change_mps: Floats, spin_radps: Floats
    ) -> None:
        """Take what collisions did to rows: changes (k, 2) of place and velocity, (k,) of spin."""
        self.state["position_m"][rows, :2] += shift_m
        self.state["velocity_mps"][rows, :2] += change_mps
        self.state["yaw_rate_radps"][rows] += spin_radps
        self.state["settled"][rows] = False

    def keep_in_bounds(self) -> int:
        """Stop bodies that are faster or farther than clients may ask for; return how many.

        Pushes add up, and a physics control may give a kilogram the torque of a ship: no such body
        may take the numbers of its neighbours with it.
        """
        state = self.state
        if not len(state):
            return 0
        fits = np.abs(state["velocity_mps"]).max(axis=1, initial=0.0) <= MAX_SPEED_MPS
        fits &= np.abs(state["position_m"]).max(axis=1, initial=0.0) <= MAX_LOCATION_M
        for field in ("yaw_rate_radps", "pitch_rate_radps", "roll_rate_radps"):
            fits &= np.abs(state[field]) <= _MAX_RATE_RADPS
        if fits.all():
            return 0
        wild = np.flatnonzero(~fits)
        for field in ("velocity_mps", "velocity_before_mps", "yaw_rate_radps"):
            state[field][wild] = 0.0
        state["pitch_rate_radps"][wild] = state["roll_rate_radps"][wild] = 0.0
        position = np.nan_to_num(state["position_m"][wild])
        state["position_m"][wild] = np.clip(position, -MAX_LOCATION_M, MAX_LOCATION_M)
        for field in ("yaw_rad", "pitch_rad", "roll_rad"):
            state[field][wild] = np.nan_to_num(state[field][wild], posinf=0.0, neginf=0.0)
        return len(wild)

    # Read-outs

    def heading(self) -> tuple[Floats, Floats]:
        """Sines and cosines (n,) of the yaw angles, computed anew where one has changed."""
        yaw_rad = self.state["yaw_rad"]
        if not np.array_equal(yaw_rad, self._yaw_rad):
            self._yaw_rad = yaw_rad.copy()
            self._heading = exact.sin_cos(self._yaw_rad)
        return self._heading

    def transforms(self) -> Floats:
        """Poses (n, 6): x, y, z in metres, pitch, yaw, roll in degrees."""
        state = self.state
        poses = np.empty((len(state), 6))
        poses[:, :3] = state["position_m"]
        poses[:, 3] = np.degrees(state["pitch_rad"])
        poses[:, 4] = np.degrees(state["yaw_rad"])
        poses[:, 5] = np.degrees(state["roll_rad"])
        return poses

    def velocities_mps(self) -> Floats:
        """World velocities (n, 3)."""
        velocity: Floats = self.state["velocity_mps"]
        return velocity

    def accelerations_mps2(self) -> Floats:
        """World accelerations (n, 3): velocity change since the start of the last step over it."""
        change: Floats = self.state["velocity_mps"] - self.state["velocity_before_mps"]
        return change / self._last_step_s

    def angular_velocities_radps(self) -> Floats:
        """World angular velocities (n, 3) with Unreal's signs.

        Positive are: yaw to the right (about z), nose down (about the body's y), right side up
        (about its x).
        """
        state = self.state
        sin, cos = self.heading()
        angular = np.empty((len(state), 3))
        angular[:, 0] = sin * state["pitch_rate_radps"] - cos * state["roll_rate_radps"]
        angular[:, 1] = -sin * state["roll_rate_radps"] - cos * state["pitch_rate_radps"]
        angular[:, 2] = state["yaw_rate_radps"]
        return angular


def box_inertia_kgm2(mass_kg: float, half_extent_m: tuple[float, float, float]) -> float:
    """Moment of inertia about the vertical of a box of even density."""
    length_m, width_m = half_extent_m[:2]
    return mass_kg * (length_m * length_m + width_m * width_m) / 3.0
