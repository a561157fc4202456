"""Props: things put on the road, such as cones and barriers."""

from __future__ import annotations

import numpy as np

from evaluation.simulator.physics import exact
from evaluation.simulator.physics.bodies import BodyTable, box_inertia_kgm2
from evaluation.simulator.wire.codec import BoundingBox, Transform

DENSITY_KGPM3 = 60.0
SLIDE_MPS2 = 6.0
SPIN_DOWN_RADPS2 = 6.0


class PropShelf(BodyTable):
    """All props of a world. They stand fixed until `set_simulate_physics` lets them be shoved."""

    def add(self, actor_id: int, box: BoundingBox, transform: Transform) -> None:
        """Put a prop whose box is `box`; a second one of the same id is a `ValueError`."""
        row = self._insert(actor_id, transform)
        half = box.extent
        mass_kg = max(8.0 * half.x * half.y * half.z * DENSITY_KGPM3, 1.0)
        entry = self.state[row]
        entry["mass_kg"] = mass_kg
        entry["yaw_inertia_kgm2"] = max(box_inertia_kgm2(mass_kg, half), 0.01)
        entry["half_extent_m"] = half
        entry["centre_z_m"] = box.location.z
        entry["physics"] = False

    def step(self, duration_s: float) -> None:
        """Let props that were pushed slide to a stop; they keep their height."""
        self._last_step_s = duration_s
        state = self.state
        state["velocity_before_mps"] = state["velocity_mps"]
        rows = np.flatnonzero(state["physics"] & ~state["settled"])
        if not len(rows):
            return
        velocity = state["velocity_mps"][rows, :2]
        rate = state["yaw_rate_radps"][rows]
        speed = np.maximum(exact.length(velocity[:, 0], velocity[:, 1]), 1e-12)
        velocity *= np.maximum(1.0 - SLIDE_MPS2 * duration_s / speed, 0.0)[:, None]
        rate -= np.clip(rate, -SPIN_DOWN_RADPS2 * duration_s, SPIN_DOWN_RADPS2 * duration_s)
        state["velocity_mps"][rows, :2] = velocity
        state["velocity_mps"][rows, 2] = 0.0
        state["yaw_rate_radps"][rows] = rate
        state["position_m"][rows, :2] += duration_s * velocity
        state["yaw_rad"][rows] += duration_s * rate
        state["settled"][rows] = (velocity == 0.0).all(axis=1) & (rate == 0.0)
